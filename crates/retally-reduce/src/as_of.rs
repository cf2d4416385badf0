//! How much of a log is folded.

use crate::fold::{RunFold, Visit};
use crate::price_book::PriceBook;
use crate::run_state::RunState;
use retally_log::{Content, Entry, LogError, RunId, SegmentId, Timestamp};
use std::path::Path;
use std::sync::Arc;

/// A point in a log. What is known now of the time up to it is folded, whenever it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// Every event whose effective time (the running maximum of `ts` in its segment) is not after
    /// this.
    Time(Timestamp),
    /// Every line up to this one in log order, itself included.
    Line {
        /// The segment.
        segment: SegmentId,
        /// The `seq` of the line.
        seq: u64,
    },
}

/// What a log amounts to up to some point.
#[derive(Clone, Debug)]
pub struct AsOfState {
    /// The state at that point, or at the end of the log where the log does not reach it.
    pub state: RunState,
    /// Whether the log reaches the point: it has the line, or an event after the time.
    pub is_reached: bool,
}

/// Folds the log of a run in a root up to a point.
///
/// # Errors
/// The log cannot be read.
pub fn fold_as_of(
    root: &Path,
    run_id: &RunId,
    prices: Arc<PriceBook>,
    as_of: &AsOf,
) -> Result<AsOfState, LogError> {
    let mut fold = RunFold::open(root, run_id, prices)?;
    let is_reached = fold.read(|entry| as_of.visit(entry))?;
    let state = fold.into_state();
    Ok(AsOfState { state, is_reached })
}

impl AsOf {
    /// Returns what is to be done with an entry of the log.
    fn visit(&self, entry: &Entry<'_>) -> Visit {
        let Entry::Stretch(place, content) = entry else {
            return Visit::Take;
        };
        match (self, content) {
            (Self::Time(time), Content::Event(event)) if event.position.time > *time => Visit::Stop,
            (Self::Line { segment, seq }, _)
                if place.segment == segment && place.seq == Some(*seq) =>
            {
                Visit::TakeAndStop
            }
            _ => Visit::Take,
        }
    }
}
