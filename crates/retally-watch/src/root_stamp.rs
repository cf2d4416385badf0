//! How a root stood when it was last looked at.

use retally_reduce::PRICES_FILE;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Equal stamps mean that no run came or went, and that nobody touched the price book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RootStamp {
    /// Which folder it is; `None` where there is none.
    pub(crate) folder: Option<FileStamp>,
    /// `None` where there is no price book of the root's own.
    pub(crate) prices: Option<FileStamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileStamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    bytes: u64,
    modified_seconds: i64,
    modified_nanos: i64,
}

impl RootStamp {
    pub(crate) fn of(root: &Path) -> Self {
        Self {
            folder: FileStamp::of(root),
            prices: FileStamp::of(&root.join(PRICES_FILE)),
        }
    }

    /// Returns whether another folder stands in the place of this one.
    pub(crate) fn is_other_folder(&self, other: &Self) -> bool {
        let identity = |stamp: &Self| stamp.folder.map(|it| (it.device, it.inode));
        identity(self) != identity(other)
    }
}

impl FileStamp {
    fn of(path: &Path) -> Option<Self> {
        let facts = std::fs::metadata(path).ok()?;
        Some(Self {
            device: facts.dev(),
            inode: facts.ino(),
            bytes: facts.len(),
            modified_seconds: facts.mtime(),
            modified_nanos: facts.mtime_nsec(),
        })
    }
}
