//! What was opened and not yet closed, reached by its labels.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// By what an open entry can be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Label {
    /// It was opened with this span.
    Span(String),
    /// It was opened without a span.
    NoSpan,
    /// It belongs to this agent.
    Agent(String),
}

impl Label {
    /// Returns the label of what was opened with or without a span.
    pub(crate) fn of_span(span: Option<&str>) -> Self {
        span.map_or(Self::NoSpan, |span| Self::Span(span.to_owned()))
    }
}

/// Open entries, numbered from 0 in the order in which they were opened.
///
/// Finding the newest of a label costs the logarithm of their number, so that a log of a million
/// starts without an end stays readable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenList<T> {
    entries: BTreeMap<u64, Entry<T>>,
    /// Holds exactly the labels of `entries`; no set is empty.
    by_label: BTreeMap<Label, BTreeSet<u64>>,
    opened: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry<T> {
    labels: Vec<Label>,
    value: T,
}

impl<T> Default for OpenList<T> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            by_label: BTreeMap::new(),
            opened: 0,
        }
    }
}

impl<T> OpenList<T> {
    /// Opens an entry.
    pub(crate) fn open(&mut self, labels: Vec<Label>, value: T) {
        let number = self.opened;
        self.opened += 1;
        for label in &labels {
            self.by_label
                .entry(label.clone())
                .or_default()
                .insert(number);
        }
        self.entries.insert(number, Entry { labels, value });
    }

    /// Returns the number of the newest open entry that bears the label.
    pub(crate) fn newest_with(&self, label: &Label) -> Option<u64> {
        self.by_label.get(label)?.last().copied()
    }

    /// Returns the number of the newest open entry.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.entries.last_key_value().map(|(number, _)| *number)
    }

    /// Returns an open entry.
    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        self.entries.get(&number).map(|entry| &entry.value)
    }

    /// Returns an open entry to change it.
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        self.entries.get_mut(&number).map(|entry| &mut entry.value)
    }

    /// Closes an entry and returns it.
    pub(crate) fn close(&mut self, number: u64) -> Option<T> {
        let entry = self.entries.remove(&number)?;
        for label in &entry.labels {
            if let Some(numbers) = self.by_label.get_mut(label) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.by_label.remove(label);
                }
            }
        }
        Some(entry.value)
    }

    /// Returns how many entries were ever opened.
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    /// Returns the open entries, oldest first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        self.entries.values().map(|entry| &entry.value)
    }
}
