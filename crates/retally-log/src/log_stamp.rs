use crate::segment_file::{self, FileStamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// How the segments of a run stood at a moment: equal stamps mean that nobody touched them since.
///
/// Made from one listing, of names, sizes, times and inode numbers; no segment is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStamp {
    digest: [u8; 16],
    modified_seconds: i64,
}

impl LogStamp {
    /// Returns the stamp of an `events/` folder, or `None` where that holds no segment.
    pub(crate) fn of(events_dir: &Path) -> io::Result<Option<Self>> {
        Ok(Self::of_files(&segment_file::list_stamps(events_dir)?))
    }

    /// Returns the stamp of the log in the open folder of a run, or `None` where that holds no
    /// segment.
    ///
    /// # Errors
    /// The folder of segments cannot be read.
    pub fn in_run(folder: impl AsFd) -> io::Result<Option<Self>> {
        Ok(Self::of_files(&segment_file::list_stamps_in(
            folder.as_fd(),
        )?))
    }

    fn of_files(files: &[(String, FileStamp)]) -> Option<Self> {
        let mut hasher = Sha256::new();
        for (name, stamp) in files {
            hasher.update(name.as_bytes());
            hasher.update([0]);
            hasher.update(stamp.to_bytes());
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize()[..16]);
        let modified = files.iter().map(|(_, stamp)| stamp.modified_seconds());
        modified.max().map(|modified_seconds| Self {
            digest,
            modified_seconds,
        })
    }

    /// Returns when a segment was last written to, in seconds since 1970, by the clock of the file
    /// system.
    pub fn modified_seconds(&self) -> i64 {
        self.modified_seconds
    }
}
