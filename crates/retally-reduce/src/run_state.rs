//! What the events of a run amount to.

use crate::detail_list::DetailList;
use crate::issue_state::{ErrorDetail, IssueState, Placed, only_adds};
use crate::issues::Issues;
use crate::moment::{Extent, Moment};
use crate::price_book::PriceBook;
use crate::run_start::RunStart;
use crate::totals::{Share, Totals};
use crate::usage::Used;
use crate::used_keys::{KeyUse, UsedKeys};
use retally_log::{Envelope, Event, IssueId, Position, RunId, RunStatus, Times};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Raised with every change that gives a log other reports; checkpoints of another version are
/// not used.
pub const REDUCER_VERSION: u64 = 1;

/// The state of a run: plain data, changed by events and by nothing else.
///
/// Applying is total and pure: any event, in any order, changes the state by its content alone.
/// Where order matters and an event comes too late, the state does not guess: it becomes
/// [stale](Self::is_stale), and the run is folded again from its log.
///
/// ```
/// use retally_log::{Draft, Envelope, Position, RunId, SegmentId, Times, Timestamp};
/// use retally_reduce::{PriceBook, RunState};
/// use std::sync::Arc;
///
/// let run_id = RunId::new("run_1")?;
/// let mut state = RunState::new(run_id, Arc::new(PriceBook::built_in()));
/// let draft = Draft::from_json(br#"{"type":"issue.started","issue":123}"#)?;
/// let ts: Timestamp = "2024-12-03T14:30:22Z".parse()?;
/// let envelope = Envelope { seq: Some(0), ts, key: None, event: draft.event, extra: draft.extra };
/// let position = Position { time: ts, segment: SegmentId::new("a"), index: 0 };
/// state.apply(&position, Times::Stamped, &envelope);
/// assert_eq!(state.run_report().issues_by_status.in_progress, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunState {
    pub(crate) run_id: RunId,
    /// Handed in, and never part of a checkpoint.
    #[serde(skip)]
    pub(crate) prices: Arc<PriceBook>,
    pub(crate) has_events: bool,
    is_stale: bool,
    pub(crate) events: Extent,
    /// The first `run.started` in log order.
    pub(crate) started: Option<(Position, Moment, RunStart)>,
    /// The last `run.finished` in log order.
    pub(crate) finished: Option<(Position, Moment, RunStatus)>,
    pub(crate) scored_successes: u64,
    pub(crate) scored_errors: u64,
    /// Stands beside it in a checkpoint.
    #[serde(skip)]
    pub(crate) issues: Issues,
    /// The events that could name an issue and do not.
    pub(crate) without_issue: IssueState,
    /// Always the sums over `issues` and `without_issue`.
    pub(crate) totals: Totals,
    /// Holds every agent of every issue.
    pub(crate) retries_by_agent: BTreeMap<String, u64>,
    pub(crate) unknown_types: BTreeMap<String, u64>,
    pub(crate) unknown_fields: u64,
    pub(crate) damaged_lines: u64,
    pub(crate) misfit_lines: u64,
    keys: UsedKeys,
}

impl RunState {
    /// Begins the state of a run of which no event is known.
    pub fn new(run_id: RunId, prices: Arc<PriceBook>) -> Self {
        Self {
            run_id,
            prices,
            has_events: false,
            is_stale: false,
            events: Extent::default(),
            started: None,
            finished: None,
            scored_successes: 0,
            scored_errors: 0,
            issues: Issues::default(),
            without_issue: IssueState::default(),
            totals: Totals::default(),
            retries_by_agent: BTreeMap::new(),
            unknown_types: BTreeMap::new(),
            unknown_fields: 0,
            damaged_lines: 0,
            misfit_lines: 0,
            keys: UsedKeys::default(),
        }
    }

    /// Applies an event of the run's log; `times` is what its segment says about its times.
    ///
    /// Events that only add may come in any order. Any other event that sorts before one that was
    /// applied to the same issue makes the state stale, and a stale state applies nothing more.
    pub fn apply(&mut self, position: &Position, times: Times, envelope: &Envelope<'_>) {
        let event = &envelope.event;
        if self.is_stale() || matches!(event, Event::SegmentOpened(_)) {
            return;
        }
        if let Some(key) = &envelope.key {
            match self.keys.take(event.issue(), key, position) {
                KeyUse::First => {}
                KeyUse::Repeated => return,
                KeyUse::Late => {
                    self.is_stale = true;
                    return;
                }
            }
        }
        let moment = (times != Times::None).then_some(envelope.ts);
        self.has_events = true;
        self.events.include(moment);
        if let Event::Unknown(event) = event {
            count_name(&mut self.unknown_types, event.type_name(), 1);
            return;
        }
        self.unknown_fields += envelope.extra.len() as u64;
        self.apply_known(Placed {
            position,
            moment,
            event,
        });
    }

