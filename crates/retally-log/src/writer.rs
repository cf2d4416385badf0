use crate::append_error::AppendError;
use crate::appender::{Appender, Setup};
use crate::clock::{Clock, SystemClock};
use crate::envelope::Draft;
use crate::event::{Event, RunFinished};
use crate::field::{RunStatus, Times};
use crate::format::LINE_BYTES_MAX;
use crate::host::Host;
use crate::locked_segment::LockedSegment;
use crate::position::SegmentId;
use crate::redactor::Redactor;
use crate::run_dir::RunDir;
use crate::storage::{Storage, SystemStorage};
use arc_swap::ArcSwap;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::{io, mem, process, slice};

/// Appends events to a run, for all threads of a process.
///
/// It takes a segment at the first append: one that is provably this machine's own and that
/// nobody writes, else a new one. Each call is one `write(2)`: when it returns, the event is in
/// the kernel's hands, and the death of this process does not lose it. After a fork the child's
/// appends go to a segment of its own. Dropping the writer lets others go on with its segment.
///
/// ```
/// use retally_log::{IssueFinished, IssueStarted, IssueStatus, Root, RunId, RunStatus};
/// use retally_log::{Writer, WriterOptions};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// let run = Root::new(path).create_run(&RunId::new("run_20241203_143022_project_168")?)?;
/// let writer = Writer::new(run, WriterOptions::default());
/// let title = Some("Add a login page".into());
/// writer.append(IssueStarted { issue: 123.into(), title })?;
/// writer.append(IssueFinished { issue: 123.into(), status: IssueStatus::Completed })?;
/// writer.finish(RunStatus::Completed)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Writer {
    setup: Setup,
    /// Replaced after a fork, where a lock may be held by a thread that is not there any more.
    state: ArcSwap<ProcessState>,
}

/// How a writer writes. Any combination is sound.
#[derive(Clone)]
pub struct WriterOptions {
    /// What an event survives once its append returned. The default is [`Durability::Process`].
    pub durability: Durability,
    /// Where the times of events come from. The default is [`Times::Stamped`]; else the time of
    /// the draft is taken, or now where it has none, and the writer has a segment of its own,
    /// which nobody continues.
    pub times: Times,
    /// What the time is. The default is [`SystemClock`].
    pub clock: Arc<dyn Clock>,
    /// What the first lines of new segments say of the machine. `None`, the default, looks it up
    /// at the first append.
    pub host: Option<Host>,
    /// Takes secrets out of texts. It must not append to the same writer. The default is none.
    pub redactor: Option<Arc<dyn Redactor>>,
    /// Whether texts are cut, with a mark, where the line would be too long; else that is an
    /// error, which is the default.
    pub cuts_long_texts: bool,
}

/// What an event survives once its append returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The death of the process. Power loss may cost the events since the last sync.
    #[default]
    Process,
    /// Power loss too: the append returns after a sync, which threads that append at once share.
    /// It takes about as long as a hundred appends do without.
    Power,
}

/// Where an event was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The segment.
    pub segment: SegmentId,
    /// The number of the line in it; of a batch, that of the last event.
    pub seq: u64,
}

/// How many bytes the segments take at most that `run.finished` states, so that it fits on a line.
const STATED_BYTES_MAX: usize = LINE_BYTES_MAX / 2;

impl Writer {
    /// Makes a writer for a run. The disk is not touched before the first append.
    pub fn new(run: RunDir, options: WriterOptions) -> Self {
        Self::with_storage(run, options, Arc::new(SystemStorage))
    }

    pub(crate) fn with_storage(
        run: RunDir,
        options: WriterOptions,
        storage: Arc<dyn Storage>,
    ) -> Self {
        let events_dir = run.events_path();
        Self {
            setup: Setup {
                run,
                events_dir,
                options,
                storage,
            },
            state: ArcSwap::from_pointee(ProcessState::new(true)),
        }
    }

    /// Returns the run that is written.
    pub fn run(&self) -> &RunDir {
        &self.setup.run
    }

