//! Good events that contradict the state.

use crate::report_json::{optional_issue, optional_time};
use retally_log::{IssueId, Timestamp};
use serde::Serialize;

/// What is contradictory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AnomalyKind {
    /// The run was finished before it was started; it lasted 0.
    RunEndBeforeStart,
    /// More `run.scored` successes than issues that ended; `success_rate` stops at 100.
    MoreSuccessesThanIssues,
    /// An issue was finished before it was started; that part of it lasted 0.
    IssueEndBeforeStart,
    /// An attempt of an agent was finished before it was started; it lasted 0.
    AgentEndBeforeStart,
    /// An agent finished an attempt that was not started; its duration is unknown.
    AgentEndWithoutStart,
    /// A debugging cycle was finished before it was started; it lasted 0.
    CycleEndBeforeStart,
    /// A debugging cycle was finished while none was open.
    CycleEndWithoutStart,
    /// A fix was attempted while no debugging cycle was open.
    DebugAttemptWithoutCycle,
    /// A debugging cycle is open though its issue ended.
    CycleStillOpen,
}

/// An event, or what became of it, that contradicts the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Anomaly {
    /// What is contradictory.
    pub kind: AnomalyKind,
    /// The issue, in the run's list; left out where it is the run's own, and in an issue's list.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_issue"
    )]
    pub issue_id: Option<IssueId<'static>>,
    /// The agent that it is about; left out where it is about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// When the event happened; `null` where no single event is at fault or it has no time.
    #[serde(serialize_with = "optional_time")]
    pub at: Option<Timestamp>,
}

impl Anomaly {
    pub(crate) fn new(kind: AnomalyKind, agent: Option<&str>, at: Option<Timestamp>) -> Self {
        Self {
            kind,
            issue_id: None,
            agent: agent.map(str::to_owned),
            at,
        }
    }
}
