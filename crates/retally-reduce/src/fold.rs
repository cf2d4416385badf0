//! The one path from a log to a state, for the watcher and for a rebuild.

use crate::price_book::PriceBook;
use crate::report_files::{Change, ReportError, RunFiles};
use crate::run_state::RunState;
use retally_log::{Content, EVENTS_DIR, Entry, LogError, LogReader, RunId};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    log: LogReader,
    state: RunState,
    damaged_lines: u64,
    misfit_lines: u64,
    /// Whether every report file was written from an earlier state of this very fold, so that
    /// those of changed issues are enough.
    wrote_all: bool,
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

/// What is done with an entry of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    Take,
    TakeAndStop,
    Stop,
}

impl RunFold {
    /// Opens the log of a run in a root; nothing is folded yet.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn open(root: &Path, run_id: &RunId, prices: Arc<PriceBook>) -> Result<Self, LogError> {
        let events_dir = root.join(run_id.as_str()).join(EVENTS_DIR);
        Ok(Self {
            root: root.to_owned(),
            log: LogReader::open(events_dir)?,
            state: RunState::new(run_id.clone(), prices),
            damaged_lines: 0,
            misfit_lines: 0,
            wrote_all: false,
        })
    }

    /// Folds what the log has beyond what was folded, and returns whether there was anything.
    /// Where that makes the state stale, the log is folded again from its beginning.
    ///
    /// # Errors
    /// The log cannot be read. What was folded stays; call again to go on.
    pub fn catch_up(&mut self) -> Result<bool, LogError> {
        let has_news = self.advance()?;
        if self.is_stale() {
            self.refold()?;
        }
        Ok(has_news)
    }

    /// Does what [`catch_up`](Self::catch_up) does, but leaves a stale state for the caller to
    /// [fold again](Self::refold), for which a live watcher sets aside a share of its time.
    ///
    /// # Errors
    /// The log cannot be read. What was folded stays; call again to go on.
    pub fn advance(&mut self) -> Result<bool, LogError> {
        if self.is_stale() {
            return Ok(false);
        }
        let has_news = self.log.refresh()?;
        self.read(|_| Visit::Take)?;
        Ok(has_news)
    }

    /// Forgets the state and folds the log from its beginning.
    ///
    /// # Errors
    /// The log cannot be read. What was folded stays; call again to go on.
    pub fn refold(&mut self) -> Result<(), LogError> {
        self.log.rewind()?;
        self.read(|_| Visit::Take)?;
        assert!(
            !self.is_stale(),
            "a log that is read from its beginning comes in log order"
        );
        Ok(())
    }

    /// Reads to the end of what is known of the log, to where `visit` stops, or until the state is
    /// stale; returns whether `visit` stopped.
    pub(crate) fn read(&mut self, visit: impl Fn(&Entry<'_>) -> Visit) -> Result<bool, LogError> {
        let mut is_stopped = false;
        while !is_stopped {
            // Taken apart, for the reader lends its entry while the rest changes.
            let Self {
                log,
                state,
                damaged_lines,
                misfit_lines,
                wrote_all,
                ..
            } = self;
            let stepped = log.next(|entry| {
                let visit = visit(&entry);
                match entry {
                    _ if visit == Visit::Stop => {}
                    Entry::Rewound => {
                        let (run_id, prices) = (state.run_id().clone(), state.prices.clone());
                        *state = RunState::new(run_id, prices);
                        (*damaged_lines, *misfit_lines, *wrote_all) = (0, 0, false);
                    }
                    Entry::Stretch(_, Content::Event(event)) => {
                        state.apply(&event.position, event.times, &event.envelope);
                    }
                    Entry::Stretch(_, Content::Damage(_)) => *damaged_lines += 1,
                    Entry::Stretch(_, Content::Misfit(_)) => *misfit_lines += 1,
                    Entry::Stretch(..) => {}
                }
                visit != Visit::Take
            })?;
            self.state.set_aside(self.damaged_lines, self.misfit_lines);
            match stepped {
                Some(stops) => is_stopped = stops,
                None => break,
            }
            if self.is_stale() {
                break;
            }
        }
        Ok(is_stopped)
    }

    /// Brings the run's report files up to date with its log, and returns what that changed: locks
    /// the run's folder, catches up, writes what changed, unlocks.
    ///
    /// # Errors
    /// The log cannot be read, or a file cannot be written; call again to go on.
    pub fn update_files(&mut self) -> Result<Vec<Change>, UpdateError> {
        let files = RunFiles::open(&self.root, self.state.run_id())?.lock()?;
        self.catch_up()?;
        let changed = self.state.take_changed();
        // Until all was written, what was changed is not known to be in the files.
        let is_partial = std::mem::replace(&mut self.wrote_all, false);
        let changes = if is_partial {
            files.write_changed(&self.state, &changed)?
        } else {
            files.write(&self.state)?
        };
        // A folder whose segments are gone is left alone: nothing was written.
        self.wrote_all = self.state.has_events();
        Ok(changes)
    }

    /// Returns whether the state has to be folded again, which [`catch_up`](Self::catch_up) does.
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
