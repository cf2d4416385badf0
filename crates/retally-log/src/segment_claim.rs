//! How a writer comes by a segment: it continues one that is provably its own, or creates one.

use crate::event::{Event, SegmentOpened};
use crate::field::{Program, Times};
use crate::format::{
    CLOCK_AHEAD_MICROS_MAX, COUNT_MAX, FORMAT_VERSION, SEGMENT_BYTES_MAX, WRITER_NAME,
    WRITER_VERSION,
};
use crate::held_segment::HeldSegment;
use crate::host::Host;
use crate::line::parse_line;
use crate::locked_segment::{LockedSegment, segment_path};
use crate::position::SegmentId;
use crate::run_id::RunId;
use crate::segment_file::SegmentFile;
use crate::segment_tail::SegmentTail;
use crate::storage::{FileFacts, SegmentHandle, Storage};
use crate::timestamp::Timestamp;
use std::io;
use std::path::Path;
use std::sync::Arc;
use uuid::{NoContext, Uuid};

/// How many segments are tried, newest first, before a new one is created: taking a segment
/// costs the same however many there are.
const CANDIDATES_MAX: usize = 64;

/// Our own headers are far shorter.
const HEADER_BYTES_MAX: u64 = 4096;

/// What must be known to claim a segment.
pub(crate) struct Claim<'c> {
    pub(crate) storage: &'c dyn Storage,
    pub(crate) run: &'c RunId,
    pub(crate) events_dir: &'c Path,
    pub(crate) host: &'c Host,
    pub(crate) times: Times,
    pub(crate) now: Timestamp,
}

impl Claim<'_> {
    /// Takes the newest segment that is provably ours and that nobody writes, and returns it with
    /// its last time. Whatever leaves a doubt is passed over, errors included.
    pub(crate) fn continue_segment(&self) -> Option<(HeldSegment, Timestamp)> {
        if self.times != Times::Stamped || self.host.boot.is_none() {
            return None;
        }
        let files = self.storage.list(self.events_dir).ok()?;
        // Of the names that we give: those of others may be many, and are never ours.
        let is_named_by_us = |file: &&SegmentFile| Uuid::try_parse(file.stem()).is_ok();
        let candidates = files.iter().rev().filter(is_named_by_us).filter(|file| {
            !file.is_compressed && (1..SEGMENT_BYTES_MAX).contains(&file.stamp.bytes)
        });
        candidates
            .take(CANDIDATES_MAX)
            .find_map(|file| self.try_segment(file).ok().flatten())
    }

    fn try_segment(&self, candidate: &SegmentFile) -> io::Result<Option<(HeldSegment, Timestamp)>> {
        let file = self.storage.open(&candidate.path)?;
        let facts = file.facts()?;
        // In a folder that all may write to, a stranger's file can state whatever it likes.
        let is_own = facts.owner == rustix::process::geteuid().as_raw();
        if !facts.is_regular || !is_own || !self.is_ours(&*file, &facts, candidate.stem())? {
            return Ok(None);
        }
        if !file.try_lock()? {
            return Ok(None);
        }
        // Until the lock was ours, another writer may have written, or an archiver replaced it.
        let facts = file.facts()?;
        let is_in_place = facts.is_same_file(&self.storage.facts(&candidate.path)?);
        if !is_in_place || facts.links == 0 || facts.bytes >= SEGMENT_BYTES_MAX {
            return Ok(None);
        }
        let Some(tail) = SegmentTail::read(&*file, facts.bytes)? else {
            return Ok(None);
        };
        if tail.last_ts > self.now.saturating_add_micros(CLOCK_AHEAD_MICROS_MAX) {
            return Ok(None);
        }
        let id = SegmentId::new(candidate.stem());
        let segment = LockedSegment::new(id, candidate.path.clone(), file);
        segment.commit.wrote(facts.bytes);
        let held = HeldSegment {
            segment: Arc::new(segment),
            header: None,
            bytes: facts.bytes,
            next_seq: tail.next_seq,
            needs_lf: tail.needs_lf,
            named_at: None,
        };
        Ok(Some((held, tail.last_ts)))
    }

    /// Returns whether the first line says that this very file was written here, by this version.
    fn is_ours(&self, file: &dyn SegmentHandle, facts: &FileFacts, stem: &str) -> io::Result<bool> {
        let bytes = facts.bytes.min(HEADER_BYTES_MAX);
        let mut start = vec![0; usize::try_from(bytes).unwrap_or_default()];
        file.read_exact_at(&mut start, 0)?;
        let Some(end) = memchr::memchr(b'\n', &start) else {
            return Ok(false);
        };
        let sound = parse_line(&start[..end]).ok();
        let envelope = sound.filter(|sound| sound.is_sealed && sound.seq == Some(0));
        let Some(Ok(envelope)) = envelope.map(|sound| sound.content) else {
            return Ok(false);
        };
        let Event::SegmentOpened(header) = envelope.event else {
            return Ok(false);
        };
        let want = self.header(stem.into(), facts, true);
        // Numbers that a line cannot hold are left out on both sides, and prove nothing.
        let has_numbers = header.inode.is_some() && header.device.is_some();
        Ok(has_numbers
            && (header.format, header.times) == (want.format, want.times)
            && (header.run, header.segment) == (want.run, want.segment)
            && (header.boot, header.writer) == (want.boot, want.writer)
            && (header.inode, header.device) == (want.inode, want.device))
    }

    /// Creates a segment, whose header stands in it once it is written.
    ///
    /// # Errors
    /// The file could not be created.
    pub(crate) fn create_segment(&self) -> io::Result<HeldSegment> {
        let id = SegmentId::new(&self.new_uuid().to_string());
        let path = segment_path(self.events_dir, &id);
        let file = self.storage.create(&path)?;
        let is_locked = file.try_lock().unwrap_or(false);
        let header = self.header(id.as_str().to_owned(), &file.facts()?, is_locked);
        Ok(HeldSegment {
            segment: Arc::new(LockedSegment::new(id, path, file)),
            header: Some(header),
            bytes: 0,
            next_seq: 0,
            needs_lf: false,
            named_at: None,
        })
    }

    /// Makes an id whose order is that of the clock. The uuid crate's own clock sequence has a
    /// lock, which a fork could leave locked for ever.
    fn new_uuid(&self) -> Uuid {
        let micros = u64::try_from(self.now.as_micros()).unwrap_or_default();
        let nanos = u32::try_from(micros % 1_000_000 * 1000).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(
            NoContext,
            micros / 1_000_000,
            nanos,
        ))
    }

    fn header(&self, id: String, facts: &FileFacts, is_locked: bool) -> SegmentOpened<'static> {
        // A segment without one of these is not continued: the boot is left out where the file is
        // not locked, and so are numbers that a line cannot hold.
        let boot = self.host.boot.clone().filter(|_| is_locked);
        let number = |number: u64| Some(number).filter(|number| *number <= COUNT_MAX);
        SegmentOpened {
            format: Some(FORMAT_VERSION),
            run: Some(self.run.to_string().into()),
            segment: Some(id.into()),
            times: Some(self.times),
            host: Some(self.host.name.clone().into()),
            boot: boot.map(Into::into),
            inode: number(facts.inode),
            device: number(facts.device),
            pid: Some(self.host.pid.into()),
            writer: Some(Program {
                name: WRITER_NAME.into(),
                version: WRITER_VERSION.into(),
            }),
        }
    }
}
