//! A folder whose entries are reached without following a link.

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An open folder. Its entries are reached through its handle, so that nobody can put a link in
/// between, and no entry is followed that is a link itself.
#[derive(Debug)]
pub(crate) struct Directory {
    handle: File,
    path: PathBuf,
}

/// The device, inode, size and times of an entry.
pub(crate) type EntryStamp = [i128; 7];
/// Where the size stands in that.
pub(crate) const SIZE_OF_ENTRY: usize = 2;

/// How the names of our temporary files begin and end.
const TEMPORARY_PREFIX: &str = ".retally-";
const TEMPORARY_SUFFIX: &str = ".tmp";

/// How many temporary names are tried; only files that a dead process of our number left behind,
/// or that another host's writes now, can stand in the way.
const TEMPORARY_NAMES_MAX: u32 = 1000;

/// How long a lock is waited for. Whoever holds it writes reports, which takes seconds; one that
/// holds it longer hangs.
const LOCK_WAIT: Duration = Duration::from_secs(30);
const LOCK_POLL: Duration = Duration::from_millis(10);

/// What became of the wish for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// The folder is locked until it is [unlocked](Directory::unlock), or its handle closed.
    Held,
    /// The file system has no locks.
    Unsupported,
    /// Somebody else holds it.
    Busy,
}

