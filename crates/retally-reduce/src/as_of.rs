//! How much of a log is folded.

use crate::fold::RunFold;
use crate::price_book::PriceBook;
use crate::run_state::RunState;
use retally_log::{
    Content, Entry, LogError, LogReader, RunId, SegmentId, Timestamp, TimestampError,
};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// A point in a log. What is known now of the time up to it is folded, whenever it was written.
///
/// Its text is an RFC 3339 time, or `SEGMENT:SEQ`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// Every event whose effective time (the running maximum of `ts` in its segment) is not after
    /// this.
    Time(Timestamp),
    /// Every line up to this one in log order, itself included.
    Line {
        /// The id of the segment, or the beginning of it that no other segment's has.
        segment: String,
        /// The `seq` of the line.
        seq: u64,
    },
}

/// Why there is no state as of some point.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AsOfError {
    /// The text is neither a time nor a line.
    #[error("`{0}` is neither an RFC 3339 time with a zone nor SEGMENT:SEQ")]
    Malformed(String),
    /// The text is a time of which the zone is not known.
    #[error("`{0}` is a time without a zone (end it with `Z` or an offset such as `+01:00`)")]
    NoZone(String),
    /// No segment, or more than one, has an id that begins so.
    #[error("{count} segments have an id that begins with `{segment}` (want one)")]
    Segment {
        /// The beginning of the id.
        segment: String,
        /// How many segments have such an id.
        count: usize,
    },
    /// The segment has no such line.
    #[error("segment `{segment}` has no sound line with seq {seq}")]
    Line {
        /// The segment.
        segment: SegmentId,
        /// The `seq`.
        seq: u64,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl FromStr for AsOf {
    type Err = AsOfError;

    fn from_str(text: &str) -> Result<Self, AsOfError> {
        match Timestamp::parse(text) {
            Ok(time) => return Ok(Self::Time(time)),
            Err(TimestampError::NoZone) => return Err(AsOfError::NoZone(text.to_owned())),
            Err(_) => {}
        }
        let line = text.rsplit_once(':').and_then(|(segment, seq)| {
            let seq = seq.parse().ok()?;
            let segment = segment.to_owned();
            (!segment.is_empty()).then_some(Self::Line { segment, seq })
        });
        line.ok_or_else(|| AsOfError::Malformed(text.to_owned()))
    }
}

/// Folds a run up to a point; where the log ends before a time, all of it.
///
/// # Errors
/// The log cannot be read, or has no such line.
pub fn fold_as_of(
    root: &Path,
    run_id: &RunId,
    prices: Arc<PriceBook>,
    as_of: &AsOf,
) -> Result<RunState, AsOfError> {
    let mut replay = Replay::open(root, run_id, prices, Some(as_of))?;
    while replay.step(|_| ())?.is_some() {}
    Ok(replay.into_state())
}

/// A run whose state grows entry by entry, to the end of its log as it is now or up to a point.
///
/// ```no_run
/// use retally_log::{Content, Entry, RunId};
/// use retally_reduce::{PriceBook, Replay};
/// use std::path::Path;
/// use std::sync::Arc;
///
/// let (root, run_id) = (Path::new("logs/runs"), RunId::new("run_1")?);
/// let mut replay = Replay::open(root, &run_id, Arc::new(PriceBook::built_in()), None)?;
/// while replay.step(|entry| println!("{entry:?}"))?.is_some() {
///     println!("{} issues", replay.state().issue_ids().count());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Replay {
    fold: RunFold,
    until: Until,
    is_over: bool,
}

/// Where a replay ends.
enum Until {
    End,
    Time(Timestamp),
    Line { segment: SegmentId, seq: u64 },
}

/// Whether an entry is replayed.
#[derive(PartialEq, Eq)]
enum Part {
    Inside,
    Last,
    Behind,
}

impl Until {
    fn part(&self, entry: &Entry<'_>) -> Part {
        match (self, entry) {
            (Self::Time(time), Entry::Stretch(_, Content::Event(event)))
                if event.position.time > *time =>
            {
                Part::Behind
            }
            (Self::Line { segment, seq }, Entry::Stretch(place, _))
                if place.segment == segment && place.seq == Some(*seq) =>
            {
                Part::Last
            }
            _ => Part::Inside,
        }
    }
}

impl Replay {
    /// Opens the log of a run; nothing is folded yet.
    ///
    /// # Errors
    /// The log cannot be read, or has no such segment.
    pub fn open(
        root: &Path,
        run_id: &RunId,
        prices: Arc<PriceBook>,
        as_of: Option<&AsOf>,
    ) -> Result<Self, AsOfError> {
        let fold = RunFold::open(root, run_id, prices)?;
        let until = match as_of {
            None => Until::End,
            Some(AsOf::Time(time)) => Until::Time(*time),
            Some(AsOf::Line { segment, seq }) => Until::Line {
                segment: find_segment(segment, fold.log())?,
                seq: *seq,
            },
        };
        Ok(Self {
            fold,
            until,
            is_over: false,
        })
    }

    /// Folds the next entry and returns what `visit` makes of it, or `None` at the end.
    ///
    /// # Errors
    /// The log cannot be read, or ends before the line up to which it was to be replayed.
    pub fn step<R>(&mut self, visit: impl FnOnce(&Entry<'_>) -> R) -> Result<Option<R>, AsOfError> {
        if self.is_over {
            return Ok(None);
        }
        let until = &self.until;
        let stepped = self.fold.next(|entry| {
            let part = until.part(entry);
            let is_taken = part != Part::Behind;
            let visited = is_taken.then(|| visit(entry));
            (is_taken, (part, visited))
        })?;
        self.is_over = !matches!(stepped, Some((Part::Inside, _)));
        match (stepped, &self.until) {
            (Some((_, visited)), _) => Ok(visited),
            (None, Until::Line { segment, seq }) => Err(AsOfError::Line {
                segment: segment.clone(),
                seq: *seq,
            }),
            (None, _) => Ok(None),
        }
    }

    /// Returns the state so far.
    pub fn state(&self) -> &RunState {
        self.fold.state()
    }

    /// Returns the state so far, and lets go of the log.
    pub fn into_state(self) -> RunState {
        self.fold.into_state()
    }
}

/// Returns the segment of that id, else the only one whose id begins so.
fn find_segment(wanted: &str, log: &LogReader) -> Result<SegmentId, AsOfError> {
    let begins_so = |id: &&SegmentId| id.as_str().starts_with(wanted);
    let mut matching: Vec<&SegmentId> = log.segment_ids().filter(begins_so).collect();
    if let Some(exact) = matching.iter().find(|id| id.as_str() == wanted) {
        matching = vec![exact];
    }
    match matching.as_slice() {
        [only] => Ok((*only).clone()),
        several => Err(AsOfError::Segment {
            segment: wanted.to_owned(),
            count: several.len(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_a_line_and_nonsense_are_told_apart() {
        let shown = |text: &str| match text.parse() {
            Ok(AsOf::Time(time)) => time.to_string(),
            Ok(AsOf::Line { segment, seq }) => format!("{segment} {seq}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(
            shown("2024-12-03T15:30:22+01:00"),
            "2024-12-03T14:30:22.000000Z"
        );
        assert_eq!(shown("01938a:7"), "01938a 7");
        for text in ["", ":7", "a:", "a:-1", "yesterday", "2024-12-03T14:30:22x"] {
            assert!(shown(text).contains("is neither"), "{text}");
        }
        assert!(shown("2024-12-03T14:30:22").contains("without a zone"));
    }
}
