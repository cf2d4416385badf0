//! Idempotency keys: of the events of one issue that bear the same, the first in log order counts.

use retally_log::{IssueId, Position};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the key of an event says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyUse {
    /// It is the first that arrived with this key.
    First,
    /// An earlier event has the key: this one counts for nothing.
    Repeated,
    /// A later event has the key and was counted, but this one is the one to count.
    Late,
}

/// The keys that were used, by issue or by the run itself, each with the place of its use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UsedKeys {
    of_run: BTreeMap<String, Position>,
    of_issues: BTreeMap<IssueId<'static>, BTreeMap<String, Position>>,
}

impl UsedKeys {
    /// Uses a key up.
    pub(crate) fn take(
        &mut self,
        issue: Option<&IssueId<'_>>,
        key: &str,
        position: &Position,
    ) -> KeyUse {
        let keys = match issue {
            None => &mut self.of_run,
            Some(issue) => {
                if !self.of_issues.contains_key(issue.as_str()) {
                    let issue = issue.clone().into_owned();
                    self.of_issues.insert(issue, BTreeMap::new());
                }
                self.of_issues
                    .get_mut(issue.as_str())
                    .expect("the issue was inserted above")
            }
        };
        match keys.get(key) {
            Some(used) if used < position => KeyUse::Repeated,
            Some(_) => KeyUse::Late,
            None => {
                keys.insert(key.to_owned(), position.clone());
                KeyUse::First
            }
        }
    }
}
