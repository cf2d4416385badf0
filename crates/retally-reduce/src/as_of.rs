use retally_log::{LogReader, Position, SegmentId, Timestamp};
use std::str::FromStr;

/// The place in log order up to which a log is folded, that place included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// All events whose effective time is not later.
    Time(Timestamp),
    /// All events up to a line.
    Line {
        /// The id of the line's segment, or the unique beginning of it.
        segment: String,
        /// The `seq` of the line.
        seq: u64,
    },
}

/// Why an [`AsOf`] names no place in a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AsOfError {
    /// The text is neither a time nor a line.
    #[error("`{0}` is neither an RFC 3339 time with a zone nor SEGMENT:SEQ")]
    Malformed(String),
    /// No segment, or more than one, has an id that begins so.
    #[error("{count} segments have an id that begins with `{segment}` (want one)")]
    Segment {
        /// The beginning of the id.
        segment: String,
        /// How many segments have such an id.
        count: usize,
    },
    /// The segment has no line of that `seq`.
    #[error("segment `{segment}` has no sound line with seq {seq}")]
    Line {
        /// The segment.
        segment: SegmentId,
        /// The `seq`.
        seq: u64,
    },
}

impl FromStr for AsOf {
    type Err = AsOfError;

    fn from_str(text: &str) -> Result<Self, AsOfError> {
        if let Ok(time) = Timestamp::parse(text) {
            return Ok(Self::Time(time));
        }
        let line = text.rsplit_once(':').and_then(|(segment, seq)| {
            let seq = seq.parse().ok()?;
            (!segment.is_empty()).then(|| Self::Line {
                segment: segment.to_owned(),
                seq,
            })
        });
        line.ok_or_else(|| AsOfError::Malformed(text.to_owned()))
    }
}

/// An [`AsOf`] that is held against a log as it is read.
#[derive(Clone, Debug)]
pub(crate) struct Horizon {
    limit: Limit,
    /// Whether the place was passed; all that follows lies behind it.
    is_passed: bool,
}

#[derive(Clone, Debug)]
enum Limit {
    Time(Timestamp),
    Line { segment: SegmentId, seq: u64 },
}

impl Horizon {
    pub(crate) fn new(as_of: &AsOf, log: &LogReader) -> Result<Self, AsOfError> {
        let limit = match as_of {
            AsOf::Time(time) => Limit::Time(*time),
            AsOf::Line { segment, seq } => {
                let segment = find_segment(segment, log)?;
                Limit::Line { segment, seq: *seq }
            }
        };
        Ok(Self {
            limit,
            is_passed: false,
        })
    }

    pub(crate) fn is_passed(&self) -> bool {
        self.is_passed
    }

    /// Takes in that a line is reached, and returns whether it lies before the horizon or on it.
    pub(crate) fn reaches(
        &mut self,
        position: Option<&Position>,
        segment: &SegmentId,
        seq: Option<u64>,
    ) -> bool {
        let is_within = !self.is_passed;
        match &self.limit {
            Limit::Time(time) => {
                self.is_passed |= position.is_some_and(|position| position.time > *time);
                !self.is_passed
            }
            Limit::Line {
                segment: last,
                seq: last_seq,
            } => {
                self.is_passed |= segment == last && seq == Some(*last_seq);
                is_within
            }
        }
    }

    /// Returns why the end of the log came before the horizon, where that is an error.
    pub(crate) fn check_at_end(&self) -> Result<(), AsOfError> {
        match &self.limit {
            Limit::Line { segment, seq } if !self.is_passed => Err(AsOfError::Line {
                segment: segment.clone(),
                seq: *seq,
            }),
            _ => Ok(()),
        }
    }
}

/// Returns the segment of that id, else the only one whose id begins so.
fn find_segment(wanted: &str, log: &LogReader) -> Result<SegmentId, AsOfError> {
    let mut matching: Vec<&SegmentId> = log
        .segment_ids()
        .filter(|id| id.as_str().starts_with(wanted))
        .collect();
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
    fn a_time_or_a_line_is_told_apart() {
        let time = Timestamp::parse("2024-12-03T14:30:22Z").expect("a time");
        assert_eq!("2024-12-03T14:30:22Z".parse(), Ok(AsOf::Time(time)));
        assert_eq!(
            "01938a:7".parse(),
            Ok(AsOf::Line {
                segment: "01938a".to_owned(),
                seq: 7
            })
        );
        for text in ["", ":7", "a:", "a:-1", "yesterday", "2024-12-03T14:30:22x"] {
            assert_eq!(
                text.parse::<AsOf>(),
                Err(AsOfError::Malformed(text.to_owned()))
            );
        }
    }
}
