//! A run whose state is kept in memory.

use crate::checkpoints::Rest;
use crate::schedule::Outcome;
use crate::watched_run::{Look, Surroundings};
use retally_log::RunDir;
use retally_reduce::{Advance, LockedRunFiles, ReportError, RunFiles, RunFold, UpdateError};
use std::time::{Duration, Instant};

/// How many entries of a log are folded before others have their turn: some ten milliseconds.
const SLICE_ENTRIES: u64 = 10_000;
/// How long the checkpoint of a live run may be behind its log.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);
/// How long somebody else may write the reports before that is said.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// Checkpoints may take one part in so many of the time.
const CHECKPOINT_SHARE: u32 = 50;

/// The fold of a run, and how its report files and its checkpoint stand to that.
pub(crate) struct LiveRun {
    pub(crate) fold: RunFold,
    /// While the log is folded from its beginning because the state was stale.
    refold: Option<Refold>,
    /// Whether the log has to be folded from its beginning.
    is_stale: bool,
    /// Whether the report files are those of the state.
    is_written: bool,
    /// When it was taken into memory; `None` where its log had not changed for long by then.
    opened_at: Option<Duration>,
    /// When the log last had something new since then; `None` where it had not.
    changed_at: Option<Duration>,
    /// Since when somebody else writes the reports; `None` where nobody does.
    locked_at: Option<Duration>,
    /// Whether what stood in the log when it was opened is written; what is new is new since then.
    is_caught_up: bool,
    /// When the next checkpoint is due; `None` where the last one is current.
    checkpoint_due: Option<Duration>,
    /// How long the last one took.
    checkpoint_cost: Duration,
}

/// Folding from the beginning, under the lock of the report files. Without the lock, writers on
/// hosts with differing clocks could make the state stale again before it is ever written.
struct Refold {
    files: LockedRunFiles,
    cost: Duration,
}

impl LiveRun {
    /// Takes up a run from its checkpoint, or else from the beginning of its log.
    pub(crate) fn open(
        run: &RunDir,
        around: &Surroundings,
        opened_at: Option<Duration>,
    ) -> Result<Self, UpdateError> {
        let (root, prices) = (around.root.path(), &around.prices);
        let checkpoints = around.checkpoints.as_ref();
        let saved = checkpoints.and_then(|it| it.load(run.id(), prices));
        let resumed = match &saved {
            Some(saved) => RunFold::resume(root, run.id(), prices.clone(), &saved.fold)?,
            None => None,
        };
        let rest = saved.and_then(|saved| saved.rest);
        let fold = match resumed {
            Some(mut fold) => {
                // They were those of this very state, which another watcher may have saved.
                if let Some(rest) = rest {
                    fold.trust_files(rest.files);
                }
                fold
            }
            None => RunFold::open(root, run.id(), prices.clone())?,
        };
        Ok(Self {
            fold,
            refold: None,
            is_stale: false,
            is_written: false,
            opened_at,
            changed_at: None,
            locked_at: None,
            is_caught_up: false,
            checkpoint_due: None,
            checkpoint_cost: Duration::ZERO,
        })
    }

    /// Takes in that the log changed, so that more is to be expected.
    pub(crate) fn note_change(&mut self, now: Duration) {
        self.changed_at = Some(now);
    }

    /// Folds what is new, as far as one turn goes, and writes the reports when all is folded.
    pub(crate) fn turn(
        &mut self,
        run: &RunDir,
        around: &Surroundings,
        now: Duration,
        look: &mut Look,
    ) -> Result<Outcome, UpdateError> {
        if self.is_stale {
            return self.refold(run, around, now, look);
        }
        let advance = self.fold.advance(SLICE_ENTRIES)?;
        if advance != Advance::Nothing && self.is_caught_up {
            self.note_change(now);
        }
        match advance {
            Advance::Behind => {
                self.is_written = false;
                Ok(Outcome::Behind)
            }
            Advance::Stale => {
                self.is_stale = true;
                Ok(Outcome::Stale)
            }
            Advance::Caught => self.write(run, around, now, look),
            Advance::Nothing if !self.is_written => self.write(run, around, now, look),
            Advance::Nothing => {
                if self.checkpoint_due.is_some_and(|due| due <= now) {
                    self.save(around, None, look);
                }
                Ok(Outcome::Quiet)
            }
        }
    }

