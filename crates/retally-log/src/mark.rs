use crate::line_reader::Tail;
use crate::segment_reader::Unsettled;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Where the reading of a log stands in one of its segments, to go on from there later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The name of the file in the run's `events/` folder.
    pub(crate) file: String,
    /// The segment's id.
    pub(crate) segment: String,
    /// The first line, which tells whether the file was written anew while it was read.
    pub(crate) head: Tail,
    /// What stands before the next line.
    pub(crate) tail: Tail,
    /// Whether each further line must have a checksum.
    pub(crate) is_sealed: bool,
    /// Damage that may still turn out otherwise.
    pub(crate) unsettled: Vec<Unsettled>,
    /// Follows the greatest `seq` so far.
    pub(crate) next_seq: u64,
    /// The greatest `ts` of the sound lines so far.
    pub(crate) time: Option<Timestamp>,
    /// How many sound lines were yielded.
    pub(crate) lines: u64,
}
