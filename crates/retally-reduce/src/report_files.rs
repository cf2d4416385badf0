use crate::folder::{Folder, is_temporary};
use crate::report_json::to_json_bytes;
use crate::run_state::RunState;
use retally_log::{IssueId, RunDir, file_stem};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The folder of a run that holds the reports of its issues.
const ISSUES_DIR: &str = "issues";

/// How long another process may hold the run's folder, and how often is looked whether it does.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(30);
const LOCK_POLL: Duration = Duration::from_millis(5);

/// The report files of a run, in its folder.
///
/// They are written under a lock of the folder, each at once, and only where bytes changed.
pub struct ReportFiles {
    path: PathBuf,
    run_id: String,
    folder: Folder,
    /// Held until it is dropped; `None` where the file system has no locks, or none was asked for.
    lock: Option<File>,
}

/// Whether report files are brought up to date or only compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Files are written and removed.
    Write,
    /// Nothing is changed.
    DryRun,
}

/// Why report files cannot be written. What stood before still stands.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportFilesError {
    /// A folder or file cannot be read or written.
    #[error("cannot {action} `{}` (check permissions and free space)", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The folder or file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process holds the run's folder.
    #[error(
        "another process has been writing reports in `{}` for {} s (end it, or try again)",
        .path.display(), LOCK_WAIT_MAX.as_secs()
    )]
    Locked {
        /// The run's folder.
        path: PathBuf,
    },
}

/// A report file that is not what the log calls for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The file, relative to the run's folder.
    pub file: String,
    /// In what way.
    pub kind: DifferenceKind,
}

/// In what way a report file is not what the log calls for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DifferenceKind {
    /// It is not there.
    Missing,
    /// It should not be there.
    Extra,
    /// It is no JSON: cut, or changed by hand.
    Unreadable,
    /// It says something else.
    Value {
        /// The first key that differs, as a JSON pointer (RFC 6901).
        pointer: String,
        /// The JSON that stands there; empty where the key is missing.
        got: String,
        /// The JSON that the log calls for; empty where it calls for no such key.
        want: String,
    },
    /// It says the same in other bytes: other white space or order.
    Bytes,
}

/// Reads as `missing`, or as `/duration_seconds is 3.0, the log says 4.0`.
impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Extra => f.write_str("the log calls for no such file"),
            Self::Unreadable => f.write_str("no JSON"),
            Self::Bytes => f.write_str("the same values in other bytes"),
            Self::Value { pointer, got, want } => match (got.is_empty(), want.is_empty()) {
                (true, _) => write!(f, "{pointer} is missing, the log says {want}"),
                (_, true) => write!(f, "{pointer} is {got}, the log says nothing of it"),
                _ => write!(f, "{pointer} is {got}, the log says {want}"),
            },
        }
    }
}

impl ReportFiles {
    /// Opens the folder of a run, and holds its lock where files are to be written.
    ///
    /// # Errors
    /// The folder cannot be opened, or another process holds it for too long.
    pub fn open(run: &RunDir, mode: Mode) -> Result<Self, ReportFilesError> {
        let path = run.path().to_owned();
        let failed = |source| ReportFilesError::Io {
            action: "open",
            path: path.clone(),
            source,
        };
        let folder = Folder::open(&path).map_err(failed)?;
        let mut files = Self {
            run_id: run.id().to_string(),
            folder,
            lock: None,
            path: path.clone(),
        };
        if mode == Mode::Write {
            files.lock = files.lock_folder()?;
        }
        Ok(files)
    }

    /// Brings all report files of the run to what the state says, or compares them.
    ///
    /// # Errors
    /// The first file that cannot be read or written; those before it are done.
    pub fn bring_up_to_date(
        &self,
        state: &RunState,
        mode: Mode,
    ) -> Result<Vec<Difference>, ReportFilesError> {
        let mut differences = Vec::new();
        self.run_files(state, mode, &mut differences)?;
        self.issue_files(state, mode, &mut differences)?;
        Ok(differences)
    }

    /// The files of the run itself.
    fn run_files(
        &self,
        state: &RunState,
        mode: Mode,
        differences: &mut Vec<Difference>,
    ) -> Result<(), ReportFilesError> {
        let step = Step {
            files: self,
            folder: &self.folder,
            prefix: "",
            mode,
        };
        let metadata = format!("{}_metadata.json", self.run_id);
        let last = format!("{}_final.json", self.run_id);
        let is_wanted = state.has_events();
        differences.extend(match is_wanted {
            true => step.put(&metadata, &to_json_bytes(&state.metadata()))?,
            false => step.clear(&metadata)?,
        });
        differences.extend(match is_wanted && state.has_ended() {
            true => step.put(&last, &to_json_bytes(&state.run_report()))?,
            false => step.clear(&last)?,
        });
        step.remove_temporary()
    }

    /// The files of all issues; those of issues that no event names are removed.
    fn issue_files(
        &self,
        state: &RunState,
        mode: Mode,
        differences: &mut Vec<Difference>,
    ) -> Result<(), ReportFilesError> {
        let open = || match (mode, state.issue_ids().next()) {
            (Mode::Write, Some(_)) => self.folder.create_subfolder(ISSUES_DIR).map(Some),
            _ => self.folder.subfolder(ISSUES_DIR),
        };
        let opened = open().map_err(|source| self.failed("open", ISSUES_DIR, source))?;
        let Some(folder) = opened else {
            let names = state.issue_ids().flat_map(|id| wanted_names(state, id));
            differences.extend(names.map(|name| Difference {
                file: format!("{ISSUES_DIR}/{name}"),
                kind: DifferenceKind::Missing,
            }));
            return Ok(());
        };
        let step = Step {
            files: self,
            folder: &folder,
            prefix: "issues/",
            mode,
        };
        let mut wanted = BTreeSet::new();
        for id in state.issue_ids() {
            let Some(report) = state.issue_report(id) else {
                continue;
            };
            let bytes = to_json_bytes(&report);
            for name in wanted_names(state, id) {
                differences.extend(step.put(&name, &bytes)?);
                wanted.insert(name);
            }
        }
        for name in step.names()? {
            if is_issue_file(&name) && !wanted.contains(&name) {
                differences.extend(step.clear(&name)?);
            }
        }
        step.remove_temporary()
    }

