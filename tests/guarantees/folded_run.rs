//! A run whose reports a proof compares.

use retally_log::{Root, RunDir, RunId};
use retally_reduce::{PriceBook, RunFold, RunState, to_json_bytes};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A run in a folder that goes when this does: in memory where the system has such a folder.
pub(crate) struct FoldedRun {
    folder: tempfile::TempDir,
    pub(crate) run: RunDir,
}

impl FoldedRun {
    pub(crate) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir());
        let folder = folder.expect("a folder");
        let id = RunId::new("run_1").expect("an id");
        let run = Root::new(folder.path()).create_run(&id).expect("created");
        Self { folder, run }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.run.events_path().join(file)
    }

    pub(crate) fn write(&self, file: &str, bytes: &[u8]) {
        std::fs::write(self.path(file), bytes).expect("written");
    }

    pub(crate) fn fold(&self) -> RunFold {
        let prices = Arc::new(PriceBook::built_in());
        RunFold::open(self.folder.path(), self.run.id(), prices).expect("the log opens")
    }

    /// Returns what a rebuild says of the run.
    pub(crate) fn reports(&self) -> String {
        let mut fold = self.fold();
        fold.catch_up().expect("the log is readable");
        reports(fold.state())
    }
}

/// All that can be said of a run, as the bytes of its files.
pub(crate) fn reports(state: &RunState) -> String {
    let mut all = to_json_bytes(&state.metadata());
    all.extend(to_json_bytes(&state.run_report()));
    for issue in state.issue_ids() {
        let report = state.issue_report(issue).expect("the issue is known");
        all.extend(to_json_bytes(&report));
    }
    String::from_utf8(all).expect("reports are UTF-8")
}
