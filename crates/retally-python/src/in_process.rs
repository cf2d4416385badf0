use crate::errors::{message, report_error, write_error};
use crate::handed_clock::HandedClock;
use crate::live_reports::{self, LiveReports};
use pyo3::PyResult;
use retally_log::{Durability, Redactor, Root, RunDir, Times, Writer, WriterOptions};
use retally_redact::{SecretPatterns, SecretRedactor};
use retally_reduce::{PriceBook, RunFold};
use std::collections::HashMap;
use std::path::PathBuf;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a log is written: what every process that has it starts from.
pub(crate) struct Setup {
    pub(crate) root: Root,
    /// The environment in which values of secrets are found. `None` leaves secrets where they are.
    pub(crate) variables: Option<HashMap<String, String>>,
    /// Whether times are handed over with each event.
    pub(crate) has_clock: bool,
    pub(crate) durability: Durability,
    /// Whether report files are kept current while events are appended.
    pub(crate) is_live: bool,
}

impl Setup {
    /// Returns what takes secrets out, or `None` where they stay.
    ///
    /// # Errors
    /// The root's own patterns are broken: without them nothing should be written.
    pub(crate) fn redactor(&self) -> PyResult<Option<Arc<SecretRedactor>>> {
        let Some(variables) = &self.variables else {
            return Ok(None);
        };
        let patterns = SecretPatterns::for_root(&self.root).map_err(|it| write_error(&it))?;
        let redactor = SecretRedactor::new().with_variables(variables.clone());
        Ok(Some(Arc::new(redactor.with_patterns(patterns))))
    }
}

/// What a log has in one process: after a fork nothing of it may be locked by a thread that is
/// not there any more.
pub(crate) struct InProcess {
    pub(crate) pid: u32,
    pub(crate) redactor: Option<Arc<SecretRedactor>>,
    pub(crate) clock: Option<Arc<HandedClock>>,
    /// Appends what happens now.
    pub(crate) stamped: Writer,
    /// Appends what happened while nothing could be written.
    pub(crate) given: Writer,
    pub(crate) live_reports: LiveReports,
    setup: Arc<Setup>,
    fold: Mutex<Option<RunFold>>,
}

impl InProcess {
    pub(crate) fn new(setup: &Arc<Setup>, run: &RunDir) -> PyResult<Self> {
        let redactor = setup.redactor()?;
        let clock = setup.has_clock.then(|| Arc::new(HandedClock::new(0)));
        let mut options = WriterOptions {
            durability: setup.durability,
            redactor: redactor.clone().map(|it| it as Arc<dyn Redactor>),
            cuts_long_texts: true,
            ..WriterOptions::default()
        };
        if let Some(clock) = &clock {
            options.clock = Arc::<HandedClock>::clone(clock);
        }
        let given = WriterOptions {
            times: Times::Given,
            ..options.clone()
        };
        Ok(Self {
            pid: process::id(),
            redactor,
            clock,
            stamped: Writer::new(run.clone(), options),
            given: Writer::new(run.clone(), given),
            live_reports: LiveReports::default(),
            setup: Arc::clone(setup),
            fold: Mutex::new(None),
        })
    }

    /// Lets go of the files of the process that this one was forked from, which would hold their
    /// locks beyond its end.
    pub(crate) fn abandon(&self) {
        for writer in [&self.stamped, &self.given] {
            // A writer notices the fork by itself; with nothing appended, nothing is synced.
            _ = writer.sync();
        }
    }

    /// Calls `with` with the fold of the run, which is kept so that each call costs what is new.
    /// It has not caught up.
    pub(crate) fn with_fold<R>(
        &self,
        with: impl FnOnce(&mut RunFold) -> PyResult<R>,
    ) -> PyResult<R> {
        let mut fold: MutexGuard<'_, _> = self.fold.lock().unwrap_or_else(PoisonError::into_inner);
        let mut current = match fold.take() {
            Some(fold) => fold,
            None => {
                let path = self.setup.root.path();
                let prices = PriceBook::for_root(path).map_err(|it| report_error(&it))?;
                let run_id = self.stamped.run().id();
                let opened = RunFold::open(path, run_id, Arc::new(prices));
                opened.map_err(|it| report_error(&it))?
            }
        };
        let result = with(&mut current);
        // After a panic it is gone, and made anew.
        *fold = Some(current);
        result
    }

    /// Brings the report files to what the log says now, and returns the paths of those that
    /// changed.
    pub(crate) fn update_reports(&self) -> PyResult<Vec<PathBuf>> {
        self.with_fold(|fold| {
            let changes = fold.update_files().map_err(|it| report_error(&it))?;
            Ok(changes.into_iter().map(|change| change.path).collect())
        })
    }

    /// Notes that an event was appended.
    pub(crate) fn appended(self: &Arc<Self>) {
        if self.setup.is_live {
            live_reports::follow(self);
        }
    }

    /// Returns what an error says, without secrets: it may quote the event.
    pub(crate) fn message(&self, error: &dyn std::error::Error) -> String {
        let text = message(error);
        match &self.redactor {
            Some(redactor) => redactor.redact(&text).into_owned(),
            None => text,
        }
    }
}
