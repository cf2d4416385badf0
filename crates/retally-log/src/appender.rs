//! What one process's writer does under its lock: it claims segments, numbers and stamps events,
//! and writes them.

use crate::append_error::AppendError;
use crate::envelope::Draft;
use crate::field::Times;
use crate::format::SEGMENT_BYTES_MAX;
use crate::held_segment::{HeldSegment, WriteFailure};
use crate::host::Host;
use crate::line_writer::{EncodeError, TextRules, encode_line};
use crate::locked_segment::LockedSegment;
use crate::run_dir::RunDir;
use crate::segment_claim::Claim;
use crate::stamps::Stamps;
use crate::storage::Storage;
use crate::timestamp::Timestamp;
use crate::writer::WriterOptions;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The buffer keeps this much room between appends; a larger batch gives the rest back.
const BUFFER_KEPT_BYTES: usize = 2 << 20;

/// Where a new segment's events begin to count, behind its header.
const FIRST_EVENT_SEQ: u64 = 1;

/// What a writer was given; it never changes.
pub(crate) struct Setup {
    pub(crate) run: RunDir,
    pub(crate) events_dir: PathBuf,
    pub(crate) options: WriterOptions,
    pub(crate) storage: Arc<dyn Storage>,
}

/// What a writer holds and knows, in one process.
pub(crate) struct Appender {
    /// `None` until the first append, and after a segment was left.
    held: Option<HeldSegment>,
    /// Segments that were left and may hold events that were not synced. Their locks are kept.
    pub(crate) left: Vec<Arc<LockedSegment>>,
    /// The one of them that was left because it was full, until it is taken to be synced.
    pub(crate) full: Option<Arc<LockedSegment>>,
    stamps: Stamps,
    /// Looked up once, as it is not free.
    host: Option<Host>,
    may_continue: bool,
    buffer: Vec<u8>,
}

/// What an append did.
pub(crate) struct Written {
    pub(crate) segment: Arc<LockedSegment>,
    /// The number of the last event.
    pub(crate) seq: u64,
    /// The size of the segment behind that event.
    pub(crate) bytes: u64,
}

/// Why events were not appended.
enum Failure {
    Append(AppendError),
    /// They were, to a file that was removed or replaced meanwhile.
    NameLost(PathBuf),
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        Self::Append(error)
    }
}

impl Appender {
    /// Holds nothing yet. `may_continue` says whether older segments are trusted.
    pub(crate) fn new(may_continue: bool) -> Self {
        Self {
            held: None,
            left: Vec::new(),
            full: None,
            stamps: Stamps::default(),
            host: None,
            may_continue,
            buffer: Vec::new(),
        }
    }

    /// Returns all segments in which events may stand that were not synced.
    pub(crate) fn unsynced(&self) -> Vec<Arc<LockedSegment>> {
        let held = self.held.iter().map(|held| &held.segment);
        self.left.iter().chain(held).map(Arc::clone).collect()
    }

    /// Lets go of all segments without writing to any.
    pub(crate) fn let_go(&mut self) {
        self.held = None;
        self.left.clear();
        self.full = None;
    }

