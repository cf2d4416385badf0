//! A segment as its one writer knows it: how far it got, and what a failed write left of it.

use crate::event::SegmentOpened;
use crate::locked_segment::LockedSegment;
use crate::storage::SegmentHandle;
use memchr::memchr_iter;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A segment as its one writer knows it.
pub(crate) struct HeldSegment {
    pub(crate) segment: Arc<LockedSegment>,
    /// The first line, until it stands in the file.
    pub(crate) header: Option<SegmentOpened<'static>>,
    /// The size of the file.
    pub(crate) bytes: u64,
    /// The number of the next line.
    pub(crate) next_seq: u64,
    /// Whether the next write has to end a line first.
    pub(crate) needs_lf: bool,
    /// When it was last seen to have its name.
    pub(crate) named_at: Option<Instant>,
}

/// How long a segment that had its name is taken to have it still: a burst of events would pay
/// half as much again for a look behind each. Tests look behind each.
const NAMED_FOR: Duration = if cfg!(test) {
    Duration::ZERO
} else {
    Duration::from_millis(1)
};

/// A write that did not go as wanted.
#[derive(Debug)]
pub(crate) struct WriteFailure {
    pub(crate) source: io::Error,
    /// How many of the events stand, as whole lines; at least so many, where that is not known.
    pub(crate) whole_events: u64,
    /// Whether bytes of one more event stand.
    pub(crate) is_torn: bool,
    /// Whether it is the first line that is torn, so that no line stands in the segment.
    pub(crate) is_header_torn: bool,
    /// Whether the size of the segment is known; else it is not to be written any more.
    pub(crate) is_size_known: bool,
}

impl HeldSegment {
    /// Returns the number that the next event gets.
    pub(crate) fn next_event_seq(&self) -> u64 {
        self.next_seq + u64::from(self.header.is_some())
    }

    /// Appends `lines`: an LF if one is needed, the header if it is not there yet, and `events`
    /// lines of events. Afterwards the numbers are right whatever happened.
    pub(crate) fn write(&mut self, lines: &[u8], events: u64) -> Result<(), WriteFailure> {
        let (accepted, error) = match write_all(&*self.segment.file, lines) {
            Ok(()) => {
                self.next_seq = self.next_event_seq() + events;
                self.advance(lines.len() as u64, false);
                return Ok(());
            }
            Err(failure) => failure,
        };
        let size = self.segment.file.facts().map(|facts| facts.bytes);
        let standing = size.ok().and_then(|size| size.checked_sub(self.bytes));
        let known = standing
            .and_then(|bytes| usize::try_from(bytes).ok())
            .filter(|bytes| (accepted..=lines.len()).contains(bytes));
        let standing = &lines[..known.unwrap_or(accepted)];
        let (whole_lines, is_torn) = self.count_lines(standing);
        let whole_events = whole_lines.saturating_sub(u64::from(self.header.is_some()));
        let is_header_torn = self.header.is_some() && whole_lines == 0 && is_torn;
        if !standing.is_empty() {
            self.next_seq += whole_lines + u64::from(is_torn);
            self.advance(standing.len() as u64, is_torn);
        }
        Err(WriteFailure {
            source: error,
            whole_events,
            is_torn,
            is_header_torn: is_header_torn && known.is_some(),
            is_size_known: known.is_some(),
        })
    }

    /// Returns whether the file was removed, or another put in its place; what happened to it
    /// within the last millisecond may show only at the next call.
    pub(crate) fn has_lost_its_name(&mut self) -> bool {
        let now = Instant::now();
        let is_fresh = |at: Instant| now.duration_since(at) < NAMED_FOR;
        if self.named_at.is_some_and(is_fresh) {
            return false;
        }
        let facts = self.segment.file.facts();
        self.named_at = Some(now);
        facts.is_ok_and(|facts| facts.links == 0)
    }

    /// Counts the whole lines in the bytes of a write that stand, and says whether more follow.
    fn count_lines(&self, standing: &[u8]) -> (u64, bool) {
        let lfs = memchr_iter(b'\n', standing).count() as u64;
        let lines = lfs.saturating_sub(u64::from(self.needs_lf));
        (lines, standing.last().is_some_and(|byte| *byte != b'\n'))
    }

    fn advance(&mut self, bytes: u64, is_torn: bool) {
        self.bytes += bytes;
        self.needs_lf = is_torn;
        self.header = None;
        self.segment.commit.wrote(self.bytes);
    }
}

/// Appends all bytes, with one call unless the system takes fewer. An error comes with how many
/// it took before.
fn write_all(file: &dyn SegmentHandle, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut accepted = 0;
    while accepted < bytes.len() {
        match file.write(&bytes[accepted..]) {
            Ok(0) => return Err((accepted, io::ErrorKind::WriteZero.into())),
            Ok(count) => accepted += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((accepted, error)),
        }
    }
    Ok(())
}
