//! The files in which the reports of a run stand.

use crate::difference::first_difference;
use crate::directory::{Directory, EntryStamp, Lock, SIZE_OF_ENTRY, is_temporary};
use crate::files_stamp::{Earlier, FilesStamp};
use crate::report_file::{
    ISSUES_DIR, ReportFile, final_name, is_issue_name, issue_names, metadata_name, run_reports,
    visit_issues,
};
use crate::run_state::RunState;
use retally_log::{
    COMPRESSED_SUFFIX, EVENTS_DIR, IssueId, LogError, LogStamp, RunId, SEGMENT_SUFFIX,
};
use rustix::fs::FileType;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// The longest standing file that is looked into for what differs; no report comes near.
const STANDING_BYTES_MAX: u64 = 1 << 30;

/// Why report files are not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A folder cannot be opened or made.
    #[error("cannot open `{}`", .path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A link, or a file, stands where a folder should.
    #[error("`{}` is a link or no folder (put a folder in its place)", .path.display())]
    NotAFolder {
        /// What stands there.
        path: PathBuf,
    },
    /// Somebody else keeps the run's folder locked.
    #[error("`{}` has been locked by another process for too long (end the retally that hangs)", .path.display())]
    Locked {
        /// The run's folder.
        path: PathBuf,
    },
    /// A file cannot be read, written or removed; what stood there still stands.
    #[error("cannot write `{}`", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What happens to a report file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// There was none.
    Created,
    /// It had other bytes, or was no regular file.
    Replaced,
    /// The log does not call for it.
    Removed,
}

impl ChangeKind {
    /// Returns the word that people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
        }
    }
}

/// A change of a report file, made or to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file, from the run's folder on.
    pub path: PathBuf,
    /// What happens to it.
    pub kind: ChangeKind,
    /// A JSON pointer to the first differing key, in order of the keys' names; `None` where
    /// nobody looked, or where one of the two is not there or is no JSON, or where they differ in
    /// nothing but form.
    pub first_difference: Option<String>,
}

/// The report files of one run.
///
/// Whoever writes them first [locks](Self::lock) the run's folder, then reads its log to the end,
/// and then writes: so no older state replaces a newer one, however many processes do this. Where
/// the file system has no locks, that holds once the writers of the log are quiet.
///
/// Never written, changed or removed: any file of another name, and anything in a folder that
/// holds no segments.
///
/// ```no_run
/// use retally_log::RunId;
/// use retally_reduce::{PriceBook, RunFiles, RunFold};
/// use std::path::Path;
/// use std::sync::Arc;
///
/// let (root, run_id) = (Path::new("logs/runs"), RunId::new("run_1")?);
/// let files = RunFiles::open(root, &run_id)?.lock()?;
/// let mut fold = RunFold::open(root, &run_id, Arc::new(PriceBook::built_in()))?;
/// fold.catch_up()?;
/// files.write(fold.state())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RunFiles {
    run_id: RunId,
    folder: Directory,
}

/// The report files of one run, in a folder that is locked until this is dropped.
#[derive(Debug)]
pub struct LockedRunFiles {
    files: RunFiles,
    /// `false` where the file system has no locks.
    is_exclusive: bool,
}

impl Drop for LockedRunFiles {
    fn drop(&mut self) {
        self.files.folder.unlock();
    }
}

impl RunFiles {
    /// Opens the folder of a run in a root.
    ///
    /// # Errors
    /// There is no such folder, or it is a link.
    pub fn open(root: &Path, run_id: &RunId) -> Result<Self, ReportError> {
        let path = root.join(run_id.as_str());
        let folder = Directory::open(path.clone()).map_err(|source| not_opened(path, source))?;
        let run_id = run_id.clone();
        Ok(Self { run_id, folder })
    }

    /// Locks the folder, waiting for others who do the same.
    ///
    /// # Errors
    /// Somebody holds the lock for longer than writing reports can take.
    pub fn lock(self) -> Result<LockedRunFiles, ReportError> {
        let lock = self.folder.lock();
        let path = self.folder.path().to_owned();
        self.locked(lock).ok_or(ReportError::Locked { path })
    }

    /// Locks the folder, or returns `None` where somebody else holds the lock.
    pub fn try_lock(self) -> Option<LockedRunFiles> {
        let lock = self.folder.try_lock();
        self.locked(lock)
    }

