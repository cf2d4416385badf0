use crate::envelope::Envelope;
use crate::event::{Misfit, SegmentOpened};
use crate::field::Times;
use crate::line::Damage;
use crate::position::{Position, SegmentId};

/// What a [`LogReader`](crate::LogReader) comes upon next.
#[derive(Debug)]
pub enum Entry<'a> {
    /// A stretch of a segment. The stretches of a file and its pending bytes are all its bytes.
    Stretch(Place<'a>, Content<'a>),
    /// What was yielded so far is void, and all of the log is yielded again: a file was replaced
    /// or cut, or a line turned up that stands before lines already yielded.
    Rewound,
}

/// Where a stretch of a segment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The segment.
    pub segment: &'a SegmentId,
    /// The name of the file in the run's `events/` folder.
    pub file: &'a str,
    /// Where it begins, in bytes; in a compressed file of what it decompresses to.
    pub offset: u64,
    /// How many bytes it spans, the LF included.
    pub length: u64,
    /// The `seq` of the line, where it is sound and bears one.
    pub seq: Option<u64>,
}

/// What a stretch of a segment holds.
#[derive(Debug)]
#[non_exhaustive]
pub enum Content<'a> {
    /// An event.
    Event(Logged<'a>),
    /// The description of the segment; no event of the run.
    Opened(&'a SegmentOpened<'a>),
    /// A line that was yielded already, from this file or another of the same segment.
    Duplicate,
    /// White space.
    Blank,
    /// A sound line whose payload breaks the rules of its type.
    Misfit(Misfit),
    /// Bytes that cannot be trusted.
    Damage(Damage),
}

/// An event with its place in the order of the log.
#[derive(Clone, Copy, Debug)]
pub struct Logged<'a> {
    /// Where it stands in log order.
    pub position: &'a Position,
    /// Where the times of its segment come from.
    pub times: Times,
    /// Whether a checksum vouches for it.
    pub is_checked: bool,
    /// The line as it stands, without its LF.
    pub line: &'a [u8],
    /// The event itself.
    pub envelope: &'a Envelope<'a>,
}
