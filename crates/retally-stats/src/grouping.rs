use crate::issue_work::IssueWork;
use retally_reduce::{RunMetadata, RunState};
use std::fmt;
use std::str::FromStr;

/// By what runs, and their work on issues, are put into groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// The model that the run was started with.
    Model,
    /// Who serves it.
    Provider,
    /// The sampling temperature, as it was written.
    Temperature,
    /// What the run was started to do.
    Mode,
    /// The project.
    Project,
    /// The agent: its own part in each issue in which it made an attempt or had to rework.
    Agent,
    /// The value of a tag.
    Tag(String),
    /// The value of a member of the configuration: a text as it is, anything else as JSON.
    Config(String),
}

/// What a grouping may be.
pub const GROUPINGS: &str =
    "model, provider, temperature, mode, project, agent, tag:KEY or config:KEY";

/// A text that is no grouping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownGrouping;

impl fmt::Display for UnknownGrouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "want {GROUPINGS}")
    }
}

impl std::error::Error for UnknownGrouping {}

impl FromStr for Grouping {
    type Err = UnknownGrouping;

    fn from_str(text: &str) -> Result<Self, UnknownGrouping> {
        Ok(match text.split_once(':') {
            Some(("tag", key)) if !key.is_empty() => Self::Tag(key.to_owned()),
            Some(("config", key)) if !key.is_empty() => Self::Config(key.to_owned()),
            _ => match text {
                "model" => Self::Model,
                "provider" => Self::Provider,
                "temperature" => Self::Temperature,
                "mode" => Self::Mode,
                "project" => Self::Project,
                "agent" => Self::Agent,
                _ => return Err(UnknownGrouping),
            },
        })
    }
}

impl fmt::Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model => f.write_str("model"),
            Self::Provider => f.write_str("provider"),
            Self::Temperature => f.write_str("temperature"),
            Self::Mode => f.write_str("mode"),
            Self::Project => f.write_str("project"),
            Self::Agent => f.write_str("agent"),
            Self::Tag(key) => write!(f, "tag:{key}"),
            Self::Config(key) => write!(f, "config:{key}"),
        }
    }
}

impl Grouping {
    /// Returns what a run did on its issues, each with the group it belongs to: `None` where the
    /// run does not say. An issue on which several agents worked stands once for each.
    pub fn work_of(&self, state: &RunState) -> Vec<(Option<String>, IssueWork)> {
        let works = IssueWork::of_run(state).into_iter();
        if *self == Self::Agent {
            let of_agents = works.flat_map(|(work, report)| {
                let agents = report.agent_metrics.iter();
                let own = agents.filter_map(|(name, metrics)| {
                    Some((Some(name.clone()), work.of_agent(name, metrics, &report)?))
                });
                own.collect::<Vec<_>>()
            });
            return of_agents.collect();
        }
        let group = self.group_of(&state.metadata());
        works.map(|(work, _)| (group.clone(), work)).collect()
    }

    /// Returns the group that a run belongs to whatever it did; `None` of agents, of which one that
    /// did nothing is in no group.
    pub fn of_run(&self, state: &RunState) -> Option<Option<String>> {
        (*self != Self::Agent).then(|| self.group_of(&state.metadata()))
    }

    fn group_of(&self, metadata: &RunMetadata) -> Option<String> {
        let llm = metadata.llm_configuration.as_ref();
        match self {
            Self::Model => llm?.model.clone(),
            Self::Provider => llm?.provider.clone(),
            Self::Temperature => Some(llm?.temperature.as_ref()?.as_str().to_owned()),
            Self::Mode => metadata.execution_mode.clone(),
            Self::Project => metadata.project_id.clone(),
            Self::Agent => None,
            Self::Tag(key) => metadata.tags.get(key).cloned(),
            Self::Config(key) => {
                let json = serde_json::to_string(metadata.config.get(key)?).ok()?;
                Some(serde_json::from_str::<String>(&json).unwrap_or(json))
            }
        }
    }
}
