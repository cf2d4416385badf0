//! A list of which a report prints the beginning.

use retally_log::Position;
use serde::{Deserialize, Serialize};

/// The most entries that a report prints of one list.
///
/// A report is read as a whole by people and programs; a thousand entries are past what anybody
/// looks at, and the log has them all.
pub const DETAILS_MAX: usize = 1000;

/// The first [`DETAILS_MAX`] entries in log order of those that were added, in whatever order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DetailList<T> {
    /// Sorted by position, never more than [`DETAILS_MAX`].
    first: Vec<(Position, T)>,
    count: u64,
}

impl<T> Default for DetailList<T> {
    fn default() -> Self {
        Self {
            first: Vec::new(),
            count: 0,
        }
    }
}

impl<T> DetailList<T> {
    /// Adds the entry of the event at `position`, of which there is at most one.
    pub(crate) fn add(&mut self, position: &Position, entry: T) {
        self.count += 1;
        let at = self.first.partition_point(|(other, _)| other < position);
        if at == DETAILS_MAX {
            return;
        }
        self.first.insert(at, (position.clone(), entry));
        self.first.truncate(DETAILS_MAX);
    }

    /// Returns how many entries were added.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the entries that are kept, in log order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Position, &T)> {
        self.first.iter().map(|(position, entry)| (position, entry))
    }

    /// Returns the entries that are kept, without their positions.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.first.iter().map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retally_log::{SegmentId, Timestamp};

    #[test]
    fn the_first_in_log_order_are_kept_whatever_the_arrival_order() {
        let position = |index| Position {
            time: Timestamp::MIN,
            segment: SegmentId::new("a"),
            index,
        };
        let (mut forward, mut backward) = (DetailList::default(), DetailList::default());
        for index in 0..2_500 {
            forward.add(&position(index), index);
            backward.add(&position(2_499 - index), 2_499 - index);
        }
        assert_eq!(forward, backward);
        assert_eq!(forward.count(), 2_500);
        assert!(forward.values().copied().eq(0..1_000));
    }
}
