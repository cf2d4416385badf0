//! What a watcher has to say.

use retally_log::RunId;
use retally_reduce::Change;
use std::fmt;
use std::time::Duration;

/// Something that a watcher did or found; each is said once.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// There is a run that was not there before.
    Found(&'a RunId),
    /// The folder of a run is gone.
    Gone(&'a RunId),
    /// A segment was replaced, cut or removed: the run was folded again from what is there.
    Rewound(&'a RunId),
    /// The reports of a run are up to date.
    Updated(&'a Update<'a>),
    /// Something cannot be done, and is tried again. Said again where the reason changes.
    Problem(&'a Subject, &'a str),
    /// It can be done again.
    Solved(&'a Subject),
    /// The price book changed: all runs are folded again.
    NewPrices,
    /// A turn is over. Comes at least once per polling time.
    Turned(&'a Status),
}

/// How the reports of a run were brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update<'a> {
    /// The run.
    pub run: &'a RunId,
    /// What was done to the files; nothing where only unreported events came.
    pub changes: &'a [Change],
    /// How long the files had not been current since the first notification; `None` where none
    /// came.
    pub lag: Option<Duration>,
}

/// What a problem is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Subject {
    /// The folder of all runs.
    Root,
    /// The price book.
    Prices,
    /// The notifications of the system; without them, changes are found by looking.
    Notifications,
    /// The checkpoints; without them, a restart folds all logs anew.
    Checkpoints,
    /// A run.
    Run(RunId),
}

impl Subject {
    /// Returns whether reports come out the same without it, if later.
    pub(crate) fn costs_time_only(&self) -> bool {
        matches!(self, Self::Notifications | Self::Checkpoints)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Prices => f.write_str("price book"),
            Self::Notifications => f.write_str("notifications"),
            Self::Checkpoints => f.write_str("checkpoints"),
            Self::Run(run) => write!(f, "run `{run}`"),
        }
    }
}

/// How a watcher stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The runs that have a log.
    pub runs: usize,
    /// Those that are in memory, because they changed lately.
    pub live: usize,
    /// How many entries of logs were folded since the start, counted again where they were folded
    /// again.
    pub entries: u64,
    /// How often a run was looked at since the start.
    pub looks: u64,
    /// How often reports were brought up to date since the start.
    pub updates: u64,
    /// How many things keep reports from being up to date now; what only costs time, such as
    /// missing notifications, does not count.
    pub problems: usize,
    /// Whether more is known to be done.
    pub is_behind: bool,
}
