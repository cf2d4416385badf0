//! What is compared over runs.

use crate::alert::{Alert, Evidence, RuleName, Severity, Spot, Trigger};
use retally_log::Timestamp;
use std::sync::Arc;

/// Something that happened in a run and is compared with what happened in others.
#[derive(Clone, Debug)]
pub struct Fact {
    pub(crate) origin: Arc<Origin>,
    pub(crate) spot: Spot,
    pub(crate) kind: FactKind,
}

/// Where a fact is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) run: String,
    /// `None` until a run.started says it.
    pub(crate) project: Option<String>,
    pub(crate) model: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum FactKind {
    /// An issue ended for the first time.
    IssueDecided { issue: String, is_success: bool },
    /// An issue ended, and all of its cost is known; more than 0.
    IssueCost { issue: String, usd: f64 },
    /// A pipeline succeeded or failed.
    PipelineEnded {
        issue: Option<String>,
        pipeline: String,
        name: Option<String>,
        seconds: f64,
    },
}

impl Fact {
    /// Returns what facts are sorted by: when it happened, then where it stands.
    pub fn order(&self) -> (Timestamp, &str, &str, u64) {
        let position = &self.spot.position;
        let run = self.origin.run.as_str();
        (
            position.time,
            run,
            position.segment.as_str(),
            position.index,
        )
    }
}

impl Origin {
    /// Begins an alert that came to be with an event.
    pub(crate) fn alert_at(
        &self,
        rule: RuleName,
        severity: Severity,
        spot: &Spot,
        key: &str,
    ) -> Alert {
        Alert {
            ts: spot.moment,
            trigger: spot.trigger(),
            ..self.alert(rule, severity, key)
        }
    }

    /// Begins an alert; `key` tells it apart from all others of its rule and run.
    pub(crate) fn alert(&self, rule: RuleName, severity: Severity, key: &str) -> Alert {
        Alert {
            key: format!("{}:{}:{key}", rule.as_str(), self.run),
            rule,
            severity,
            ts: None,
            run: self.run.clone(),
            project: self.project.clone(),
            model: self.model.clone(),
            issue: None,
            agent: None,
            pipeline: None,
            text: String::new(),
            evidence: Evidence::default(),
            trigger: Trigger {
                type_name: None,
                ts: None,
                segment: String::new(),
                seq: None,
                offset: None,
            },
        }
    }
}
