use crate::segment_file;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;
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
        let files = segment_file::list(events_dir)?;
        let mut hasher = Sha256::new();
        for file in &files {
            hasher.update(file.name.as_bytes());
            hasher.update([0]);
            hasher.update(file.stamp.to_bytes());
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize()[..16]);
        let modified = files.iter().map(|file| file.stamp.modified_seconds());
        Ok(modified.max().map(|modified_seconds| Self {
            digest,
            modified_seconds,
        }))
    }

    /// Returns when a segment was last written to, in seconds since 1970, by the clock of the file
    /// system.
    pub fn modified_seconds(&self) -> i64 {
        self.modified_seconds
    }
}
