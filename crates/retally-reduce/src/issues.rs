use crate::issue_state::IssueState;
use retally_log::IssueId;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The issues of a run, by id, and which of them changed.
///
/// Most events are of the issue of the event before, which is found without a search.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "BTreeMap<IssueId<'static>, IssueState>")]
pub(crate) struct Issues {
    /// In the order in which they came.
    entries: Vec<Entry>,
    /// The places in `entries`.
    by_id: BTreeMap<IssueId<'static>, usize>,
    /// The place of the one that was asked for last.
    latest: usize,
    /// The places of those that changed since that was last asked.
    changed: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Entry {
    id: IssueId<'static>,
    state: IssueState,
    is_changed: bool,
}

impl Issues {
    /// Returns the issue of this id to change it; it is there afterwards.
    pub(crate) fn change(&mut self, id: &IssueId<'_>) -> &mut IssueState {
        let at = self.place(id);
        self.latest = at;
        let entry = &mut self.entries[at];
        if !entry.is_changed {
            entry.is_changed = true;
            self.changed.push(at);
        }
        &mut entry.state
    }

    fn place(&mut self, id: &IssueId<'_>) -> usize {
        let latest = self.entries.get(self.latest);
        if latest.is_some_and(|latest| latest.id.as_str() == id.as_str()) {
            return self.latest;
        }
        if let Some(at) = self.by_id.get(id.as_str()) {
            return *at;
        }
        self.insert(id.clone().into_owned(), IssueState::default())
    }

    fn insert(&mut self, id: IssueId<'static>, state: IssueState) -> usize {
        let at = self.entries.len();
        self.by_id.insert(id.clone(), at);
        self.entries.push(Entry {
            id,
            state,
            is_changed: false,
        });
        at
    }

    /// Returns the issue of this id, with its id.
    pub(crate) fn get(&self, id: &str) -> Option<(&IssueId<'static>, &IssueState)> {
        let entry = &self.entries[*self.by_id.get(id)?];
        Some((&entry.id, &entry.state))
    }

    /// Returns all issues, sorted by the text of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&IssueId<'static>, &IssueState)> {
        let entries = self.by_id.values().map(|at| &self.entries[*at]);
        entries.map(|entry| (&entry.id, &entry.state))
    }

    /// Notes that the issues changed for which `is_changed` returns true.
    pub(crate) fn note_changed(&mut self, is_changed: impl Fn(&IssueState) -> bool) {
        for (at, entry) in self.entries.iter_mut().enumerate() {
            if !entry.is_changed && is_changed(&entry.state) {
                entry.is_changed = true;
                self.changed.push(at);
            }
        }
    }

    /// Returns the ids of those that changed since this was last called.
    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    pub(crate) fn take_changed(&mut self) -> BTreeSet<IssueId<'static>> {
        let changed = std::mem::take(&mut self.changed);
        let entries = changed.into_iter().map(|at| {
            let entry = &mut self.entries[at];
            entry.is_changed = false;
            entry.id.clone()
        });
        entries.collect()
    }
}

impl From<BTreeMap<IssueId<'static>, IssueState>> for Issues {
    fn from(states: BTreeMap<IssueId<'static>, IssueState>) -> Self {
        let mut issues = Self::default();
        for (id, state) in states {
            issues.insert(id, state);
        }
        issues
    }
}

/// Written as a map, without what changed.
impl Serialize for Issues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self
            .by_id
            .iter()
            .map(|(id, at)| (id, &self.entries[*at].state));
        serializer.collect_map(entries)
    }
}
