//! The debugging cycles of one issue.

use crate::anomaly::{Anomaly, AnomalyKind};
use crate::detail_list::DETAILS_MAX;
use crate::moment::{Moment, Span};
use crate::open_list::{Label, OpenList};
use crate::quantity::Seconds;
use crate::report_json::optional_time;
use retally_log::{DebugAttempted, DebugFinished, DebugStarted, Position, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

/// One debugging cycle in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CycleDetail {
    /// The agent that has to rework.
    pub agent: String,
    /// What kind of error it is.
    pub error_type: String,
    /// How many fixes were attempted.
    pub attempts: u64,
    /// Whether the error is gone; `false` while the cycle is open.
    pub resolved: bool,
    /// End − start; of an open cycle, the last event − start. `None` where one of them
    /// has no time.
    pub duration_seconds: Option<Seconds>,
    /// What the error says.
    pub error_message: String,
    /// When the cycle began.
    #[serde(serialize_with = "optional_time")]
    pub started_at: Option<Timestamp>,
    /// When it ended; `None` while it is open.
    #[serde(serialize_with = "optional_time")]
    pub ended_at: Option<Timestamp>,
    /// Whether it has no end.
    pub open: bool,
    /// How it was resolved, where that was said.
    pub resolution_method: Option<String>,
}

/// The debugging cycles of one issue, numbered from 0 in log order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cycles {
    open: OpenList<Cycle>,
    /// The closed ones whose number is below [`DETAILS_MAX`].
    closed: BTreeMap<u64, (Cycle, End)>,
    resolved: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cycle {
    position: Position,
    started: Moment,
    agent: String,
    error_type: String,
    error_message: String,
    attempts: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    at: Moment,
    is_resolved: bool,
    method: Option<String>,
}

impl Cycles {
    /// Opens a cycle.
    pub(crate) fn start(&mut self, position: &Position, moment: Moment, event: &DebugStarted<'_>) {
        let mut labels = vec![Label::Agent(event.agent.clone().into_owned())];
        if event.span.is_some() {
            labels.push(Label::of_span(event.span.as_deref()));
        }
        let cycle = Cycle {
            position: position.clone(),
            started: moment,
            agent: event.agent.clone().into_owned(),
            error_type: event.error_type.clone().into_owned(),
            error_message: event.error_message.clone().into_owned(),
            attempts: 0,
        };
        self.open.open(labels, cycle);
    }

    /// Counts an attempt in the open cycle that it belongs to and returns that cycle's agent, or
    /// `None` where no cycle is open.
    pub(crate) fn attempt(&mut self, event: &DebugAttempted<'_>) -> Option<String> {
        let number = self.find(event.span.as_deref(), event.agent.as_deref())?;
        let cycle = self.open.get_mut(number)?;
        cycle.attempts += 1;
        Some(cycle.agent.clone())
    }

    /// Closes the open cycle that an end belongs to, and returns what is wrong with that.
    pub(crate) fn finish(
        &mut self,
        moment: Moment,
        event: &DebugFinished<'_>,
    ) -> Option<AnomalyKind> {
        let number = self.find(event.span.as_deref(), event.agent.as_deref());
        let closed = number.and_then(|number| Some((number, self.open.close(number)?)));
        let Some((number, cycle)) = closed else {
            return Some(AnomalyKind::CycleEndWithoutStart);
        };
        self.resolved += u64::from(event.resolved);
        let span = Span::between(cycle.started, moment);
        let end = End {
            at: moment,
            is_resolved: event.resolved,
            method: event.resolution_method.clone().map(String::from),
        };
        if number < DETAILS_MAX as u64 {
            self.closed.insert(number, (cycle, end));
        }
        (span == Span::Negative).then_some(AnomalyKind::CycleEndBeforeStart)
    }

    /// Finds the newest open cycle of the span, else of the agent, else of all.
    fn find(&self, span: Option<&str>, agent: Option<&str>) -> Option<u64> {
        let newest_with = |label| self.open.newest_with(&label);
        span.and_then(|span| newest_with(Label::Span(span.to_owned())))
            .or_else(|| agent.and_then(|agent| newest_with(Label::Agent(agent.to_owned()))))
            .or_else(|| self.open.newest())
    }

    /// Returns how many cycles were opened.
    pub(crate) fn count(&self) -> u64 {
        self.open.opened()
    }

    /// Returns how many cycles were resolved.
    pub(crate) fn resolved(&self) -> u64 {
        self.resolved
    }

    /// Returns how many cycles are open.
    pub(crate) fn open_count(&self) -> u64 {
        self.open.iter().len() as u64
    }

    /// Returns the first cycles in log order; open ones last to `last_event`.
    pub(crate) fn details(&self, last_event: Moment) -> Vec<CycleDetail> {
        let kept = self.count().min(DETAILS_MAX as u64);
        (0..kept)
            .filter_map(|number| match self.closed.get(&number) {
                Some((cycle, end)) => Some(cycle.detail(Some(end), end.at)),
                None => Some(self.open.get(number)?.detail(None, last_event)),
            })
            .collect()
    }

    /// Returns the anomalies of an issue that ended, each with the place of the cycle's start.
    pub(crate) fn still_open(&self) -> impl Iterator<Item = (&Position, Anomaly)> {
        self.open.iter().take(DETAILS_MAX).map(|cycle| {
            let agent = Some(cycle.agent.as_str());
            let anomaly = Anomaly::new(AnomalyKind::CycleStillOpen, agent, cycle.started);
            (&cycle.position, anomaly)
        })
    }
}

impl Cycle {
    fn detail(&self, end: Option<&End>, until: Moment) -> CycleDetail {
        CycleDetail {
            agent: self.agent.clone(),
            error_type: self.error_type.clone(),
            attempts: self.attempts,
            resolved: end.is_some_and(|end| end.is_resolved),
            duration_seconds: Span::between(self.started, until)
                .micros()
                .map(Seconds::from_micros),
            error_message: self.error_message.clone(),
            started_at: self.started,
            ended_at: end.and_then(|end| end.at),
            open: end.is_none(),
            resolution_method: end.and_then(|end| end.method.clone()),
        }
    }
}
