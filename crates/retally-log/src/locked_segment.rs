use crate::format::SEGMENT_SUFFIX;
use crate::group_commit::GroupCommit;
use crate::position::SegmentId;
use crate::storage::{SegmentHandle, Storage};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An open segment whose lock is ours. Dropping it releases the lock.
pub(crate) struct LockedSegment {
    pub(crate) id: SegmentId,
    pub(crate) path: PathBuf,
    pub(crate) file: Box<dyn SegmentHandle>,
    pub(crate) commit: GroupCommit,
    /// Whether the segment's name survives power loss, and those of its folders.
    is_name_synced: AtomicBool,
}

impl LockedSegment {
    pub(crate) fn new(id: SegmentId, path: PathBuf, file: Box<dyn SegmentHandle>) -> Self {
        Self {
            id,
            path,
            file,
            commit: GroupCommit::default(),
            is_name_synced: AtomicBool::new(false),
        }
    }

    /// Returns once the first `bytes` of the segment survive power loss.
    pub(crate) fn settle(&self, storage: &dyn Storage, bytes: u64) -> Result<(), Arc<io::Error>> {
        self.commit.settle(bytes, || {
            self.file.sync_data()?;
            self.sync_name(storage)
        })
    }

    fn sync_name(&self, storage: &dyn Storage) -> io::Result<()> {
        /// The folder of segments, the run's, and the root.
        const FOLDERS: usize = 3;
        if self.is_name_synced.load(Ordering::Relaxed) {
            return Ok(());
        }
        for folder in self.path.ancestors().skip(1).take(FOLDERS) {
            storage.sync_dir(folder)?;
        }
        self.is_name_synced.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Returns the path of a segment.
pub(crate) fn segment_path(events_dir: &Path, id: &SegmentId) -> PathBuf {
    events_dir.join(format!("{id}{SEGMENT_SUFFIX}"))
}
