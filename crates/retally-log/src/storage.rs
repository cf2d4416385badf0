//! All that a writer asks of the file system, so that tests can let any of it fail.

use crate::folder::Folder;
use crate::segment_file::{self, SegmentFile};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// A file system that holds segments, at paths of a root, a run, its `events/` and a name. No link
/// below the root is followed, whenever it took its place.
pub(crate) trait Storage: Send + Sync {
    /// Returns the segments of a folder, sorted by name.
    fn list(&self, events_dir: &Path) -> io::Result<Vec<SegmentFile>>;

    /// Returns what a path names, if only for a moment; a link in its place is not followed.
    fn facts(&self, path: &Path) -> io::Result<FileFacts>;

    /// Opens an existing file to append to it; a link is not followed.
    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentHandle>>;

    /// Creates a file to append to it; there must be none of that name.
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentHandle>>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder survive power loss.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// A file that is open to append. Dropping it releases its lock; nothing else does.
pub(crate) trait SegmentHandle: Send + Sync {
    /// Takes the exclusive lock, or returns false where another holds it. An error means that
    /// there is no telling whether somebody holds it.
    fn try_lock(&self) -> io::Result<bool>;

    /// Returns what is open.
    fn facts(&self) -> io::Result<FileFacts>;

    /// Fills the buffer from `offset` on.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Appends with one system call, and returns how many bytes it took.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Makes what was appended survive power loss.
    fn sync_data(&self) -> io::Result<()>;
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileFacts {
    pub(crate) inode: u64,
    pub(crate) device: u64,
    pub(crate) bytes: u64,
    /// How many names it has; none once it is removed.
    pub(crate) links: u64,
    /// Whose it is.
    pub(crate) owner: u32,
    pub(crate) is_regular: bool,
    pub(crate) is_folder: bool,
}

impl FileFacts {
    /// Returns whether both are one file, whatever its size.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (self.inode, self.device) == (other.inode, other.device)
    }
}

impl From<Metadata> for FileFacts {
    fn from(metadata: Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            device: metadata.dev(),
            bytes: metadata.len(),
            links: metadata.nlink(),
            owner: metadata.uid(),
            is_regular: metadata.is_file(),
            is_folder: metadata.is_dir(),
        }
    }
}

/// The file system of the machine.
pub(crate) struct SystemStorage;

impl Storage for SystemStorage {
    fn list(&self, events_dir: &Path) -> io::Result<Vec<SegmentFile>> {
        segment_file::list(events_dir)
    }

    fn facts(&self, path: &Path) -> io::Result<FileFacts> {
        std::fs::symlink_metadata(path).map(FileFacts::from)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentHandle>> {
        let (folder, name) = Folder::of_segment(path)?;
        Ok(Box::new(folder.open_to_append(name)?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentHandle>> {
        let (folder, name) = Folder::of_segment(path)?;
        Ok(Box::new(folder.create_file(name)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (folder, name) = Folder::of_segment(path)?;
        folder.remove_file(name)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // Nothing is read or changed where a link leads elsewhere, and a FIFO does not block.
        let flags = (OFlags::DIRECTORY | OFlags::NONBLOCK).bits().cast_signed();
        let folder = OpenOptions::new().read(true).custom_flags(flags).open(path);
        match folder.and_then(|folder| folder.sync_all()) {
            // Some network file systems keep names in another way, and cannot sync a folder; one
            // that we may use and not list cannot be synced by us.
            Err(error) if is_refused(&error) => Ok(()),
            result => result,
        }
    }
}

fn is_refused(error: &io::Error) -> bool {
    let refusals = [Errno::INVAL, Errno::NOTSUP, Errno::ACCESS];
    Errno::from_io_error(error).is_some_and(|errno| refusals.contains(&errno))
}

impl SegmentHandle for File {
    fn try_lock(&self) -> io::Result<bool> {
        match Self::try_lock(self) {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn facts(&self) -> io::Result<FileFacts> {
        self.metadata().map(FileFacts::from)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&mut &*self).write(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }
}