    fn locked(self, lock: Lock) -> Option<LockedRunFiles> {
        let is_exclusive = match lock {
            Lock::Held => true,
            Lock::Unsupported => false,
            Lock::Busy => return None,
        };
        Some(LockedRunFiles {
            files: self,
            is_exclusive,
        })
    }

    /// Returns what writing all reports would change, and changes nothing.
    ///
    /// # Errors
    /// A folder or a standing file cannot be read.
    pub fn compare(&self, state: &RunState) -> Result<Vec<Change>, ReportError> {
        self.assert_fits(state);
        if !self.has_segments()? {
            return Ok(Vec::new());
        }
        let issues = self.issues_folder(false)?;
        let compare = |report: ReportFile| {
            let folder = self.folder_of(&report, issues.as_ref());
            self.difference(folder, &report).transpose()
        };
        let issue_ids: Vec<_> = state.issue_ids().collect();
        let of_issues = visit_issues(state, &issue_ids, compare);
        let differences = of_issues.into_iter().chain(run_reports(state).map(compare));
        let mut changes: Vec<_> = differences.flatten().collect::<Result<_, _>>()?;
        for (folder, name) in self.uncalled(state, issues.as_ref())? {
            changes.push(self.change(folder, &name, ChangeKind::Removed, None));
        }
        Ok(changes)
    }

    /// Returns how the log of the run stands now, or `None` where it holds no segment.
    ///
    /// # Errors
    /// The folder of segments cannot be read.
    pub fn log_stamp(&self) -> Result<Option<LogStamp>, LogError> {
        LogStamp::in_run(self.folder.handle()).map_err(|source| {
            let path = self.folder.path().join(EVENTS_DIR);
            LogError::List { path, source }
        })
    }

    /// Returns how the files stand now.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn stamp(&self) -> Result<FilesStamp, ReportError> {
        self.stamp_before(&Earlier::new())
    }

    /// Returns how the files would stand now if some still stood as they did earlier.
    pub(crate) fn stamp_before(&self, earlier: &Earlier) -> Result<FilesStamp, ReportError> {
        let issues = self.issues_folder(false)?;
        let stamp = FilesStamp::of(&self.run_id, &self.folder, issues, earlier);
        stamp.map_err(|source| ReportError::Open {
            path: self.folder.path().to_owned(),
            source,
        })
    }

    /// A state of another run, or one that has to be folded again, must not reach a file.
    fn assert_fits(&self, state: &RunState) {
        assert_eq!(state.run_id(), &self.run_id, "the state is of this run");
        assert!(!state.is_stale(), "the state is not stale");
    }

    /// Returns whether the folder holds any segment; else it is none of our business.
    fn has_segments(&self) -> Result<bool, ReportError> {
        let events = match self.folder.open_child(EVENTS_DIR) {
            Ok(events) => events,
            Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::NotADirectory => {
                return Ok(false);
            }
            Err(source) => {
                let path = self.folder.path().join(EVENTS_DIR);
                return Err(ReportError::Open { path, source });
            }
        };
        let is_segment = |(name, kind): &(String, FileType)| {
            let is_named = name.ends_with(SEGMENT_SUFFIX) || name.ends_with(COMPRESSED_SUFFIX);
            is_named && !name.starts_with('.') && kind.is_file()
        };
        Ok(list(&events)?.iter().any(is_segment))
    }

    /// Opens the folder of the issues' files, or returns `None` where there is none and none is
    /// asked for.
    fn issues_folder(&self, create: bool) -> Result<Option<Directory>, ReportError> {
        let open = if create {
            Directory::create_child
        } else {
            Directory::open_child
        };
        match open_child(&self.folder, ISSUES_DIR, open) {
            Ok(folder) => Ok(Some(folder)),
            Err(ReportError::Open { source, .. }) if !create && is_absent(&source) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the folder of a report, or `None` where that is not there.
    fn folder_of<'d>(
        &'d self,
        report: &ReportFile,
        issues: Option<&'d Directory>,
    ) -> Option<&'d Directory> {
        if report.is_issues {
            issues
        } else {
            Some(&self.folder)
        }
    }

    /// Returns how a standing file differs from a report, or `None` where it does not.
    fn difference(
        &self,
        folder: Option<&Directory>,
        report: &ReportFile,
    ) -> Result<Option<Change>, ReportError> {
        let Some(folder) = folder else {
            let path = report.path();
            return Ok(Some(Change {
                path,
                kind: ChangeKind::Created,
                first_difference: None,
            }));
        };
        let failed = |source| write_error(folder, &report.name, source);
        if folder.holds(&report.name, &report.bytes).map_err(failed)? {
            return Ok(None);
        }
        let Some(kind) = folder.kind_of(&report.name).map_err(failed)? else {
            return Ok(Some(self.change(
                folder,
                &report.name,
                ChangeKind::Created,
                None,
            )));
        };
        let mut pointer = String::new();
        if kind.is_file()
            && let Some((file, _)) = folder.open_file(&report.name).map_err(failed)?
        {
            let mut standing = Vec::new();
            let mut file = file.take(STANDING_BYTES_MAX);
            file.read_to_end(&mut standing).map_err(failed)?;
            pointer = first_difference(&standing, &report.bytes);
        }
        let pointer = Some(pointer).filter(|pointer| !pointer.is_empty());
        Ok(Some(self.change(
            folder,
            &report.name,
            ChangeKind::Replaced,
            pointer,
        )))
    }

    fn change(
        &self,
        folder: &Directory,
        name: &str,
        kind: ChangeKind,
        first_difference: Option<String>,
    ) -> Change {
        let below_run = folder.path().strip_prefix(self.folder.path());
        Change {
            path: below_run.unwrap_or(Path::new("")).join(name),
            kind,
            first_difference,
        }
    }

    /// Returns the standing files of our patterns that the log does not call for.
    fn uncalled<'d>(
        &'d self,
        state: &RunState,
        issues: Option<&'d Directory>,
    ) -> Result<Vec<(&'d Directory, String)>, ReportError> {
        let mut uncalled = Vec::new();
        let of_run = [
            (metadata_name(&self.run_id), state.has_events()),
            (final_name(&self.run_id), state.has_ended()),
        ];
        for (name, is_called_for) in of_run {
            let failed = |source| write_error(&self.folder, &name, source);
            let kind = self.folder.kind_of(&name).map_err(failed)?;
            if !is_called_for && kind.is_some_and(|kind| !kind.is_dir()) {
                uncalled.push((&self.folder, name));
            }
        }
        let Some(issues) = issues else {
            return Ok(uncalled);
        };
        let called_for: BTreeSet<String> = issue_names(state).collect();
        for (name, kind) in list(issues)? {
            if is_issue_name(&name) && !kind.is_dir() && !called_for.contains(&name) {
                uncalled.push((issues, name));
            }
        }
        if state.is_stale() {
            uncalled.clear(); // it is not known what is called for
        }
        Ok(uncalled)
    }
}

