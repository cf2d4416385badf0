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
/// How far apart the reports of a run that goes on are written. Each event changes them, so that
/// they would be half of what is written, and at more moments they tell people nothing.
const RUN_INTERVAL: Duration = Duration::from_millis(500);
/// Checkpoints may take one part in so many of the time.
const CHECKPOINT_SHARE: u32 = 50;

/// The fold of a run, and how its report files and its checkpoint stand to that.
pub(crate) struct LiveRun {
    pub(crate) fold: RunFold,
    /// While the log is folded from its beginning because the state was stale.
    refold: Option<Refold>,
    /// Whether the log has to be folded from its beginning.
    is_stale: bool,
    /// How far the report files are those of the state.
    written: Written,
    /// Whether more of the log is known than was folded.
    is_behind: bool,
    /// When the reports of the run were written last, and not only those of issues.
    run_written_at: Option<Duration>,
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

/// Which report files are those of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// Perhaps none.
    Nothing,
    /// All but those of the run itself.
    Issues,
    All,
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
        let (rest, resumed) = match saved {
            Some(saved) => {
                let fold = RunFold::resume(root, run.id(), prices.clone(), saved.fold)?;
                (saved.rest, fold)
            }
            None => (None, None),
        };
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
            written: Written::Nothing,
            is_behind: false,
            run_written_at: None,
            opened_at,
            changed_at: None,
            locked_at: None,
            is_caught_up: false,
            checkpoint_due: None,
            checkpoint_cost: Duration::ZERO,
        })
    }

    /// Returns whether the log has to be folded from its beginning.
    pub(crate) fn is_stale(&self) -> bool {
        self.is_stale
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
        // As long as there is much to fold, nobody has to wait for it.
        if self.is_behind && self.fold.advance(SLICE_ENTRIES)? == Advance::Behind {
            return Ok(Outcome::Behind);
        }
        self.is_behind = false;
        // Locked before the log is looked at, so that what is folded can be written at once.
        let files = RunFiles::open(around.root.path(), run.id())?.try_lock();
        let advance = match &files {
            Some(files) => self.fold.advance_in(files, SLICE_ENTRIES)?,
            None => self.fold.advance(SLICE_ENTRIES)?,
        };
        if advance != Advance::Nothing {
            self.written = Written::Nothing;
            if self.is_caught_up {
                self.note_change(now);
            }
        }
        match advance {
            Advance::Behind => {
                self.is_behind = true;
                return Ok(Outcome::Behind);
            }
            Advance::Stale => {
                self.is_stale = true;
                return Ok(Outcome::Stale);
            }
            Advance::Caught => {}
            Advance::Nothing => {
                let until = self.run_due(around, now);
                if self.written == Written::All || until.is_some() {
                    self.save_if_due(around, now, look);
                    return Ok(until.map_or(Outcome::Quiet, |until| Outcome::Partly { until }));
                }
            }
        }
        let Some(files) = self.unless_locked(files, run, now)? else {
            return Ok(Outcome::Locked);
        };
        let before = self.written;
        self.write(&files, around, now, look)?;
        Ok(match self.run_due(around, now) {
            _ if self.is_stale => Outcome::Stale,
            Some(until) => Outcome::Partly { until },
            None if before == Written::Issues => Outcome::Quiet,
            None => Outcome::Updated { refold: None },
        })
    }

    /// Writes the reports of what was folded since the files were locked.
    fn write(
        &mut self,
        files: &LockedRunFiles,
        around: &Surroundings,
        now: Duration,
        look: &mut Look,
    ) -> Result<(), UpdateError> {
        let since = self.run_written_at.map(|at| now.saturating_sub(at));
        let is_soon = since.is_some_and(|since| since < RUN_INTERVAL) && !around.is_ending;
        look.changes.extend(match is_soon {
            true => self.fold.write_issues_to(files)?,
            false => self.fold.write_to(files)?,
        });
        self.is_stale = self.fold.is_stale();
        if self.is_stale {
            return Ok(());
        }
        self.is_caught_up = true;
        if self.fold.owes_run_reports() {
            self.written = Written::Issues;
        } else {
            self.written = Written::All;
            self.run_written_at = Some(now);
        }
        self.plan_checkpoint(now);
        Ok(())
    }

    /// Returns when the reports of the run are due where they are owed and need not come yet.
    fn run_due(&self, around: &Surroundings, now: Duration) -> Option<Duration> {
        let due = self.run_written_at? + RUN_INTERVAL;
        let is_owed = self.written == Written::Issues && !around.is_ending;
        (is_owed && now < due).then_some(due)
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
                let files = RunFiles::open(around.root.path(), run.id())?.try_lock();
                let Some(files) = self.unless_locked(files, run, now)? else {
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
        (self.is_stale, self.is_caught_up) = (false, true);
        self.written = Written::All;
        self.run_written_at = Some(now);
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
        self.written == Written::All && (around.is_crowded || since.is_none_or(is_long_ago))
    }

    /// Takes the files that are to be written, or `None` where somebody else writes them, which is
    /// an error once it lasts.
    fn unless_locked(
        &mut self,
        files: Option<LockedRunFiles>,
        run: &RunDir,
        now: Duration,
    ) -> Result<Option<LockedRunFiles>, UpdateError> {
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
        let advance = self.fold.advance_in(&files, u64::MAX)?;
        if advance != Advance::Nothing {
            self.is_stale = advance == Advance::Stale;
            self.written = Written::Nothing;
            return Ok(None);
        }
        look.changes.extend(self.fold.settle_files(&files)?);
        if self.fold.is_stale() {
            (self.is_stale, self.written) = (true, Written::Nothing);
            return Ok(None);
        }
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

    fn save_if_due(&mut self, around: &Surroundings, now: Duration, look: &mut Look) {
        if self.checkpoint_due.is_some_and(|due| due <= now) {
            self.save(around, None, look);
        }
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