    fn apply_known(&mut self, placed: Placed<'_, '_>) {
        let (position, moment) = (placed.position, placed.moment);
        match placed.event {
            Event::RunStarted(event) => {
                let is_first = |(first, ..): &(Position, _, _)| position < first;
                if self.started.as_ref().is_none_or(is_first) {
                    self.started = Some((position.clone(), moment, RunStart::new(event)));
                }
            }
            Event::RunFinished(event) => {
                if self.finished.is_none() {
                    self.change_open_issues();
                }
                let is_last = |(last, ..): &(Position, _, _)| position > last;
                if self.finished.as_ref().is_none_or(is_last) {
                    self.finished = Some((position.clone(), moment, event.status));
                }
            }
            Event::RunScored(event) if event.success => self.scored_successes += 1,
            Event::RunScored(_) => self.scored_errors += 1,
            event => {
                let used = Used::by(moment, event, &self.prices);
                match event.issue() {
                    Some(issue) => self.apply_to_issue(issue, placed, used),
                    None => self.apply_without_issue(placed, used),
                }
            }
        }
    }

    fn apply_to_issue(
        &mut self,
        id: &IssueId<'_>,
        placed: Placed<'_, '_>,
        used: Option<Used<'_, '_>>,
    ) {
        let issue = self.issues.change(id);
        if issue.is_late(placed.position, placed.event) {
            self.is_stale = true;
            return;
        }
        if let Some(agent) = placed.event.agent()
            && issue.agents.see(agent, placed.position)
        {
            count_name(&mut self.retries_by_agent, agent, 0);
        }
        // An event that only adds changes nothing of it but that the issue is there.
        let is_first = issue.first().is_none();
        let old = (!is_first && !only_adds(placed.event)).then(|| issue.share());
        if let Some(agent) = issue.apply(placed, used) {
            count_name(&mut self.retries_by_agent, &agent, 1);
        }
        if is_first || old.is_some() {
            let old = old.unwrap_or_default();
            self.totals.share.replace(&old, &issue.share());
        }
        if let Some(used) = used {
            self.totals.usage.add(used);
        }
    }

    fn apply_without_issue(&mut self, placed: Placed<'_, '_>, used: Option<Used<'_, '_>>) {
        let state = &mut self.without_issue;
        if state.is_late(placed.position, placed.event) {
            self.is_stale = true;
            return;
        }
        // It is no issue, so it counts for none of the statuses.
        let share = |state: &IssueState| Share {
            open: 0,
            ..state.share()
        };
        let old = share(state);
        if let Some(agent) = placed.event.agent() {
            state.agents.see(agent, placed.position);
        }
        state.apply(placed, used);
        self.totals.share.replace(&old, &share(state));
        if let Some(used) = used {
            self.totals.usage.add(used);
        }
    }

    /// An issue without an end turns from in progress to abandoned when the run ends.
    fn change_open_issues(&mut self) {
        self.issues.note_changed(|issue| issue.lifetime.is_open());
    }

    /// Says how many lines of the log are damaged and how many are misfits, all told.
    pub fn set_aside(&mut self, damaged_lines: u64, misfit_lines: u64) {
        self.damaged_lines = damaged_lines;
        self.misfit_lines = misfit_lines;
    }

    /// Returns whether an event came too late to be applied, or what a checkpoint holds of an issue
    /// turned out to be no state, so that the run has to be folded again from its log: nothing that
    /// the state says is right any more.
    pub fn is_stale(&self) -> bool {
        self.is_stale || self.issues.is_broken()
    }

    /// Returns the run's id.
    pub fn run_id(&self) -> &RunId {
        &self.run_id
    }

    /// Returns whether any event was applied.
    pub fn has_events(&self) -> bool {
        self.has_events
    }

    /// Returns whether the run ever finished.
    pub fn has_ended(&self) -> bool {
        self.finished.is_some()
    }

    /// Returns the ids of all issues that an event names, sorted by their text.
    pub fn issue_ids(&self) -> impl Iterator<Item = &IssueId<'static>> {
        self.issues.ids()
    }

    /// Returns whether an issue ever finished, which is when it has a final report.
    pub fn has_issue_ended(&self, id: &IssueId<'_>) -> bool {
        let issue = self.issues.get(id.as_str());
        issue.is_some_and(|(_, issue)| issue.lifetime.last_status().is_some())
    }

    /// Returns the issues whose reports may have changed since this was last called.
    pub fn take_changed(&mut self) -> BTreeSet<IssueId<'static>> {
        self.issues.take_changed()
    }

    /// Returns whether that would return any.
    pub(crate) fn has_changed_issues(&self) -> bool {
        self.issues.has_changed()
    }

    /// Returns the errors that name no issue.
    pub(crate) fn errors(&self) -> &DetailList<ErrorDetail> {
        &self.without_issue.errors
    }
}

/// Adds to the count of a name, which is there afterwards.
fn count_name(counts: &mut BTreeMap<String, u64>, name: &str, more: u64) {
    match counts.get_mut(name) {
        Some(count) => *count += more,
        None => {
            counts.insert(name.to_owned(), more);
        }
    }
}

#[cfg(test)]
mod tests;