    /// Waits for the lock of the folder; `None` where the file system has no locks.
    fn lock_folder(&self) -> Result<Option<File>, ReportFilesError> {
        let file = self
            .folder
            .to_file()
            .map_err(|source| self.failed("lock", "", source))?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::Error(_)) => return Ok(None),
                Err(TryLockError::WouldBlock) if waited >= LOCK_WAIT_MAX => {
                    return Err(ReportFilesError::Locked {
                        path: self.path.clone(),
                    });
                }
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(LOCK_POLL);
                    waited += LOCK_POLL;
                }
            }
        }
    }

    fn failed(&self, action: &'static str, file: &str, source: io::Error) -> ReportFilesError {
        ReportFilesError::Io {
            action,
            path: self.path.join(file),
            source,
        }
    }
}

/// Returns the names of the files that an issue has.
fn wanted_names(state: &RunState, id: &IssueId<'_>) -> impl Iterator<Item = String> + use<> {
    let stem = file_stem(id.as_str());
    let report = state
        .has_issue_ended(id)
        .then(|| format!("issue_{stem}_report.json"));
    std::iter::once(format!("issue_{stem}_metrics.json")).chain(report)
}

fn is_issue_file(name: &str) -> bool {
    name.starts_with("issue_")
        && (name.ends_with("_metrics.json") || name.ends_with("_report.json"))
}

/// What is done in one folder.
struct Step<'s> {
    files: &'s ReportFiles,
    folder: &'s Folder,
    /// What leads from the run's folder to this one.
    prefix: &'static str,
    mode: Mode,
}

impl Step<'_> {
    /// Makes a file have this content.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<Option<Difference>, ReportFilesError> {
        let found = self
            .folder
            .read(name)
            .map_err(|error| self.failed("read", name, error))?;
        if found.as_deref() == Some(bytes) {
            return Ok(None);
        }
        if self.mode == Mode::Write {
            let replaced = self.folder.replace(name, bytes);
            replaced.map_err(|error| self.failed("write", name, error))?;
        }
        let kind = found.map_or(DifferenceKind::Missing, |found| compare(&found, bytes));
        Ok(Some(self.difference(name, kind)))
    }

    /// Makes a file be not there.
    fn clear(&self, name: &str) -> Result<Option<Difference>, ReportFilesError> {
        if !self.names()?.iter().any(|found| found == name) {
            return Ok(None);
        }
        if self.mode == Mode::Write {
            self.folder
                .remove(name)
                .map_err(|error| self.failed("remove", name, error))?;
        }
        Ok(Some(self.difference(name, DifferenceKind::Extra)))
    }

    /// Removes what writers left behind that were killed; under the lock nobody else is at it.
    fn remove_temporary(&self) -> Result<(), ReportFilesError> {
        if self.files.lock.is_none() {
            return Ok(());
        }
        for name in self.names()?.iter().filter(|name| is_temporary(name)) {
            self.folder
                .remove(name)
                .map_err(|error| self.failed("remove", name, error))?;
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, ReportFilesError> {
        self.folder
            .names()
            .map_err(|error| self.failed("list", "", error))
    }

    fn difference(&self, name: &str, kind: DifferenceKind) -> Difference {
        Difference {
            file: format!("{}{name}", self.prefix),
            kind,
        }
    }

    fn failed(&self, action: &'static str, name: &str, source: io::Error) -> ReportFilesError {
        self.files
            .failed(action, &format!("{}{name}", self.prefix), source)
    }
}

fn compare(found: &[u8], wanted: &[u8]) -> DifferenceKind {
    let (Ok(found), Ok(wanted)) = (
        serde_json::from_slice(found),
        serde_json::from_slice(wanted),
    ) else {
        return DifferenceKind::Unreadable;
    };
    first_difference(&found, &wanted, String::new()).unwrap_or(DifferenceKind::Bytes)
}

/// Returns the first place, in the order of the keys, in which two reports differ.
fn first_difference(found: &Value, wanted: &Value, pointer: String) -> Option<DifferenceKind> {
    let differ =
        |found: Option<&Value>, wanted: Option<&Value>, pointer: String| match (found, wanted) {
            (Some(found), Some(wanted)) => first_difference(found, wanted, pointer),
            (found, wanted) => Some(DifferenceKind::Value {
                pointer,
                got: found.map(shortened).unwrap_or_default(),
                want: wanted.map(shortened).unwrap_or_default(),
            }),
        };
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            let keys: BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
            keys.into_iter().find_map(|key| {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                differ(
                    found.get(key),
                    wanted.get(key),
                    format!("{pointer}/{escaped}"),
                )
            })
        }
        (Value::Array(found), Value::Array(wanted)) => (0..found.len().max(wanted.len()))
            .find_map(|at| differ(found.get(at), wanted.get(at), format!("{pointer}/{at}"))),
        _ if found == wanted => None,
        _ => Some(DifferenceKind::Value {
            pointer,
            got: shortened(found),
            want: shortened(wanted),
        }),
    }
}

fn shortened(value: &Value) -> String {
    const CHARS_MAX: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
