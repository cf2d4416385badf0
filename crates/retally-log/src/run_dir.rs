use crate::format::EVENTS_DIR;
use crate::position::SegmentId;
use crate::run_id::RunId;
use crate::segment_lines;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    id: RunId,
    path: PathBuf,
}

impl RunDir {
    pub(crate) fn new(root: &Path, id: RunId) -> Self {
        let path = root.join(id.as_str());
        Self { id, path }
    }

    /// Returns the run's id.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// Returns the folder, which may not exist.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder of the run's segments, which may not exist.
    pub fn events_path(&self) -> PathBuf {
        self.path.join(EVENTS_DIR)
    }

    /// Counts the lines of each segment, as `run.finished` states them.
    ///
    /// That is the greatest number of a line plus one where lines bear numbers, else the count of
    /// whole lines. A segment that cannot be read is left out.
    ///
    /// # Errors
    /// The folder of segments cannot be read.
    pub fn segment_lines(&self) -> io::Result<BTreeMap<SegmentId, u64>> {
        segment_lines::count_all(&self.events_path())
    }

    /// Returns whether the run's folder is one for segments; links are not followed.
    pub(crate) fn is_run(&self) -> bool {
        let is_folder = |path: &Path| path.symlink_metadata().is_ok_and(|facts| facts.is_dir());
        is_folder(&self.path) && is_folder(&self.events_path())
    }
}
