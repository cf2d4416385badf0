//! What the command takes from its surroundings and hands to the libraries.

use crate::cli::Global;
use crate::columns::start_of;
use crate::exit::wrong_usage;
use crate::sheet::Format;
use crate::terminal::printable;
use crate::without_secrets::{self, of_environment, without_secrets};
use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result, bail};
use retally_log::{
    Clock, ManualClock, Root, RootError, RunDir, RunId, SystemClock, Timestamp, WriterOptions,
};
use retally_redact::{SecretPatterns, SecretRedactor};
use retally_reduce::{AsOf, PriceBook, RunFold, RunState, fold_as_of};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// What is said where a run is needed and none is named.
pub(crate) const NO_RUN: &str = "no run is named (name one, or `latest`, or set RETALLY_RUN)";

/// The root, the clock, and how to print.
pub(crate) struct Setting {
    pub(crate) root: Root,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) format: Option<Format>,
    pub(crate) is_quiet: bool,
    redacts: bool,
}

impl Setting {
    /// # Errors
    /// `RETALLY_NOW`, which pins the clock for tests, is no time.
    pub(crate) fn new(global: &Global, format: Option<Format>) -> Result<Self> {
        let clock: Arc<dyn Clock> = match std::env::var("RETALLY_NOW") {
            Ok(now) => {
                let now =
                    Timestamp::parse(&now).with_context(|| format!("RETALLY_NOW is {now:?}"))?;
                Arc::new(ManualClock::new(now))
            }
            Err(_) => Arc::new(SystemClock::new()),
        };
        let root = Root::new(&global.root);
        without_secrets::of_root(&root);
        Ok(Self {
            root,
            clock,
            format,
            is_quiet: global.quiet,
            redacts: !global.no_redact,
        })
    }

    /// Returns the prices that hold for the root.
    pub(crate) fn prices(&self) -> Result<Arc<PriceBook>> {
        Ok(Arc::new(PriceBook::for_root(self.root.path())?))
    }

    /// Folds a run, to its end or up to a place in its log.
    pub(crate) fn fold(&self, run: &RunDir, as_of: Option<&AsOf>) -> Result<RunState> {
        let (root, id, prices) = (self.root.path(), run.id(), self.prices()?);
        match as_of {
            Some(as_of) => Ok(fold_as_of(root, id, prices, as_of)?),
            None => self.fold_at(run, prices),
        }
    }

    /// Folds a run where nobody asks what it cost: a broken price book is not in the way.
    pub(crate) fn fold_without_costs(&self, run: &RunDir) -> Result<RunState> {
        self.fold_at(run, Arc::default())
    }

    fn fold_at(&self, run: &RunDir, prices: Arc<PriceBook>) -> Result<RunState> {
        let mut fold = RunFold::open(self.root.path(), run.id(), prices)?;
        fold.catch_up()?;
        Ok(fold.into_state())
    }

    /// Returns how events are appended unless an option says otherwise.
    pub(crate) fn writer_options(&self) -> Result<WriterOptions> {
        let redactor = match self.redacts {
            true => Some(Arc::new(self.redactor()?) as _),
            false => None,
        };
        Ok(WriterOptions {
            clock: Arc::clone(&self.clock),
            redactor,
            ..WriterOptions::default()
        })
    }

    /// Returns what takes secrets out of texts, as the environment and the root have it.
    pub(crate) fn redactor(&self) -> Result<SecretRedactor> {
        let patterns = SecretPatterns::for_root(&self.root)?;
        Ok(of_environment().with_patterns(patterns))
    }

    /// Returns the run that an id, a prefix or `latest` means.
    pub(crate) fn find_run(&self, run: &str) -> Result<RunDir> {
        if run.is_empty() {
            // An unset variable must not mean whatever run there is.
            return Err(wrong_usage(NO_RUN));
        }
        Ok(self.root.find(run).map_err(with_short_name)?)
    }

    /// Returns the named runs, or all of the root.
    pub(crate) fn find_runs(&self, runs: &[String]) -> Result<Vec<RunDir>> {
        if runs.is_empty() {
            let mut runs = self.find_folders()?;
            runs.retain(|run| matches!(run.log_stamp(), Ok(Some(_))));
            return Ok(runs);
        }
        let mut found: Vec<RunDir> = Vec::with_capacity(runs.len());
        for run in runs {
            let run = self.find_run(run)?;
            if found.iter().all(|known| known.id() != run.id()) {
                found.push(run);
            }
        }
        Ok(found)
    }

    /// Returns all folders of the root that may be runs; whether there is a log is not looked at.
    pub(crate) fn find_folders(&self) -> Result<Vec<RunDir>> {
        if !self.root.path().is_dir() {
            let path = self.root.path().display();
            bail!("there is no folder `{path}` (name the root with --root or RETALLY_ROOT)");
        }
        let ids = self.root.folders()?;
        self.mention_links();
        Ok(ids.iter().map(|id| self.root.run(id)).collect())
    }

    /// Says which links in the root were passed over, where somebody may have meant them as runs.
    fn mention_links(&self) {
        let entries = std::fs::read_dir(self.root.path())
            .into_iter()
            .flatten()
            .flatten();
        for entry in entries {
            if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                let path = entry.path();
                self.say(&format!("passed over `{}`: a link", path.display()));
            }
        }
    }

    /// Returns the id that a test pins for a run that is started.
    pub(crate) fn pinned_run_id() -> Result<Option<RunId>> {
        match std::env::var("RETALLY_RUN_ID") {
            Ok(id) => Ok(Some(RunId::new(id).context("RETALLY_RUN_ID is unusable")?)),
            Err(_) => Ok(None),
        }
    }

    /// Says something to the person at the terminal that is no data, without secrets.
    pub(crate) fn say(&self, text: &str) {
        if !self.is_quiet {
            // Nobody is left to be told that telling failed.
            _ = writeln!(anstream::stderr(), "{}", printable(&without_secrets(text)));
        }
    }

    /// Whether progress can be shown to somebody.
    pub(crate) fn shows_progress(&self) -> bool {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        !self.is_quiet && !is_dumb && std::io::stderr().is_terminal()
    }
}

/// Returns where what can be made again is kept, or `None` where the user has no place for it.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let folder = PathBuf::from(std::env::var_os(name)?);
        folder.is_absolute().then_some(folder)
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Some(cache?.join("retally"))
}

/// The longest name that a message shows whole, and the longest message.
const NAME_COLUMNS_MAX: usize = 100;
const MESSAGE_COLUMNS_MAX: usize = 4000;

/// Returns a name that somebody asked for as a message can show it.
pub(crate) fn short_name(name: &str) -> String {
    start_of(&printable(name), NAME_COLUMNS_MAX)
}

fn with_short_name(error: RootError) -> RootError {
    match error {
        RootError::NotFound { path, wanted } => RootError::NotFound {
            path,
            wanted: short_name(&wanted),
        },
        other => other,
    }
}

/// Prints an error to stderr, without secrets.
pub(crate) fn complain(text: &str) {
    let red: Style = AnsiColor::Red.on_default().bold();
    let text = start_of(&printable(&without_secrets(text)), MESSAGE_COLUMNS_MAX);
    _ = writeln!(anstream::stderr(), "{red}error{red:#}: {text}");
}
