//! Report files that are known without being read.

use crate::files_stamp::{Earlier, FilesStamp};
use crate::report_files::{Change, LockedRunFiles, ReportError};
use crate::run_state::RunState;
use retally_log::IssueId;
use std::collections::BTreeSet;

/// Which report files stand as they did when they were those of an earlier state of a fold, and
/// which were written since.
#[derive(Debug)]
pub(crate) struct KnownFiles {
    /// How all files stood then.
    stamp: FilesStamp,
    /// How those stood that were written since.
    earlier: Earlier,
    /// The issues whose files may have been written since.
    issues: BTreeSet<IssueId<'static>>,
    /// Whether it is known that nobody touched the files before they were first written.
    is_checked: bool,
}

impl KnownFiles {
    pub(crate) fn new(stamp: FilesStamp) -> Self {
        Self {
            stamp,
            earlier: Earlier::new(),
            issues: BTreeSet::new(),
            is_checked: false,
        }
    }

    /// Writes the reports of changed issues and, where that is asked for, of the run, and returns
    /// what that changed, and whether nobody touched any other file; else all are to be compared.
    pub(crate) fn write(
        &mut self,
        files: &LockedRunFiles,
        state: &RunState,
        changed: BTreeSet<IssueId<'static>>,
        writes_run: bool,
    ) -> Result<(Vec<Change>, bool), ReportError> {
        let changes = files.write_changed(state, &changed, writes_run, Some(&mut self.earlier))?;
        self.issues.extend(changed);
        // Only now, for it takes long where files are many, and somebody waits for the changed.
        if !self.is_checked {
            self.is_checked = self.stands(files)?;
        }
        Ok((changes, self.is_checked))
    }

    /// Compares the reports that were written since, and returns what
    /// [`write`](Self::write) does, told anew.
    pub(crate) fn settle(
        &mut self,
        files: &LockedRunFiles,
        state: &RunState,
    ) -> Result<(Vec<Change>, bool), ReportError> {
        let stands = self.stands(files)?;
        let changes = files.write_changed(state, &self.issues, true, Some(&mut self.earlier))?;
        files.remove_left_overs()?;
        Ok((changes, stands))
    }

    fn stands(&self, files: &LockedRunFiles) -> Result<bool, ReportError> {
        Ok(files.stamp_before(&self.earlier)? == self.stamp)
    }
}
