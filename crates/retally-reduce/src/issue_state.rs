//! What the events of one issue amount to.

use crate::agents::Agents;
use crate::anomaly::{Anomaly, AnomalyKind};
use crate::code::Code;
use crate::cycles::Cycles;
use crate::detail_list::DetailList;
use crate::lifetime::Lifetime;
use crate::moment::{Extent, Moment};
use crate::pipelines::Pipelines;
use crate::totals::Share;
use crate::usage::{Tools, UsageSums, Used};
use retally_log::{ErrorRecorded, Event, IssueStarted, NoteAdded, Position, Timestamp};
use serde::{Deserialize, Serialize};

/// An error in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// What kind of error it is.
    pub error_type: String,
    /// What it says.
    pub message: String,
    /// How bad it is, in the user's own words.
    pub severity: Option<String>,
    /// The agent.
    pub agent: Option<String>,
    /// When it happened; `None` where its segment has no times.
    pub recorded_at: Option<Timestamp>,
}

/// A note in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteDetail {
    /// What it says.
    pub text: String,
    /// The agent.
    pub agent: Option<String>,
    /// When it was made; `None` where its segment has no times.
    pub recorded_at: Option<Timestamp>,
}

/// An event with what the fold needs to know of its place.
#[derive(Clone, Copy)]
pub(crate) struct Placed<'e, 'l> {
    pub(crate) position: &'e Position,
    /// `None` where the segment has no times.
    pub(crate) moment: Moment,
    pub(crate) event: &'e Event<'l>,
}

/// The state of one issue, which depends on that issue's events alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IssueState {
    /// The least position of its events; `None` until the first.
    first: Option<Position>,
    /// The greatest position of the events that do not only add; `None` until the first.
    last_ordered: Option<Position>,
    pub(crate) events: Extent,
    pub(crate) title: Option<String>,
    pub(crate) lifetime: Lifetime,
    pub(crate) agents: Agents,
    pub(crate) pipelines: Pipelines,
    pub(crate) cycles: Cycles,
    pub(crate) usage: UsageSums,
    pub(crate) tools: Tools,
    pub(crate) code: Code,
    pub(crate) errors: DetailList<ErrorDetail>,
    pub(crate) notes: DetailList<NoteDetail>,
    /// Those of single events; what is wrong with the whole is found when it is reported.
    pub(crate) anomalies: DetailList<Anomaly>,
}

/// Returns whether an event of this type only adds, so that its order does not matter.
pub(crate) fn only_adds(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::LlmCalled(_)
            | Event::ToolCalled(_)
            | Event::CodeChanged(_)
            | Event::NoteAdded(_)
            | Event::ErrorRecorded(_)
    )
}

impl IssueState {
    /// Returns whether an event comes too late to be applied: its order matters, and one that
    /// sorts behind it was applied already.
    pub(crate) fn is_late(&self, position: &Position, event: &Event<'_>) -> bool {
        let last = self.last_ordered.as_ref();
        !only_adds(event) && last.is_some_and(|last| position < last)
    }

    /// Applies an event that is not late, and whose agent was [seen](Agents::see), and adds `used`
    /// to what was used. Returns the agent that retried, if one did.
    pub(crate) fn apply(
        &mut self,
        placed: Placed<'_, '_>,
        used: Option<Used<'_, '_>>,
    ) -> Option<String> {
        let Placed {
            position, event, ..
        } = placed;
        if self.first.as_ref().is_none_or(|first| position < first) {
            self.first = Some(position.clone());
        }
        if !only_adds(event) {
            self.last_ordered = Some(position.clone());
        }
        self.events.include(placed.moment);
        if let Some(used) = used {
            self.usage.add(used);
        }
        match event {
            Event::DebugAttempted(event) => {
                let Some(agent) = self.cycles.attempt(event) else {
                    self.note_anomaly(placed, Some(AnomalyKind::DebugAttemptWithoutCycle));
                    return None;
                };
                self.agents.retry(&agent);
                return Some(agent);
            }
            Event::ToolCalled(event) => self.tools.call(event),
            Event::CodeChanged(event) => self.code.change(position, event),
            Event::ErrorRecorded(event) => self.add_error(placed, event),
            Event::NoteAdded(event) if event.issue.is_some() => self.add_note(placed, event),
            Event::NoteAdded(_) => {} // no report has a place for it: it stands in the log only
            _ => self.apply_in_order(placed),
        }
        None
    }

