use crate::issue_state::IssueState;
use retally_log::IssueId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// The issues of a run, by id, and which of them changed.
///
/// Most events are of the issue of the event before, which is found without a search. Those of a
/// checkpoint stay packed until they are asked for: most issues of a long run never are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Issues {
    /// In the order in which they came.
    entries: Vec<Entry>,
    /// The places in `entries`.
    by_id: BTreeMap<IssueId<'static>, usize>,
    /// The place of the one that was asked for last.
    latest: usize,
    /// The places of those that changed since that was last asked.
    changed: Vec<usize>,
    /// The checkpoint from which these were taken up, kept as long as any may be packed.
    checkpoint: Arc<Vec<u8>>,
    /// Set where what was packed turned out to be no state, whatever its checksum says.
    is_broken: OnceLock<()>,
}

#[derive(Clone, Debug)]
struct Entry {
    id: IssueId<'static>,
    /// Not set while it is packed.
    state: OnceLock<Box<IssueState>>,
    /// Where it stands in the checkpoint.
    packed: Range<usize>,
    is_changed: bool,
}

/// An issue in a checkpoint: its id, and how many bytes its state takes.
#[derive(Serialize, Deserialize)]
pub(crate) struct PackedIssue {
    id: IssueId<'static>,
    bytes: u64,
}

impl Issues {
    /// Returns the issue of this id to change it; it is there afterwards.
    pub(crate) fn change(&mut self, id: &IssueId<'_>) -> &mut IssueState {
        let at = self.place(id);
        self.latest = at;
        self.state(&self.entries[at]);
        let entry = &mut self.entries[at];
        if !entry.is_changed {
            entry.is_changed = true;
            self.changed.push(at);
        }
        entry.state.get_mut().expect("it was unpacked just now")
    }

    fn place(&mut self, id: &IssueId<'_>) -> usize {
        let latest = self.entries.get(self.latest);
        if latest.is_some_and(|latest| latest.id.as_str() == id.as_str()) {
            return self.latest;
        }
        if let Some(at) = self.by_id.get(id.as_str()) {
            return *at;
        }
        let (id, at) = (id.clone().into_owned(), self.entries.len());
        self.by_id.insert(id.clone(), at);
        self.entries.push(Entry {
            id,
            state: OnceLock::from(Box::default()),
            packed: 0..0,
            is_changed: false,
        });
        at
    }

    /// Returns the issue of this id, with its id.
    pub(crate) fn get(&self, id: &str) -> Option<(&IssueId<'static>, &IssueState)> {
        let entry = &self.entries[*self.by_id.get(id)?];
        Some((&entry.id, self.state(entry)))
    }

    /// Returns the ids of all issues, sorted by their text.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &IssueId<'static>> {
        self.by_id.keys()
    }

    /// Returns all issues, sorted by the text of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&IssueId<'static>, &IssueState)> {
        let entries = self.by_id.values().map(|at| &self.entries[*at]);
        entries.map(|entry| (&entry.id, self.state(entry)))
    }

    /// Notes that the issues changed for which `is_changed` returns true.
    pub(crate) fn note_changed(&mut self, is_changed: impl Fn(&IssueState) -> bool) {
        for at in 0..self.entries.len() {
            let entry = &self.entries[at];
            if !entry.is_changed && is_changed(self.state(entry)) {
                self.entries[at].is_changed = true;
                self.changed.push(at);
            }
        }
    }

    /// Returns whether any changed since that was last asked.
    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Returns the ids of those that changed since this was last called.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<IssueId<'static>> {
        let changed = std::mem::take(&mut self.changed);
        let entries = changed.into_iter().map(|at| {
            let entry = &mut self.entries[at];
            entry.is_changed = false;
            entry.id.clone()
        });
        entries.collect()
    }

    /// Returns the issues in the order of their ids, and their states one behind the other.
    pub(crate) fn pack(&self) -> (Vec<PackedIssue>, Vec<u8>) {
        let (mut issues, mut states) = (Vec::with_capacity(self.entries.len()), Vec::new());
        for (id, at) in &self.by_id {
            let (entry, start) = (&self.entries[*at], states.len());
            match entry.state.get() {
                Some(state) => {
                    states = postcard::to_extend(&**state, states).expect("a state is plain data");
                }
                None => states.extend_from_slice(&self.checkpoint[entry.packed.clone()]),
            }
            issues.push(PackedIssue {
                id: id.clone(),
                bytes: (states.len() - start) as u64,
            });
        }
        (issues, states)
    }

    /// Takes up issues whose states stand one behind the other from `start` on to the end of a
    /// checkpoint; `None` where they do not.
    pub(crate) fn take_up(
        issues: Vec<PackedIssue>,
        checkpoint: Vec<u8>,
        start: usize,
    ) -> Option<Self> {
        let (mut entries, mut end) = (Vec::with_capacity(issues.len()), start);
        for PackedIssue { id, bytes } in issues {
            let start = end;
            end = start.checked_add(usize::try_from(bytes).ok()?)?;
            entries.push(Entry {
                id,
                state: OnceLock::new(),
                packed: start..end,
                is_changed: false,
            });
        }
        let places = entries.iter().enumerate();
        let by_id: BTreeMap<_, _> = places.map(|(at, entry)| (entry.id.clone(), at)).collect();
        let is_whole = end == checkpoint.len() && by_id.len() == entries.len();
        is_whole.then(|| Self {
            entries,
            by_id,
            checkpoint: Arc::new(checkpoint),
            ..Self::default()
        })
    }

    /// Returns whether a state could not be unpacked, so that what these say is not to be trusted.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.get().is_some()
    }

    fn state<'s>(&'s self, entry: &'s Entry) -> &'s IssueState {
        entry.state.get_or_init(|| self.unpack(&entry.packed))
    }

    fn unpack(&self, packed: &Range<usize>) -> Box<IssueState> {
        match postcard::take_from_bytes(&self.checkpoint[packed.clone()]) {
            Ok((state, [])) => Box::new(state),
            _ => {
                _ = self.is_broken.set(());
                Box::default()
            }
        }
    }
}