    /// Writes the reports, having folded what came until the lock was got.
    fn write(
        &mut self,
        run: &RunDir,
        around: &Surroundings,
        now: Duration,
        look: &mut Look,
    ) -> Result<Outcome, UpdateError> {
        self.is_written = false;
        let Some(files) = self.lock(run, around, now)? else {
            return Ok(Outcome::Locked);
        };
        if self.fold.advance(u64::MAX)? == Advance::Stale {
            self.is_stale = true;
            return Ok(Outcome::Stale);
        }
        look.changes.extend(self.fold.write_to(&files)?);
        (self.is_written, self.is_caught_up) = (true, true);
        self.plan_checkpoint(now);
        Ok(Outcome::Updated { refold: None })
    }

    /// Folds the log from its beginning and writes the reports, in turns, under one lock.
    fn refold(
        &mut self,
        run: &RunDir,
        around: &Surroundings,
        now: Duration,
        look: &mut Look,
    ) -> Result<Outcome, UpdateError> {
        let begun = Instant::now();
        let mut refold = match self.refold.take() {
            Some(refold) => refold,
            None => {
                let Some(files) = self.lock(run, around, now)? else {
                    return Ok(Outcome::Locked);
                };
                self.fold.start_over()?;
                let cost = Duration::ZERO;
                Refold { files, cost }
            }
        };
        // What is appended meanwhile waits: it could make the state stale again.
        if self.fold.fold_known(SLICE_ENTRIES)? == Advance::Behind {
            refold.cost += begun.elapsed();
            self.refold = Some(refold);
            return Ok(Outcome::Behind);
        }
        look.changes.extend(self.fold.write_to(&refold.files)?);
        (self.is_stale, self.is_written, self.is_caught_up) = (false, true, true);
        let cost = refold.cost + begun.elapsed();
        Ok(Outcome::Updated { refold: Some(cost) })
    }

    /// Returns whether the run has been quiet for so long that it need not be in memory.
    pub(crate) fn may_rest(&self, around: &Surroundings, now: Duration) -> bool {
        // A run that had ended when it was first looked at need not be kept at all.
        let (since, wait) = match self.fold.state().has_ended() {
            true => (self.changed_at, around.rest_ended_after),
            false => (self.changed_at.or(self.opened_at), around.rest_after),
        };
        let is_long_ago = |at: Duration| now.saturating_sub(at) >= wait;
        self.is_written && (around.is_crowded || since.is_none_or(is_long_ago))
    }

    /// Locks the report files, or returns `None` where somebody else writes them.
    fn lock(
        &mut self,
        run: &RunDir,
        around: &Surroundings,
        now: Duration,
    ) -> Result<Option<LockedRunFiles>, UpdateError> {
        let files = RunFiles::open(around.root.path(), run.id())?.try_lock();
        if files.is_some() {
            self.locked_at = None;
            return Ok(files);
        }
        let since = *self.locked_at.get_or_insert(now);
        if now.saturating_sub(since) < LOCK_PATIENCE {
            return Ok(None);
        }
        let path = run.path().to_owned();
        Err(ReportError::Locked { path }.into())
    }

    /// Makes sure of all report files, and returns how log and files stand then; `None` where the
    /// log has news or somebody else writes, `Some(None)` where there is no log any more.
    pub(crate) fn rest(
        &mut self,
        run: &RunDir,
        around: &Surroundings,
        look: &mut Look,
    ) -> Result<Option<Option<Rest>>, UpdateError> {
        let Some(files) = RunFiles::open(around.root.path(), run.id())?.try_lock() else {
            return Ok(None);
        };
        // The log's stamp comes first: what is appended after it will be seen.
        let log = files.log_stamp()?;
        let advance = self.fold.advance(u64::MAX)?;
        if advance != Advance::Nothing {
            self.is_stale = advance == Advance::Stale;
            self.is_written = false;
            return Ok(None);
        }
        look.changes.extend(self.fold.settle_files(&files)?);
        let rest = match log {
            Some(log) => Some(Rest {
                log,
                files: files.stamp()?,
            }),
            None => None,
        };
        self.save(around, rest.as_ref(), look);
        Ok(Some(rest))
    }

    fn plan_checkpoint(&mut self, now: Duration) {
        let wait = CHECKPOINT_INTERVAL.max(self.checkpoint_cost * CHECKPOINT_SHARE);
        self.checkpoint_due.get_or_insert(now + wait);
    }

    fn save(&mut self, around: &Surroundings, rest: Option<&Rest>, look: &mut Look) {
        self.checkpoint_due = None;
        let Some(checkpoints) = &around.checkpoints else {
            return;
        };
        let begun = Instant::now();
        let run = self.fold.state().run_id().clone();
        // Where the log cannot be read, the next look tells.
        let fold = self.fold.checkpoint().unwrap_or_default();
        let saved = checkpoints.save(&run, &around.prices, rest, fold);
        look.checkpoint_error = saved.err();
        self.checkpoint_cost = begun.elapsed();
    }
}