    /// Applies an event that does not only add; model calls have nothing left to apply here.
    fn apply_in_order(&mut self, placed: Placed<'_, '_>) {
        let Placed {
            position,
            moment,
            event,
        } = placed;
        let anomaly = match event {
            Event::IssueStarted(event) => {
                self.start(moment, event);
                None
            }
            Event::IssueFinished(event) => self
                .lifetime
                .finish(moment, event.status)
                .then_some(AnomalyKind::IssueEndBeforeStart),
            Event::AgentStarted(event) => {
                self.agents.start(moment, event);
                None
            }
            Event::AgentFinished(event) => self.agents.finish(moment, event),
            Event::PipelineRecorded(event) => {
                self.pipelines.record(moment, event);
                None
            }
            Event::DebugStarted(event) => {
                self.cycles.start(position, moment, event);
                None
            }
            Event::DebugFinished(event) => self.cycles.finish(moment, event),
            _ => None,
        };
        self.note_anomaly(placed, anomaly);
    }

    /// The title of the start that opened the issue stands, and the next one's where it has none:
    /// users say the start twice, and only one of their two components knows the title.
    fn start(&mut self, moment: Moment, event: &IssueStarted<'_>) {
        let reopens = !self.lifetime.is_open();
        self.lifetime.start(moment);
        if let Some(title) = &event.title
            && (reopens || self.title.is_none())
        {
            self.title = Some(title.clone().into_owned());
        }
    }

    fn add_error(&mut self, placed: Placed<'_, '_>, event: &ErrorRecorded<'_>) {
        let detail = ErrorDetail {
            error_type: event.error_type.clone().into_owned(),
            message: event.message.clone().into_owned(),
            severity: event.severity.clone().map(String::from),
            agent: event.agent.clone().map(String::from),
            recorded_at: placed.moment,
        };
        self.errors.add(placed.position, detail);
    }

    fn add_note(&mut self, placed: Placed<'_, '_>, event: &NoteAdded<'_>) {
        let detail = NoteDetail {
            text: event.text.clone().into_owned(),
            agent: event.agent.clone().map(String::from),
            recorded_at: placed.moment,
        };
        self.notes.add(placed.position, detail);
    }

    fn note_anomaly(&mut self, placed: Placed<'_, '_>, kind: Option<AnomalyKind>) {
        if let Some(kind) = kind {
            let anomaly = Anomaly::new(kind, placed.event.agent(), placed.moment);
            self.anomalies.add(placed.position, anomaly);
        }
    }

    /// Returns the least position of its events.
    pub(crate) fn first(&self) -> Option<&Position> {
        self.first.as_ref()
    }

    /// Returns `debug.started` + `error.recorded`.
    pub(crate) fn error_count(&self) -> u64 {
        self.cycles.count() + self.errors.count()
    }

    /// Returns what the issue contributes to the totals of its run, but for its usage.
    pub(crate) fn share(&self) -> Share {
        let lifetime = &self.lifetime;
        let status = lifetime.last_status().filter(|_| !lifetime.is_open());
        let mut share = Share::of_status(status);
        share.pipeline_attempts = self.pipelines.count();
        share.succeeded_pipelines = self.pipelines.succeeded();
        share.failed_pipelines = self.pipelines.failed();
        share.first_pass = self.pipelines.first_pass();
        share.first_pass_base = self.pipelines.first_pass_base();
        share.cycles = self.cycles.count();
        share.resolved_cycles = self.cycles.resolved();
        share.anomalies = self.anomalies.count();
        if lifetime.is_open() {
            share.open_cycles_of_open_issues = self.cycles.open_count();
        } else {
            share.anomalies += self.cycles.open_count();
        }
        share
    }

    /// Returns how many anomalies its report counts; `has_ended` says whether work on it ended.
    pub(crate) fn anomaly_count(&self, has_ended: bool) -> u64 {
        let open_cycles = if has_ended {
            self.cycles.open_count()
        } else {
            0
        };
        self.anomalies.count() + open_cycles
    }

    /// Returns its anomalies in log order, at least as many as a report prints.
    pub(crate) fn anomaly_list(&self, has_ended: bool) -> Vec<(Position, Anomaly)> {
        let of_events = self
            .anomalies
            .iter()
            .map(|(position, anomaly)| (position.clone(), anomaly.clone()));
        let mut anomalies: Vec<_> = of_events.collect();
        if has_ended {
            let open = self.cycles.still_open();
            anomalies.extend(open.map(|(position, anomaly)| (position.clone(), anomaly)));
        }
        anomalies.sort_by(|(left, _), (right, _)| left.cmp(right));
        anomalies
    }
}
