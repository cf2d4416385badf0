//! Good events that contradict the state.

use retally_log::{IssueId, Timestamp};
use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};

/// What is contradictory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Anomaly {
    /// What is contradictory.
    pub kind: AnomalyKind,
    /// The issue, in the run's list; left out where it is the run's own, and in an issue's list.
    pub issue_id: Option<IssueId<'static>>,
    /// The agent that it is about; left out where it is about none.
    pub agent: Option<String>,
    /// When the event happened; `null` where no single event is at fault or it has no time.
    pub at: Option<Timestamp>,
}

/// Leaves out what is about nothing; where the form is binary, nothing is left out.
impl Serialize for Anomaly {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_binary = !serializer.is_human_readable();
        let mut anomaly = serializer.serialize_struct("Anomaly", 4)?;
        anomaly.serialize_field("kind", &self.kind)?;
        if is_binary || self.issue_id.is_some() {
            anomaly.serialize_field("issue_id", &self.issue_id)?;
        }
        if is_binary || self.agent.is_some() {
            anomaly.serialize_field("agent", &self.agent)?;
        }
        anomaly.serialize_field("at", &self.at)?;
        anomaly.end()
    }
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
