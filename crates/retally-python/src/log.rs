use crate::errors::{
    EventError, RunIdError, RunNotFoundError, SyncError, WriteError, report_error, write_error,
};
use crate::event_json::event_json;
use crate::in_process::{InProcess, Setup};
use arc_swap::ArcSwap;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use retally_log::{
    AppendError, Draft, Durability, IssueId, Redactor as _, Root, RunDir, RunId, RunStatus,
    Timestamp, Writer,
};
use retally_reduce::{RunState, to_json_bytes};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::{mem, process};

/// The log of one run: appends events, folds them, and writes the report files.
///
/// All threads of a process may share it; after a fork the child's events go to a segment of
/// their own. Times are microseconds since 1970.
#[pyclass(frozen, module = "retally._retally")]
pub(crate) struct Log {
    setup: Arc<Setup>,
    run: RunDir,
    process: ArcSwap<InProcess>,
}

#[pymethods]
impl Log {
    /// Makes the folder of a new run. Without `run_id` it is named for the time and the project;
    /// where the name is taken, `_2` and so on follows.
    ///
    /// `variables` is the environment, whose secrets are looked for; `None` redacts nothing.
    #[staticmethod]
    #[pyo3(signature = (root, project, *, run_id, variables, micros, has_clock, durability, is_live))]
    #[expect(clippy::too_many_arguments, reason = "Python names them")]
    fn start(
        py: Python<'_>,
        root: PathBuf,
        project: &str,
        run_id: Option<&str>,
        variables: Option<HashMap<String, String>>,
        micros: i64,
        has_clock: bool,
        durability: &str,
        is_live: bool,
    ) -> PyResult<Self> {
        let setup = setup(root, variables, has_clock, durability, is_live)?;
        py.detach(|| {
            let redactor = setup.redactor()?;
            let id = match run_id {
                Some(id) => parse_run_id(id)?,
                None => {
                    // The project is in the name of the folder too.
                    let name =
                        redactor.map_or(project.into(), |it| it.redact_name(project).into_owned());
                    RunId::for_project(Timestamp::from_micros_saturating(micros), &name)
                }
            };
            let run = setup.root.create_run(&id).map_err(|it| write_error(&it))?;
            Self::new(setup, run)
        })
    }

    /// Goes on with a run, which is made where there is none.
    #[staticmethod]
    #[pyo3(signature = (root, run_id, *, variables, has_clock, durability, is_live))]
    fn open(
        py: Python<'_>,
        root: PathBuf,
        run_id: &str,
        variables: Option<HashMap<String, String>>,
        has_clock: bool,
        durability: &str,
        is_live: bool,
    ) -> PyResult<Self> {
        let setup = setup(root, variables, has_clock, durability, is_live)?;
        let id = parse_run_id(run_id)?;
        py.detach(|| {
            let run = setup.root.open_or_create_run(&id);
            Self::new(setup, run.map_err(|it| write_error(&it))?)
        })
    }

    /// Returns the id of the run that an id, the beginning of one, or `latest` means.
    #[staticmethod]
    fn find(py: Python<'_>, root: PathBuf, wanted: &str) -> PyResult<String> {
        let found = py.detach(|| Root::new(root).find(wanted));
        let found = found.map_err(|it| RunNotFoundError::new_err(it.to_string()))?;
        Ok(found.id().to_string())
    }

    /// Returns the id that a run of this project would get.
    #[staticmethod]
    fn usual_id(project: &str, micros: i64) -> String {
        let time = Timestamp::from_micros_saturating(micros);
        RunId::for_project(time, project).to_string()
    }

    /// Raises `RunIdError` where the text is no id of a run.
    #[staticmethod]
    fn check_id(run_id: &str) -> PyResult<()> {
        parse_run_id(run_id).map(|_| ())
    }

    /// The run's id.
    #[getter]
    fn run_id(&self) -> &str {
        self.run.id().as_str()
    }

    /// Appends an event that happens now; `micros` is the time where the log has a clock.
    #[pyo3(signature = (type_name, fields, micros = None))]
    fn append(
        &self,
        py: Python<'_>,
        type_name: &Bound<'_, PyString>,
        fields: &Bound<'_, PyDict>,
        micros: Option<i64>,
    ) -> PyResult<()> {
        let json = event_json(type_name, fields, None, None)?;
        py.detach(|| {
            let process = self.process()?;
            if let (Some(clock), Some(micros)) = (&process.clock, micros) {
                clock.set(micros);
            }
            append(&process, &process.stamped, &json)
        })
    }

    /// Appends an event, as `event_json` made it, with the time that it states.
    fn append_given(&self, py: Python<'_>, json: &[u8]) -> PyResult<()> {
        py.detach(|| {
            let process = self.process()?;
            append(&process, &process.given, json)
        })
    }

