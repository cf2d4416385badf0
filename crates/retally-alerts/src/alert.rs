//! What is told of something that goes wrong.

use retally_log::{Position, SegmentId, Timestamp};
use serde::Serialize;
use serde_json::{Number, Value};
use std::collections::BTreeMap;

/// Something that a rule found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alert {
    /// Tells findings apart: the same log gives the same keys, whenever and however often it is
    /// looked at.
    pub key: String,
    /// The rule that found it.
    pub rule: RuleName,
    /// How bad it is, as the rules say.
    pub severity: Severity,
    /// When it came to be; `None` where no time is known.
    pub ts: Option<Timestamp>,
    /// The run in which it was found.
    pub run: String,
    /// The project of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The model of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The issue that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
    /// The agent that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The id of the pipeline that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// What it is, in words; names in it come from the log.
    pub text: String,
    /// The numbers behind it.
    pub evidence: Evidence,
    /// Where the log says so.
    pub trigger: Trigger,
}

/// Numbers by name; names end with their unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Evidence(BTreeMap<&'static str, Value>);

/// The names of the rules, as they stand in the file and in alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RuleName {
    /// Fewer issues are solved than before.
    SuccessRate,
    /// A pipeline took far longer than usual.
    PipelineDuration,
    /// An issue cost far more than usual.
    IssueCost,
    /// Many retries in short time.
    RetryStorm,
    /// An agent began and says nothing.
    AgentSilent,
    /// A run has no end and says nothing.
    RunStalled,
    /// A log holds bytes that cannot be trusted.
    Damage,
    /// A run or an issue cost more than it may.
    Budget,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody should look now.
    Critical,
}

/// The line of a log that made a rule find something: the last event before a silence, the first
/// damage of a file, else the event with which it came to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trigger {
    /// The event's type; `None` where it is no event, or of a type that is not known.
    #[serde(rename = "type")]
    pub type_name: Option<&'static str>,
    /// The event's time; `None` where it has none.
    pub ts: Option<Timestamp>,
    /// The segment.
    pub segment: String,
    /// The `seq` of the line, where it bears one.
    pub seq: Option<u64>,
    /// The byte of the file at which damage begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// An event's place, kept for an alert that may come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) position: Position,
    /// `None` where the segment has no times.
    pub(crate) moment: Option<Timestamp>,
    pub(crate) seq: Option<u64>,
    pub(crate) type_name: Option<&'static str>,
}

impl Spot {
    pub(crate) fn trigger(&self) -> Trigger {
        Trigger {
            type_name: self.type_name,
            ts: self.moment,
            segment: self.position.segment.as_str().to_owned(),
            seq: self.seq,
            offset: None,
        }
    }

    /// Returns what tells the event apart from all others of its run.
    pub(crate) fn key(&self) -> String {
        key_of(&self.position.segment, self.position.index)
    }
}

fn key_of(segment: &SegmentId, index: u64) -> String {
    format!("{segment}:{index}")
}

impl RuleName {
    /// All, in the order in which the file has them.
    pub const ALL: [Self; 8] = [
        Self::SuccessRate,
        Self::PipelineDuration,
        Self::IssueCost,
        Self::RetryStorm,
        Self::AgentSilent,
        Self::RunStalled,
        Self::Damage,
        Self::Budget,
    ];

    /// Returns the name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SuccessRate => "success_rate",
            Self::PipelineDuration => "pipeline_duration",
            Self::IssueCost => "issue_cost",
            Self::RetryStorm => "retry_storm",
            Self::AgentSilent => "agent_silent",
            Self::RunStalled => "run_stalled",
            Self::Damage => "damage",
            Self::Budget => "budget",
        }
    }
}

impl Severity {
    /// All, the least severe first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Evidence {
    /// Adds a count.
    pub(crate) fn count(mut self, name: &'static str, count: u64) -> Self {
        self.0.insert(name, count.into());
        self
    }

    /// Adds a measured number, to six digits behind the point.
    pub(crate) fn figure(mut self, name: &'static str, figure: f64) -> Self {
        let rounded = (figure * 1e6).round() / 1e6;
        let number = Number::from_f64(rounded).map_or(Value::Null, Value::Number);
        self.0.insert(name, number);
        self
    }
}

impl Alert {
    /// Has every text that comes from a log go through `change`.
    pub fn map_texts(&mut self, change: impl Fn(&str) -> String) {
        self.text = change(&self.text);
        let names = [
            &mut self.project,
            &mut self.model,
            &mut self.issue,
            &mut self.agent,
            &mut self.pipeline,
        ];
        for name in names.into_iter().flatten() {
            *name = change(name);
        }
    }
}

/// The longest name from a log that a text quotes, in characters.
const NAME_CHARS_MAX: usize = 80;

/// Returns a name from a log as a text quotes it.
pub(crate) fn quoted(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        None => format!("`{name}`"),
        Some((end, _)) => format!("`{}…`", &name[..end]),
    }
}

/// Returns a number as a text says it: at most three decimals, none that are 0.
pub(crate) fn said(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