    /// Appends events, of which there is at least one, with one write.
    pub(crate) fn append(
        &mut self,
        setup: &Setup,
        drafts: &[Draft<'_>],
    ) -> Result<Written, AppendError> {
        self.leave_full_segment();
        let mut result = self.append_to_segment(setup, drafts);
        if let Err(Failure::NameLost(_)) = result {
            // Of what stands in that file no reader will ever know.
            self.held = None;
            result = self.append_to_segment(setup, drafts);
        }
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        result.map_err(|failure| match failure {
            Failure::Append(error) => error,
            Failure::NameLost(path) => AppendError::Write {
                path,
                whole_events: 0,
                is_torn: false,
                source: io::Error::new(io::ErrorKind::NotFound, "it was removed"),
            },
        })
    }

    fn append_to_segment(
        &mut self,
        setup: &Setup,
        drafts: &[Draft<'_>],
    ) -> Result<Written, Failure> {
        if self.held.is_none() {
            self.continue_segment(setup)?;
        }
        let first_ts = self.encode_events(setup, drafts)?;
        let held = match &mut self.held {
            Some(held) => held,
            None => {
                let claim = claim(setup, &mut self.host);
                let created = claim
                    .create_segment()
                    .map_err(|source| AppendError::Create {
                        path: setup.events_dir.clone(),
                        source,
                    })?;
                self.held.insert(created)
            }
        };
        if let Some(header) = &held.header {
            let mut line = Vec::new();
            encode_line(
                &mut line,
                0,
                first_ts,
                &header.clone().into(),
                TextRules::default(),
            )
            .map_err(|source| not_encoded(setup, 0, source))?;
            self.buffer.splice(..0, line);
        }
        let result = held.write(&self.buffer, drafts.len() as u64);
        let segment = Arc::clone(&held.segment);
        if let Err(failure) = result {
            return Err(self.settle_failure(setup, failure, &segment).into());
        }
        if held.has_lost_its_name() {
            return Err(Failure::NameLost(segment.path.clone()));
        }
        Ok(Written {
            segment,
            seq: held.next_seq.saturating_sub(1),
            bytes: held.bytes,
        })
    }

    /// Lets the held segment seem as large as one may be.
    #[cfg(test)]
    pub(crate) fn pretend_full(&mut self) {
        let held = self.held.as_mut().expect("something was appended");
        held.bytes = SEGMENT_BYTES_MAX;
    }

    /// Leaves a segment that is as large as one may be.
    fn leave_full_segment(&mut self) {
        if let Some(full) = self.held.take_if(|held| held.bytes >= SEGMENT_BYTES_MAX) {
            self.left.push(Arc::clone(&full.segment));
            self.full = Some(full.segment);
        }
    }

    /// Takes a segment to go on with, where there is one; creating one is left to the append.
    fn continue_segment(&mut self, setup: &Setup) -> Result<(), AppendError> {
        let is_folder = |path| setup.storage.facts(path).is_ok_and(|facts| facts.is_folder);
        if !is_folder(setup.run.path()) || !is_folder(&setup.events_dir) {
            let path = setup.run.path().to_owned();
            return Err(AppendError::NoRun { path });
        }
        let clock = &*setup.options.clock;
        let continued = match self.may_continue {
            true => claim(setup, &mut self.host).continue_segment(),
            false => None,
        };
        match continued {
            Some((held, last_ts)) => {
                self.held = Some(held);
                self.stamps = Stamps::after(last_ts, clock);
            }
            None => self.stamps.begin_segment(clock),
        }
        Ok(())
    }

    /// Fills the buffer with what the write is to hold, except for a header, and returns the time
    /// of the first event.
    fn encode_events(
        &mut self,
        setup: &Setup,
        drafts: &[Draft<'_>],
    ) -> Result<Timestamp, AppendError> {
        let options = &setup.options;
        let rules = TextRules {
            redactor: options.redactor.as_deref(),
            cuts_long_texts: options.cuts_long_texts,
        };
        let now = match options.times {
            Times::Stamped => self.stamps.next(&*options.clock),
            Times::Given | Times::None => options.clock.now(),
        };
        let time = |draft: &Draft<'_>| match options.times {
            Times::Stamped => now,
            Times::Given | Times::None => draft.ts.unwrap_or(now),
        };
        let held = self.held.as_ref();
        let first_seq = held.map_or(FIRST_EVENT_SEQ, HeldSegment::next_event_seq);
        self.buffer.clear();
        if held.is_some_and(|held| held.needs_lf) {
            self.buffer.push(b'\n');
        }
        for ((index, draft), seq) in drafts.iter().enumerate().zip(first_seq..) {
            encode_line(&mut self.buffer, seq, time(draft), draft, rules)
                .map_err(|source| not_encoded(setup, index, source))?;
        }
        Ok(drafts.first().map_or(now, time))
    }

    fn settle_failure(
        &mut self,
        setup: &Setup,
        failure: WriteFailure,
        segment: &Arc<LockedSegment>,
    ) -> AppendError {
        if failure.is_header_torn {
            self.held = None;
            // No line stands in it, and each attempt on a full disk would leave one more.
            let _ = setup.storage.remove(&segment.path);
        } else if !failure.is_size_known {
            self.held = None;
            self.left.push(Arc::clone(segment));
        }
        AppendError::Write {
            path: segment.path.clone(),
            whole_events: failure.whole_events,
            is_torn: failure.is_torn,
            source: failure.source,
        }
    }
}

fn claim<'c>(setup: &'c Setup, host: &'c mut Option<Host>) -> Claim<'c> {
    let given = setup.options.host.clone();
    Claim {
        storage: &*setup.storage,
        run: setup.run.id(),
        events_dir: &setup.events_dir,
        host: host.get_or_insert_with(|| given.unwrap_or_else(Host::current)),
        times: setup.options.times,
        now: setup.options.clock.now(),
    }
}

fn not_encoded(setup: &Setup, index: usize, source: EncodeError) -> AppendError {
    let path = setup.run.path().to_owned();
    AppendError::Encode {
        path,
        index,
        source,
    }
}
