//! The one path from a log to a state, for the watcher and for a rebuild.

use crate::files_stamp::FilesStamp;
use crate::known_files::KnownFiles;
use crate::price_book::PriceBook;
use crate::report_files::{Change, LockedRunFiles, ReportError, RunFiles};
use crate::run_state::RunState;
use retally_log::{Content, EVENTS_DIR, Entry, LogError, LogReader, RunId};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// After so many entries it is tried again to fold a long stretch ahead.
const AHEAD_EVERY: u64 = 1024;

/// A run's log as it is read, and the state that it amounts to so far.
///
/// Rebuilding is catching up from the beginning: live and rebuild are the same calls.
///
/// ```no_run
/// use retally_log::RunId;
/// use retally_reduce::{PriceBook, RunFold};
/// use std::path::Path;
/// use std::sync::Arc;
///
/// let root = Path::new("logs/runs");
/// let prices = Arc::new(PriceBook::for_root(root)?);
/// let mut fold = RunFold::open(root, &RunId::new("run_1")?, prices)?;
/// for change in fold.update_files()? {
///     println!("{:?} {}", change.kind, change.path.display());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RunFold {
    root: PathBuf,
    pub(crate) log: LogReader,
    pub(crate) state: RunState,
    pub(crate) damaged_lines: u64,
    pub(crate) misfit_lines: u64,
    /// How many entries of the log were folded, counted again where they are folded again.
    entries: u64,
    /// How often what was folded turned out to be void.
    rewinds: u64,
    /// Whether every report file was written from an earlier state of this very fold, so that
    /// those of changed issues are enough.
    wrote_all: bool,
    /// Whether those of the run are of an earlier state than those of its issues.
    owes_run: bool,
    /// What is known of the report files that were written before this fold was taken up.
    known_files: Option<KnownFiles>,
}

/// Why report files are not up to date.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The files cannot be written.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// What became of a state by looking at its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// There was nothing new.
    Nothing,
    /// All that was new is folded.
    Caught,
    /// As much was folded as was asked for, and there may be more.
    Behind,
    /// An event came too late to be applied: the state has to [start over](RunFold::start_over).
    Stale,
}

