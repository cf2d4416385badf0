use crate::as_of::{AsOf, AsOfError, Horizon};
use crate::price_book::PriceBook;
use crate::run_state::RunState;
use retally_log::{Content, Entry, LogError, LogReader, RunDir};
use std::sync::Arc;

/// How often a state is folded again in one [`RunFold::catch_up`] because events came late.
///
/// Writers whose clocks differ can bring late events for as long as they write; the next call
/// goes on.
const REFOLDS_MAX: u32 = 3;

/// The state of a run, kept up to what its log holds.
///
/// This is the one path from a log to its reports: a rebuild catches up from the beginning, a
/// watcher catches up again and again.
///
/// ```no_run
/// use retally_log::{Root, RunId};
/// use retally_reduce::{PriceBook, RunFold};
/// use std::sync::Arc;
///
/// let root = Root::new("logs/runs");
/// let prices = Arc::new(PriceBook::for_root(root.path())?);
/// let mut fold = RunFold::open(&root.run(&RunId::new("run_1")?), prices)?;
/// println!("{} issues", fold.catch_up()?.metadata().total_issues);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RunFold {
    log: LogReader,
    blank: RunState,
    state: RunState,
    horizon: Option<Horizon>,
}

/// Why a log cannot be folded. Damage and senseless events are no errors: reports name them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The place up to which it should be folded is not in it.
    #[error(transparent)]
    AsOf(#[from] AsOfError),
}

impl RunFold {
    /// Opens the log of a run; nothing is folded yet.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn open(run: &RunDir, prices: Arc<PriceBook>) -> Result<Self, FoldError> {
        let log = LogReader::open(run.events_path())?;
        let blank = RunState::new(run.id().clone(), prices);
        Ok(Self {
            log,
            state: blank.clone(),
            blank,
            horizon: None,
        })
    }

    /// Folds a run up to a place in its log: what is known now of that time.
    ///
    /// # Errors
    /// The log cannot be read, or has no such place.
    pub fn as_of(
        run: &RunDir,
        prices: Arc<PriceBook>,
        as_of: &AsOf,
    ) -> Result<RunState, FoldError> {
        let mut fold = Self::open(run, prices)?;
        let horizon = Horizon::new(as_of, &fold.log)?;
        fold.horizon = Some(horizon);
        fold.read_on()?;
        if let Some(horizon) = &fold.horizon {
            horizon.check_at_end()?;
        }
        Ok(fold.state)
    }

    /// Returns whether the run has no segments, so that it is none of ours.
    pub fn is_empty(&self) -> bool {
        self.log.segment_ids().next().is_none()
    }

    /// Returns the state as of the last time that it caught up.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// Returns the state as of the last time that it caught up, and lets go of the log.
    pub fn into_state(self) -> RunState {
        self.state
    }

    /// Returns the state, to take its changes.
    pub fn state_mut(&mut self) -> &mut RunState {
        &mut self.state
    }

    /// Folds what the log holds beyond what was folded, and returns the state.
    ///
    /// # Errors
    /// The log cannot be read; a later call goes on where this one stopped.
    pub fn catch_up(&mut self) -> Result<&RunState, FoldError> {
        let mut refolds = 0;
        loop {
            self.read_on()?;
            let is_stale = self.state.is_stale();
            if is_stale && refolds == REFOLDS_MAX {
                break;
            }
            if is_stale {
                refolds += 1;
                self.log.rewind()?;
            } else if !self.log.refresh()? {
                break;
            }
        }
        Ok(&self.state)
    }

    /// Applies all that the log yields for now, or up to the horizon.
    fn read_on(&mut self) -> Result<(), FoldError> {
        let Self {
            log,
            blank,
            state,
            horizon,
        } = self;
        while horizon.as_ref().is_none_or(|horizon| !horizon.is_passed()) {
            let entry = log.next(|entry| match entry {
                Entry::Rewound => *state = blank.clone(),
                Entry::Stretch(place, content) => {
                    let position = match &content {
                        Content::Event(event) => Some(&event.position),
                        _ => None,
                    };
                    let is_within = horizon
                        .as_mut()
                        .is_none_or(|horizon| horizon.reaches(position, place.segment, place.seq));
                    if is_within {
                        apply(state, &content);
                    }
                }
            })?;
            if entry.is_none() {
                break;
            }
        }
        Ok(())
    }
}

fn apply(state: &mut RunState, content: &Content<'_>) {
    match content {
        Content::Event(event) => state.apply(&event.position, event.times, &event.envelope),
        Content::Damage(_) => state.set_aside(1, 0),
        Content::Misfit(_) => state.set_aside(0, 1),
        _ => {}
    }
}
