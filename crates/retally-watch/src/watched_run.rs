//! One run as the watcher knows it.

use crate::checkpoints::{Checkpoints, Rest};
use crate::live_run::LiveRun;
use crate::rests::Rests;
use crate::schedule::Outcome;
use retally_log::{Clock, LogStamp, Root, RunDir, RunId};
use retally_reduce::{Change, PriceBook, ReportError, RunFiles, UpdateError};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How often the log of a resting run is looked at before its report files are, which somebody
/// may have touched.
const LOOKS_PER_FILES_LOOK: u32 = 8;

/// What looking at a run takes beside the run.
pub(crate) struct Surroundings {
    pub(crate) root: Root,
    pub(crate) prices: Arc<PriceBook>,
    /// `None` where none are kept.
    pub(crate) checkpoints: Option<Checkpoints>,
    /// `None` where none are kept.
    pub(crate) rests: Option<Rests>,
    pub(crate) clock: Arc<dyn Clock>,
    /// How long a run that ended is kept in memory after its last change.
    pub(crate) rest_ended_after: Duration,
    /// How long any other run is.
    pub(crate) rest_after: Duration,
    /// Whether so many runs are in memory that none is kept that is quiet.
    pub(crate) is_crowded: bool,
    /// Whether all is to be written now, for nobody will later.
    pub(crate) is_ending: bool,
}

/// A run: its fold while it is live, and hardly anything while it rests.
pub(crate) struct WatchedRun {
    dir: RunDir,
    stage: Stage,
}

enum Stage {
    /// Nothing is known of it yet.
    New,
    /// It has not changed for a while and is not in memory; `None` where it has no log.
    Resting {
        rest: Option<Rest>,
        /// How often its log was looked at since its report files were.
        looks: u32,
    },
    /// It is in memory.
    Live(Box<LiveRun>),
}

impl Stage {
    fn resting(rest: Option<Rest>) -> Self {
        Self::Resting { rest, looks: 0 }
    }
}

/// What came of a look at a run.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) outcome: Outcome,
    /// What was done to the report files.
    pub(crate) changes: Vec<Change>,
    /// How many entries of the log were folded.
    pub(crate) entries: u64,
    /// Whether a file was replaced or cut, so that the log was read from its beginning.
    pub(crate) is_rewound: bool,
    /// Why the log could not be read or the reports not be written.
    pub(crate) error: Option<UpdateError>,
    /// Why the checkpoint could not be saved.
    pub(crate) checkpoint_error: Option<io::Error>,
    /// How long it took.
    pub(crate) cost: Duration,
}

impl WatchedRun {
    pub(crate) fn new(dir: RunDir) -> Self {
        let stage = Stage::New;
        Self { dir, stage }
    }

    pub(crate) fn id(&self) -> &RunId {
        self.dir.id()
    }

    /// Returns how it rests; `None` where it does not, or has no log.
    pub(crate) fn rest(&self) -> Option<&Rest> {
        match &self.stage {
            Stage::Resting { rest, .. } => rest.as_ref(),
            Stage::New | Stage::Live(_) => None,
        }
    }