    /// Appends an event. A `run.finished` is synced, whatever the durability.
    ///
    /// # Errors
    /// Each [`AppendError`] says what stands nevertheless. After
    /// [`SyncFailed`](AppendError::SyncFailed) the writer refuses until it is
    /// [reopened](Self::reopen); after any other, later appends may succeed.
    pub fn append<'a>(&self, draft: impl Into<Draft<'a>>) -> Result<Appended, AppendError> {
        self.append_drafts(slice::from_ref(&draft.into()))
    }

    /// Appends events with one write and, where there is one, one sync, and returns where the last
    /// one stands; `None` where there are no events. They stand together, in one segment.
    ///
    /// # Errors
    /// As for [`append`](Self::append). If one of the events cannot be written, none is; if the
    /// disk is full, the first ones may stand.
    pub fn append_batch(&self, drafts: &[Draft<'_>]) -> Result<Option<Appended>, AppendError> {
        match drafts {
            [] => Ok(None),
            [..] => self.append_drafts(drafts).map(Some),
        }
    }

    /// Returns once all that this writer appended survives power loss.
    ///
    /// # Errors
    /// [`AppendError::SyncFailed`], after which the writer refuses.
    pub fn sync(&self) -> Result<(), AppendError> {
        self.sync_all(&self.state())
    }

    /// Appends `run.finished`, with the number of lines that each segment has now, and syncs. Of
    /// very many segments the newest are stated. It does not end the writer: what comes late may
    /// still be appended.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub fn finish(&self, status: RunStatus) -> Result<Appended, AppendError> {
        let lines = self.setup.run.segment_lines().ok();
        let segments = lines.map(|lines| stated(&lines));
        self.append(RunFinished { status, segments })
    }

    /// Lets a writer that refuses after a failed sync go on, in a new segment. It is for the caller
    /// to append again what was not synced. A writer that does not refuse is left as it is.
    pub fn reopen(&self) {
        let state = self.state();
        if state.refusal.get().is_some() {
            let fresh = Arc::new(ProcessState::new(false));
            // Where another thread was faster, its state holds what was appended since.
            self.state.compare_and_swap(&state, fresh);
        }
    }

    fn append_drafts(&self, drafts: &[Draft<'_>]) -> Result<Appended, AppendError> {
        let state = self.state();
        let (result, full) = {
            let mut appender = state.appender();
            state.check()?;
            let result = appender.append(&self.setup, drafts);
            (result, appender.full.take())
        };
        if let Some(full) = full {
            // Nobody else would sync it: by then it is closed, if only by the death of the process.
            self.settle(&state, &full, full.commit.written())?;
            state.forget_synced();
        }
        let written = result?;
        if self.setup.options.durability == Durability::Power {
            self.settle(&state, &written.segment, written.bytes)?;
        }
        let is_finish = |draft: &Draft<'_>| matches!(draft.event, Event::RunFinished(_));
        if drafts.iter().any(is_finish) {
            self.sync_all(&state)?;
        }
        Ok(Appended {
            segment: written.segment.id.clone(),
            seq: written.seq,
        })
    }

    fn sync_all(&self, state: &ProcessState) -> Result<(), AppendError> {
        state.check()?;
        let segments = state.appender().unsynced();
        for segment in &segments {
            self.settle(state, segment, segment.commit.written())?;
        }
        state.forget_synced();
        Ok(())
    }

    fn settle(
        &self,
        state: &ProcessState,
        segment: &LockedSegment,
        bytes: u64,
    ) -> Result<(), AppendError> {
        let result = segment.settle(&*self.setup.storage, bytes);
        result.map_err(|source| {
            let path = segment.path.clone();
            let failure = SyncFailure { path, source };
            state.refusal.get_or_init(|| failure.clone());
            failure.into()
        })
    }

    /// Returns the state of this process: a fresh one if it was forked since the last call.
    fn state(&self) -> Arc<ProcessState> {
        let state = self.state.load_full();
        if state.pid == process::id() {
            return state;
        }
        let fresh = Arc::new(ProcessState::new(true));
        let previous = self.state.compare_and_swap(&state, Arc::clone(&fresh));
        if !Arc::ptr_eq(&previous, &state) {
            return self.state.load_full();
        }
        state.abandon();
        // A thread of the parent may have left it half changed; it must not even be dropped.
        mem::forget(state);
        fresh
    }
}

/// Returns the newest of the segments, as many as fit.
fn stated(lines: &BTreeMap<SegmentId, u64>) -> BTreeMap<Cow<'static, str>, u64> {
    /// Quotes, a colon, a comma, and the longest count.
    const OTHER_BYTES: usize = 20;
    /// What the longest escape makes of a byte.
    const ESCAPED_BYTES: usize = 6;
    let mut room = STATED_BYTES_MAX;
    let newest = lines.iter().rev().take_while(|(id, _)| {
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !b"\"\\".contains(byte);
        let bytes = match id.as_str().as_bytes() {
            id if id.iter().all(is_plain) => id.len(),
            id => id.len().saturating_mul(ESCAPED_BYTES),
        };
        let fits = room.checked_sub(bytes.saturating_add(OTHER_BYTES));
        room = fits.unwrap_or(0);
        fits.is_some()
    });
    newest
        .map(|(id, lines)| (Cow::Owned(id.to_string()), *lines))
        .collect()
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("run", &self.setup.run)
            .finish_non_exhaustive()
    }
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            times: Times::Stamped,
            clock: Arc::new(SystemClock::new()),
            host: None,
            redactor: None,
            cuts_long_texts: false,
        }
    }
}

impl fmt::Debug for WriterOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterOptions")
            .field("durability", &self.durability)
            .field("times", &self.times)
            .field("host", &self.host)
            .field("cuts_long_texts", &self.cuts_long_texts)
            .finish_non_exhaustive()
    }
}

/// What a writer has in one process.
struct ProcessState {
    pid: u32,
    appender: Mutex<Appender>,
    /// Why nothing is appended any more.
    refusal: OnceLock<SyncFailure>,
}

#[derive(Clone)]
struct SyncFailure {
    path: PathBuf,
    source: Arc<io::Error>,
}

impl From<SyncFailure> for AppendError {
    fn from(SyncFailure { path, source }: SyncFailure) -> Self {
        Self::SyncFailed { path, source }
    }
}

impl ProcessState {
    fn new(may_continue: bool) -> Self {
        Self {
            pid: process::id(),
            appender: Mutex::new(Appender::new(may_continue)),
            refusal: OnceLock::new(),
        }
    }

    /// Locks the appender. A redactor or clock that panicked left only the buffer half made,
    /// which each append makes anew.
    fn appender(&self) -> MutexGuard<'_, Appender> {
        self.appender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> Result<(), AppendError> {
        match self.refusal.get() {
            Some(failure) => Err(failure.clone().into()),
            None => Ok(()),
        }
    }

    fn forget_synced(&self) {
        let is_unsynced = |segment: &Arc<LockedSegment>| !segment.commit.is_synced();
        self.appender().left.retain(is_unsynced);
    }

    /// Closes, in a forked child, the parent's files, which does not release the parent's locks;
    /// where the parent was at work in that moment, they stay open.
    fn abandon(&self) {
        if let Ok(mut appender) = self.appender.try_lock() {
            appender.let_go();
        }
    }
}

#[cfg(test)]
mod tests;