    /// Appends the end of the run with the number of lines of each segment, and syncs.
    #[pyo3(signature = (status, micros = None))]
    fn finish(&self, py: Python<'_>, status: &str, micros: Option<i64>) -> PyResult<()> {
        let word = RunStatus::from_word(status);
        let status = word.ok_or_else(|| {
            let words = RunStatus::WORDS.join(", ");
            EventError::new_err(format!("`status` is {status:?} (want one of {words})"))
        })?;
        py.detach(|| {
            let process = self.process()?;
            if let (Some(clock), Some(micros)) = (&process.clock, micros) {
                clock.set(micros);
            }
            let finished = process.stamped.finish(status);
            settled(&process, &process.stamped, finished.map(|_| ()))
        })
    }

    /// Brings the report files to what the log says now, and returns the paths of those that
    /// changed.
    fn update_reports(&self, py: Python<'_>) -> PyResult<Vec<PathBuf>> {
        py.detach(|| self.process()?.update_reports())
    }

    /// How many updates of the report files failed that were made beside appends.
    #[getter]
    fn failed_updates(&self) -> u64 {
        self.process.load().live_reports.failures()
    }

    /// Returns the report of an issue as it is now, as JSON, or `None` where no event names it.
    fn issue_report(&self, py: Python<'_>, issue: &str) -> PyResult<Option<String>> {
        py.detach(|| {
            let process = self.process()?;
            let issue = match &process.redactor {
                Some(redactor) => redactor.redact_name(issue).into_owned(),
                None => issue.to_owned(),
            };
            self.read(&process, |state| {
                let report = state.issue_report(&IssueId::from(issue));
                report.map(|report| json(to_json_bytes(&report)))
            })
        })
    }

    /// Returns the report of the run as it is now, as JSON.
    fn run_report(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| {
            self.read(&*self.process()?, |state| {
                json(to_json_bytes(&state.run_report()))
            })
        })
    }
}

impl Log {
    fn new(setup: Arc<Setup>, run: RunDir) -> PyResult<Self> {
        let process = InProcess::new(&setup, &run)?;
        Ok(Self {
            setup,
            run,
            process: ArcSwap::from_pointee(process),
        })
    }

    /// Returns what the log has in this process, made anew if it was forked since the last call.
    fn process(&self) -> PyResult<Arc<InProcess>> {
        let current = self.process.load_full();
        if current.pid == process::id() {
            return Ok(current);
        }
        let fresh = Arc::new(InProcess::new(&self.setup, &self.run)?);
        let previous = self.process.compare_and_swap(&current, Arc::clone(&fresh));
        if !Arc::ptr_eq(&previous, &current) {
            return Ok(self.process.load_full());
        }
        current.abandon();
        // A thread of the parent may have left it half changed; it must not even be dropped.
        mem::forget(current);
        Ok(fresh)
    }

    fn read<R>(&self, process: &InProcess, read: impl FnOnce(&RunState) -> R) -> PyResult<R> {
        process.with_fold(|fold| {
            fold.catch_up().map_err(|it| report_error(&it))?;
            Ok(read(fold.state()))
        })
    }
}

fn setup(
    root: PathBuf,
    variables: Option<HashMap<String, String>>,
    has_clock: bool,
    durability: &str,
    is_live: bool,
) -> PyResult<Arc<Setup>> {
    let durability = match durability {
        "process" => Durability::Process,
        "power" => Durability::Power,
        _ => {
            let text = format!("durability is {durability:?} (want \"process\" or \"power\")");
            return Err(pyo3::exceptions::PyValueError::new_err(text));
        }
    };
    Ok(Arc::new(Setup {
        root: Root::new(root),
        variables,
        has_clock,
        durability,
        is_live,
    }))
}

fn parse_run_id(text: &str) -> PyResult<RunId> {
    RunId::new(text).map_err(|it| RunIdError::new_err(it.to_string()))
}

fn json(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

fn append(process: &Arc<InProcess>, writer: &Writer, json: &[u8]) -> PyResult<()> {
    let draft = Draft::from_json(json);
    let draft = draft.map_err(|it| EventError::new_err(process.message(&it)))?;
    settled(process, writer, writer.append(draft).map(|_| ()))
}

/// Makes an exception of a failed append. After a failed sync the writer goes on in a new segment.
fn settled(
    process: &Arc<InProcess>,
    writer: &Writer,
    result: Result<(), AppendError>,
) -> PyResult<()> {
    if matches!(result, Ok(()) | Err(AppendError::SyncFailed { .. })) {
        process.appended();
    }
    result.map_err(|error| {
        let text = process.message(&error);
        match error {
            AppendError::Encode { .. } => EventError::new_err(text),
            AppendError::SyncFailed { .. } => {
                writer.reopen();
                SyncError::new_err(text)
            }
            _ => WriteError::new_err(text),
        }
    })
}