    /// Returns whether its state is in memory.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live(_))
    }

    /// Returns whether there was a log at the last look, or nobody has looked yet.
    pub(crate) fn has_log(&self) -> bool {
        !matches!(self.stage, Stage::Resting { rest: None, .. })
    }

    /// Forgets what was folded: it was folded with other prices.
    pub(crate) fn reset(&mut self) {
        self.stage = Stage::New;
    }

    /// Brings the run's reports up to date with its log, as far as one turn goes.
    pub(crate) fn look(&mut self, around: &Surroundings, now: Duration) -> Look {
        let mut look = Look {
            outcome: Outcome::Failed,
            changes: Vec::new(),
            entries: 0,
            is_rewound: false,
            error: None,
            checkpoint_error: None,
            cost: Duration::ZERO,
        };
        let begun = around.clock.monotonic();
        match self.advance(around, now, &mut look) {
            Ok(outcome) => look.outcome = outcome,
            Err(error) => look.error = Some(error),
        }
        look.cost = around.clock.monotonic().saturating_sub(begun);
        look
    }

    fn advance(
        &mut self,
        around: &Surroundings,
        now: Duration,
        look: &mut Look,
    ) -> Result<Outcome, UpdateError> {
        if !self.is_live() && !self.wake(around, now)? {
            return Ok(Outcome::Resting);
        }
        let Stage::Live(live) = &mut self.stage else {
            return Ok(Outcome::Resting);
        };
        let (entries, rewinds) = (live.fold.entries(), live.fold.rewinds());
        let turned = live.turn(&self.dir, around, now, look);
        look.entries = live.fold.entries() - entries;
        look.is_rewound = live.fold.rewinds() > rewinds;
        let outcome = turned?;
        let is_calm = matches!(outcome, Outcome::Quiet | Outcome::Updated { .. });
        if is_calm && live.may_rest(around, now) {
            match live.rest(&self.dir, around, look)? {
                Some(rest) => self.stage = Stage::resting(rest),
                None if live.is_stale() => return Ok(Outcome::Stale),
                None => {}
            }
        }
        Ok(outcome)
    }

    /// Takes the run into memory if it changed since it was last looked at, and returns whether
    /// it did.
    fn wake(&mut self, around: &Surroundings, now: Duration) -> Result<bool, UpdateError> {
        let files = self.open_files(around)?;
        let log = match &files {
            Some(files) => files.log_stamp()?,
            None => None,
        };
        if let Stage::Resting { rest, looks } = &mut self.stage
            && rest.as_ref().map(|rest| rest.log) == log
            && *looks < LOOKS_PER_FILES_LOOK
        {
            *looks += 1;
            return Ok(false);
        }
        let (Some(log), Some(files)) = (log, files) else {
            self.stage = Stage::resting(None);
            return Ok(false);
        };
        let (rest, is_new) = match &self.stage {
            Stage::Resting { rest, .. } => (standing(rest.clone(), &log, &files)?, false),
            Stage::New | Stage::Live(_) => (around.saved_rest(self.id(), &log, &files)?, true),
        };
        if rest.is_some() {
            self.stage = Stage::resting(rest);
            return Ok(false);
        }
        // A run that has not changed for long when it is first seen need not be kept.
        let is_old = is_new && around.age_of(&log) >= around.rest_after;
        let opened_at = (!is_old).then_some(now);
        let mut live = LiveRun::open(&self.dir, around, opened_at)?;
        if !is_new {
            live.note_change(now);
        }
        self.stage = Stage::Live(Box::new(live));
        Ok(true)
    }

    /// Opens the run's folder, or returns `None` where there is none.
    fn open_files(&self, around: &Surroundings) -> Result<Option<RunFiles>, ReportError> {
        match RunFiles::open(around.root.path(), self.id()) {
            Ok(files) => Ok(Some(files)),
            Err(ReportError::NotAFolder { .. }) => Ok(None),
            Err(ReportError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Surroundings {
    /// Returns how a run came to rest, if log and files still stand so.
    fn saved_rest(
        &self,
        run: &RunId,
        log: &LogStamp,
        files: &RunFiles,
    ) -> Result<Option<Rest>, ReportError> {
        let known = self.rests.as_ref();
        let known = known.and_then(|rests| rests.get(run, &self.prices));
        let rest = standing(known.cloned(), log, files)?;
        let Some(checkpoints) = self.checkpoints.as_ref().filter(|_| rest.is_none()) else {
            return Ok(rest);
        };
        standing(checkpoints.rest(run, &self.prices), log, files)
    }

    /// Returns how long ago the log changed, by the clocks of this host and of its file system.
    fn age_of(&self, log: &LogStamp) -> Duration {
        let age = self.clock.now().as_micros() / 1_000_000 - log.modified_seconds();
        Duration::from_secs(u64::try_from(age).unwrap_or(0))
    }
}

/// Returns how a run rested, if log and files still stand so.
fn standing(
    rest: Option<Rest>,
    log: &LogStamp,
    files: &RunFiles,
) -> Result<Option<Rest>, ReportError> {
    // Many files take long to look at, and are not where the log tells already.
    match rest {
        Some(rest) if rest.log == *log => Ok((files.stamp()? == rest.files).then_some(rest)),
        _ => Ok(None),
    }
}