impl LockedRunFiles {
    /// Returns how the log of the run stands now, or `None` where it holds no segment.
    ///
    /// # Errors
    /// The folder of segments cannot be read.
    pub fn log_stamp(&self) -> Result<Option<LogStamp>, LogError> {
        self.files.log_stamp()
    }

    /// Returns how the files stand now.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn stamp(&self) -> Result<FilesStamp, ReportError> {
        self.files.stamp()
    }

    /// Brings all report files to what the state says, and returns what that changed.
    ///
    /// # Errors
    /// The first file that could not be written; all others were.
    pub fn write(&self, state: &RunState) -> Result<Vec<Change>, ReportError> {
        if !self.files.has_segments()? {
            return Ok(Vec::new());
        }
        let issue_ids: Vec<_> = state.issue_ids().collect();
        let mut changes = self.write_reports(state, &issue_ids, true, None)?;
        let issues = self.files.issues_folder(false)?;
        for (folder, name) in self.files.uncalled(state, issues.as_ref())? {
            let removed = folder.remove(&name);
            removed.map_err(|source| write_error(folder, &name, source))?;
            changes.push(self.files.change(folder, &name, ChangeKind::Removed, None));
        }
        self.remove_temporaries(issues.as_ref())?;
        Ok(changes)
    }

    /// Writes the reports of some issues and, where that is asked for, of the run, and returns what
    /// that changed. That is enough where all others were written before, from an earlier state of
    /// the same fold. Where it is wanted, `earlier` gets how the files stood whose first change this
    /// is.
    ///
    /// # Errors
    /// The first file that could not be written; all others were.
    pub(crate) fn write_changed(
        &self,
        state: &RunState,
        changed: &BTreeSet<IssueId<'static>>,
        writes_run: bool,
        earlier: Option<&mut Earlier>,
    ) -> Result<Vec<Change>, ReportError> {
        let issue_ids: Vec<_> = changed.iter().collect();
        self.write_reports(state, &issue_ids, writes_run, earlier)
    }

    /// Returns the handle of the run's folder.
    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.files.folder.handle()
    }

    /// Returns how the files would stand now if some still stood as they did earlier.
    pub(crate) fn stamp_before(&self, earlier: &Earlier) -> Result<FilesStamp, ReportError> {
        self.files.stamp_before(earlier)
    }

    /// Removes what died writers left in the folders of the reports.
    pub(crate) fn remove_left_overs(&self) -> Result<(), ReportError> {
        self.remove_temporaries(self.files.issues_folder(false)?.as_ref())
    }

    fn write_reports(
        &self,
        state: &RunState,
        issue_ids: &[&IssueId<'static>],
        writes_run: bool,
        mut earlier: Option<&mut Earlier>,
    ) -> Result<Vec<Change>, ReportError> {
        self.files.assert_fits(state);
        let issues = self.files.issues_folder(!issue_ids.is_empty())?;
        let write = |report: ReportFile| {
            let folder = self.files.folder_of(&report, issues.as_ref())?;
            let written = write_report(folder, &report);
            let changed = |(kind, stamp)| {
                let change = Change {
                    path: report.path(),
                    kind,
                    first_difference: None,
                };
                (change, stamp)
            };
            let changed = written.map(|written| written.map(changed));
            changed
                .map_err(|source| write_error(folder, &report.name, source))
                .transpose()
        };
        let of_issues = visit_issues(state, issue_ids, write);
        let of_run = writes_run.then(|| run_reports(state));
        let of_run: Vec<_> = of_run.into_iter().flatten().map(write).collect();
        let written = of_issues.into_iter().chain(of_run).flatten();
        let written: Vec<_> = written.collect::<Result<_, _>>()?;
        let mut changes = Vec::with_capacity(written.len());
        for (change, stamp) in written {
            if let Some(earlier) = &mut earlier {
                earlier.entry(change.path.clone()).or_insert(stamp);
            }
            changes.push(change);
        }
        Ok(changes)
    }

    /// Removes what died writers left behind. Without a lock, such a file may be one that is
    /// written right now.
    fn remove_temporaries(&self, issues: Option<&Directory>) -> Result<(), ReportError> {
        if !self.is_exclusive {
            return Ok(());
        }
        for folder in [Some(&self.files.folder), issues].into_iter().flatten() {
            for (name, kind) in list(folder)? {
                if is_temporary(&name) && kind.is_file() {
                    let removed = folder.remove(&name);
                    removed.map_err(|source| write_error(folder, &name, source))?;
                }
            }
        }
        Ok(())
    }
}