impl RunFold {
    /// Opens the log of a run in a root; nothing is folded yet.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn open(root: &Path, run_id: &RunId, prices: Arc<PriceBook>) -> Result<Self, LogError> {
        let log = LogReader::open(Self::events_dir(root, run_id))?;
        Ok(Self::new(root, log, RunState::new(run_id.clone(), prices)))
    }

    pub(crate) fn new(root: &Path, log: LogReader, state: RunState) -> Self {
        Self {
            root: root.to_owned(),
            log,
            state,
            damaged_lines: 0,
            misfit_lines: 0,
            entries: 0,
            rewinds: 0,
            wrote_all: false,
            owes_run: false,
            known_files: None,
        }
    }

    pub(crate) fn events_dir(root: &Path, run_id: &RunId) -> PathBuf {
        root.join(run_id.as_str()).join(EVENTS_DIR)
    }

    /// Folds what the log has beyond what was folded, and returns whether there was anything.
    /// Where that makes the state stale, the log is folded again from its beginning.
    ///
    /// # Errors
    /// The log cannot be read. What was folded stays; call again to go on.
    pub fn catch_up(&mut self) -> Result<bool, LogError> {
        let mut advance = self.advance(u64::MAX)?;
        if advance == Advance::Stale {
            self.start_over()?;
            advance = self.advance(u64::MAX)?;
            assert!(
                advance != Advance::Stale,
                "a log that is read from its beginning comes in log order"
            );
        }
        Ok(advance != Advance::Nothing)
    }

    /// Looks what is new in the log and folds at most `entries_max` entries of it, so that a long
    /// log need not keep others waiting. A stale state is left for the caller to
    /// [start over](Self::start_over), for which a live watcher sets aside a share of its time.
    ///
    /// # Errors
    /// The log cannot be read. What was folded stays; call again to go on.
    pub fn advance(&mut self, entries_max: u64) -> Result<Advance, LogError> {
        if self.is_stale() {
            return Ok(Advance::Stale);
        }
        self.log.refresh()?;
        self.fold_known(entries_max)
    }

    /// Does what [`advance`](Self::advance) does, in the run's folder that is locked. Where that
    /// leaves nothing for later, reports may be [written](Self::write_to) to it.
    ///
    /// # Errors
    /// The log cannot be read. What was folded stays; call again to go on.
    pub fn advance_in(
        &mut self,
        files: &LockedRunFiles,
        entries_max: u64,
    ) -> Result<Advance, LogError> {
        if self.is_stale() {
            return Ok(Advance::Stale);
        }
        self.log.refresh_in(files.handle())?;
        self.fold_known(entries_max)
    }

    /// Does what [`advance`](Self::advance) does, but does not look what is new.
    ///
    /// # Errors
    /// The log cannot be read. What was folded stays; call again to go on.
    pub fn fold_known(&mut self, entries_max: u64) -> Result<Advance, LogError> {
        let start = self.entries;
        while self.entries - start < entries_max {
            if entries_max == u64::MAX && (self.entries - start).is_multiple_of(AHEAD_EVERY) {
                self.fold_ahead();
            }
            if !self.is_stale() && self.step(|_| ())?.is_none() {
                return Ok(if self.entries > start {
                    Advance::Caught
                } else {
                    Advance::Nothing
                });
            }
            if self.is_stale() {
                return Ok(Advance::Stale);
            }
        }
        Ok(Advance::Behind)
    }

    /// Folds a long stretch of the log, where one is next, with several threads.
    fn fold_ahead(&mut self) {
        let Self {
            log,
            state,
            entries,
            misfit_lines,
            ..
        } = self;
        log.read_ahead(|entry| {
            *entries += 1;
            match entry {
                Entry::Stretch(_, Content::Event(event)) => {
                    state.apply(event.position, event.times, event.envelope);
                }
                Entry::Stretch(_, Content::Misfit(_)) => *misfit_lines += 1,
                _ => {}
            }
            !state.is_stale()
        });
        self.state.set_aside(self.damaged_lines, self.misfit_lines);
    }

    /// Forgets the state, and goes back to the beginning of the log.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn start_over(&mut self) -> Result<(), LogError> {
        self.log.rewind()?;
        // Says that all is void, which nobody has to be told.
        self.log.next(|_| ())?;
        self.forget();
        Ok(())
    }

    /// Folds the next entry that is known of the log and returns what `visit` makes of it, or
    /// `None` where there is none.
    ///
    /// # Errors
    /// The log cannot be read. What was folded stays; call again to go on.
    pub fn step<R>(&mut self, visit: impl FnOnce(&Entry<'_>) -> R) -> Result<Option<R>, LogError> {
        self.next(|entry| (true, visit(entry)))
    }

    /// Hands the next entry to `visit`, which says whether to fold it. A fold in which one was
    /// passed over is not to be read on.
    pub(crate) fn next<R>(
        &mut self,
        visit: impl FnOnce(&Entry<'_>) -> (bool, R),
    ) -> Result<Option<R>, LogError> {
        // Taken apart, for the reader lends its entry while the rest changes.
        let Self {
            log,
            state,
            damaged_lines,
            misfit_lines,
            ..
        } = self;
        let mut is_rewound = false;
        let visited = log.next(|entry| {
            let (takes, result) = visit(&entry);
            match entry {
                _ if !takes => {}
                Entry::Rewound => is_rewound = true,
                Entry::Stretch(_, Content::Event(event)) => {
                    state.apply(event.position, event.times, event.envelope);
                }
                Entry::Stretch(_, Content::Damage(_)) => *damaged_lines += 1,
                Entry::Stretch(_, Content::Misfit(_)) => *misfit_lines += 1,
                Entry::Stretch(..) => {}
            }
            result
        })?;
        self.entries += u64::from(visited.is_some());
        if is_rewound {
            self.rewinds += 1;
            self.forget();
        }
        self.state.set_aside(self.damaged_lines, self.misfit_lines);
        Ok(visited)
    }

    fn forget(&mut self) {
        let (run_id, prices) = (self.state.run_id().clone(), self.state.prices.clone());
        self.state = RunState::new(run_id, prices);
        (self.damaged_lines, self.misfit_lines, self.wrote_all) = (0, 0, false);
        (self.known_files, self.owes_run) = (None, false);
    }

    /// Returns how often a file was replaced or cut, or a line turned up that stands before those
    /// that were folded, so that the log was folded from its beginning.
    pub fn rewinds(&self) -> u64 {
        self.rewinds
    }

    /// Brings the run's report files up to date with its log, and returns what that changed: folds
    /// what is new, locks the run's folder, folds what came meanwhile, writes what changed,
    /// unlocks.
    ///
    /// # Errors
    /// The log cannot be read, or a file cannot be written; call again to go on.
    pub fn update_files(&mut self) -> Result<Vec<Change>, UpdateError> {
        // Most is folded before the lock is taken, so that nobody waits for it.
        self.catch_up()?;
        let files = RunFiles::open(&self.root, self.state.run_id())?.lock()?;
        self.catch_up()?;
        let mut changes = self.write_to(&files)?;
        if self.is_stale() {
            self.catch_up()?;
            changes.extend(self.write_to(&files)?);
        }
        Ok(changes)
    }

    /// Writes the report files that changed since the last time, and returns what that changed. A
    /// fold that was [resumed](Self::resume) can turn out [stale](Self::is_stale) meanwhile; then
    /// some are not written.
    ///
    /// Whoever locks them first and advances to the end of the log then writes no older state in
    /// the place of a newer one.
    ///
    /// # Errors
    /// The first file that could not be written; all others were. Call again to try again.
    ///
    /// # Panics
    /// The state is stale, or the files are another run's.
    pub fn write_to(&mut self, files: &LockedRunFiles) -> Result<Vec<Change>, UpdateError> {
        self.write_some(files, true)
    }

    /// Does what [`write_to`](Self::write_to) does, but [owes](Self::owes_run_reports) the reports
    /// of the run where those of issues changed and it has not ended.
    ///
    /// # Errors
    /// Those of [`write_to`](Self::write_to).
    ///
    /// # Panics
    /// Those of [`write_to`](Self::write_to).
    pub fn write_issues_to(&mut self, files: &LockedRunFiles) -> Result<Vec<Change>, UpdateError> {
        let is_enough = self.state.has_changed_issues() && !self.state.has_ended();
        self.write_some(files, !is_enough)
    }

    fn write_some(
        &mut self,
        files: &LockedRunFiles,
        writes_run: bool,
    ) -> Result<Vec<Change>, UpdateError> {
        let changed = self.state.take_changed();
        // Until all was written, what was changed is not known to be in the files.
        let is_partial = std::mem::replace(&mut self.wrote_all, false);
        self.owes_run = false;
        let changes = match self.known_files.take() {
            _ if !is_partial => files.write(&self.state)?,
            None => files.write_changed(&self.state, &changed, writes_run, None)?,
            Some(mut known) => {
                let written = known.write(files, &self.state, changed, writes_run)?;
                self.keep_or_write_all(files, known, written)?
            }
        };
        // A folder whose segments are gone is left alone: nothing was written.
        self.wrote_all = self.state.has_events();
        self.owes_run = is_partial && !writes_run;
        Ok(changes)
    }

    /// Returns whether only reports of issues were written last; then
    /// [`write_to`](Self::write_to) writes what is missing.
    pub fn owes_run_reports(&self) -> bool {
        self.owes_run
    }

    /// Makes sure of all report files when nothing is to be written: somebody may have touched
    /// them. Returns what that changed. Files that stand as they are [known](Self::trust_files) to
    /// are not read.
    ///
    /// # Errors
    /// Those of [`write_to`](Self::write_to).
    ///
    /// # Panics
    /// Those of [`write_to`](Self::write_to).
    pub fn settle_files(&mut self, files: &LockedRunFiles) -> Result<Vec<Change>, UpdateError> {
        let is_partial = std::mem::replace(&mut self.wrote_all, false);
        let Some(mut known) = self.known_files.take().filter(|_| is_partial) else {
            return self.write_to(files);
        };
        let written = known.settle(files, &self.state)?;
        let changes = self.keep_or_write_all(files, known, written)?;
        (self.wrote_all, self.owes_run) = (self.state.has_events(), false);
        Ok(changes)
    }

    /// Goes on with what is known of the files, or writes all where somebody touched them.
    fn keep_or_write_all(
        &mut self,
        files: &LockedRunFiles,
        known: KnownFiles,
        (mut changes, is_known): (Vec<Change>, bool),
    ) -> Result<Vec<Change>, ReportError> {
        if is_known {
            self.known_files = Some(known);
        } else if !self.is_stale() {
            changes.extend(files.write(&self.state)?);
        }
        Ok(changes)
    }

    /// Takes it as known that the report files were those of the state as it is now when they
    /// stood so. Whether they still do is told when they are written next, after those that changed
    /// are: with many files that takes long.
    pub fn trust_files(&mut self, stamp: FilesStamp) {
        self.wrote_all = self.state.has_events();
        self.known_files = Some(KnownFiles::new(stamp));
        self.state.take_changed();
    }

    /// Returns how many entries of the log were folded, those that were folded again included.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Returns whether the state has to be folded again, because an event came late or a checkpoint
    /// turned out to hold no state; which [`catch_up`](Self::catch_up) does.
    pub fn is_stale(&self) -> bool {
        self.state.is_stale()
    }

    /// Returns the state as far as the log was folded.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// Returns the state, and lets go of the log.
    pub fn into_state(self) -> RunState {
        self.state
    }

    /// Returns the reader of the log, for its bytes that are no whole lines yet.
    pub fn log(&self) -> &LogReader {
        &self.log
    }
}

#[cfg(test)]
mod tests;