impl Directory {
    /// Opens a folder by its path, in which links are followed but for its last name.
    ///
    /// # Errors
    /// Those of [`open_child`](Self::open_child).
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let handle = open_at(CWD, &path)?;
        Ok(Self { handle, path })
    }

    /// Opens a folder in this one.
    ///
    /// # Errors
    /// `NotFound` where there is nothing of this name, `NotADirectory` where it is a link or no
    /// folder.
    pub(crate) fn open_child(&self, name: &str) -> io::Result<Self> {
        let handle = open_at(&self.handle, Path::new(name))?;
        let path = self.path.join(name);
        Ok(Self { handle, path })
    }

    /// Opens a folder in this one, and makes it where there is none.
    pub(crate) fn create_child(&self, name: &str) -> io::Result<Self> {
        match self.open_child(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        match rustix::fs::mkdirat(&self.handle, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => self.open_child(name),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the path under which the folder was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder's handle.
    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Locks the folder against everybody else who does, until it is dropped.
    pub(crate) fn lock(&self) -> Lock {
        let mut waited = Duration::ZERO;
        loop {
            let lock = self.try_lock();
            if lock != Lock::Busy || waited >= LOCK_WAIT {
                return lock;
            }
            std::thread::sleep(LOCK_POLL);
            waited += LOCK_POLL;
        }
    }

    /// Does what [`lock`](Self::lock) does, but waits for nobody.
    pub(crate) fn try_lock(&self) -> Lock {
        match self.handle.try_lock() {
            Ok(()) => Lock::Held,
            Err(TryLockError::Error(_)) => Lock::Unsupported,
            Err(TryLockError::WouldBlock) => Lock::Busy,
        }
    }

    /// Returns what a forked child has.
    #[cfg(test)]
    pub(crate) fn copy_of_handle(&self) -> File {
        self.handle.try_clone().expect("a handle")
    }

    /// Lets go of the lock, also where a forked child has a copy of the handle, which would keep it.
    pub(crate) fn unlock(&self) {
        // It fails where there is no lock to let go of.
        let _ = self.handle.unlock();
    }

    /// Returns the names of all entries that are UTF-8, sorted, each with its kind.
    pub(crate) fn entries(&self) -> io::Result<Vec<(String, FileType)>> {
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.handle)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            let Some(name) = name.to_str().filter(|name| !matches!(*name, "." | "..")) else {
                continue;
            };
            let kind = match entry.file_type() {
                FileType::Unknown => self.kind_of(name)?,
                kind => Some(kind),
            };
            entries.extend(kind.map(|kind| (name.to_owned(), kind)));
        }
        entries.sort_by(|(left, _), (right, _)| left.cmp(right));
        Ok(entries)
    }

    /// Returns the kind of an entry, or `None` where there is none.
    pub(crate) fn kind_of(&self, name: &str) -> io::Result<Option<FileType>> {
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns what changes when anything is done to an entry; `None` where there is none.
    pub(crate) fn stamp_of(&self, name: &str) -> io::Result<Option<EntryStamp>> {
        stamp_at(&self.handle, name)
    }

    /// Returns the names that are UTF-8 and wanted, sorted, each with its
    /// [stamp](Self::stamp_of).
    pub(crate) fn into_stamps(
        self,
        is_wanted: impl Fn(&str) -> bool,
    ) -> io::Result<Vec<(String, EntryStamp)>> {
        let mut entries = rustix::fs::Dir::new(self.handle)?;
        let mut names = Vec::new();
        for entry in &mut entries {
            let entry = entry?;
            let name = entry.file_name().to_str().ok();
            names.extend(name.filter(|name| is_wanted(name)).map(str::to_owned));
        }
        names.sort_unstable();
        let folder = entries.fd()?;
        let mut stamps = Vec::with_capacity(names.len());
        for name in names {
            stamps.extend(stamp_at(folder, &name)?.map(|stamp| (name, stamp)));
        }
        Ok(stamps)
    }

    /// Opens a regular file in this folder and returns it with its size, or `None` where the entry
    /// is something else or there is none.
    pub(crate) fn open_file(&self, name: &str) -> io::Result<Option<(File, u64)>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::LOOP | Errno::MLINK | Errno::NXIO) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let facts = file.metadata()?;
        Ok(facts.is_file().then_some((file, facts.len())))
    }

    /// Returns whether the entry is a regular file of exactly these bytes.
    pub(crate) fn holds(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        match self.open_file(name)? {
            Some((file, size)) if size == bytes.len() as u64 => {
                let mut standing = vec![0; bytes.len()];
                match file.read_exact_at(&mut standing, 0) {
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
                    read => read.map(|()| standing == bytes),
                }
            }
            _ => Ok(false),
        }
    }

    /// Puts a file of these bytes in the place of whatever stands there but a folder. Others see
    /// the old file or the new one, never a part of it. The mode follows the umask.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (temporary, mut file) = self.create_temporary()?;
        let written = file.write_all(bytes).and_then(|()| {
            Ok(rustix::fs::renameat(
                &self.handle,
                &temporary,
                &self.handle,
                name,
            )?)
        });
        if written.is_err() {
            // What went wrong already is the error to report.
            let _ = self.remove(&temporary);
        }
        written
    }

    fn create_temporary(&self) -> io::Result<(String, File)> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        let process = std::process::id();
        for number in 0..TEMPORARY_NAMES_MAX {
            let name = format!("{TEMPORARY_PREFIX}{process}-{number}{TEMPORARY_SUFFIX}");
            match rustix::fs::openat(&self.handle, &name, flags, mode) {
                Ok(file) => return Ok((name, File::from(file))),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Removes an entry that is no folder; it is no error if there is none.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Opens a folder; it is an error where the last name of the path is a link.
fn open_at(folder: impl AsFd, path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(folder, path, flags, Mode::empty()) {
        Ok(handle) => Ok(File::from(handle)),
        Err(Errno::LOOP | Errno::MLINK) => Err(Errno::NOTDIR.into()),
        Err(error) => Err(error.into()),
    }
}

fn stamp_at(folder: impl AsFd, name: &str) -> io::Result<Option<EntryStamp>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some([
            stat.st_dev.into(),
            stat.st_ino.into(),
            stat.st_size.into(),
            stat.st_mtime.into(),
            stat.st_mtime_nsec.into(),
            stat.st_ctime.into(),
            stat.st_ctime_nsec.into(),
        ])),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns whether this is the name of a temporary file of ours.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY_PREFIX) && name.ends_with(TEMPORARY_SUFFIX)
}