/// Writes a report where other bytes stand, and returns what that did and how what stood there
/// did.
fn write_report(
    folder: &Directory,
    report: &ReportFile,
) -> io::Result<Option<(ChangeKind, Option<EntryStamp>)>> {
    let standing = folder.stamp_of(&report.name)?;
    let is_as_long = |stamp: &EntryStamp| stamp[SIZE_OF_ENTRY] == report.bytes.len() as i128;
    if standing.as_ref().is_some_and(is_as_long) && folder.holds(&report.name, &report.bytes)? {
        return Ok(None);
    }
    folder.replace(&report.name, &report.bytes)?;
    let kind = match standing {
        Some(_) => ChangeKind::Replaced,
        None => ChangeKind::Created,
    };
    Ok(Some((kind, standing)))
}

fn open_child(
    parent: &Directory,
    name: &str,
    open: fn(&Directory, &str) -> io::Result<Directory>,
) -> Result<Directory, ReportError> {
    open(parent, name).map_err(|source| {
        let path = parent.path().join(name);
        not_opened(path, source)
    })
}

fn not_opened(path: PathBuf, source: io::Error) -> ReportError {
    match source.kind() {
        io::ErrorKind::NotADirectory => ReportError::NotAFolder { path },
        _ => ReportError::Open { path, source },
    }
}

fn list(folder: &Directory) -> Result<Vec<(String, FileType)>, ReportError> {
    folder.entries().map_err(|source| ReportError::Open {
        path: folder.path().to_owned(),
        source,
    })
}

fn write_error(folder: &Directory, name: &str, source: io::Error) -> ReportError {
    let path = folder.path().join(name);
    ReportError::Write { path, source }
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[cfg(test)]
mod tests;
