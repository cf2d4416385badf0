//! A folder of a log, open: its entries are reached without following a link.

use crate::format::EVENTS_DIR;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, Stat, linkat, renameat_with,
};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// An open folder.
///
/// Whoever may write in a root can put a link in the place of a run or of its `events/` at any
/// moment. Each name below the root is therefore opened from the folder before it, and none that
/// is a link; in the path of the root itself links are followed, as its owner chose it.
pub(crate) struct Folder(OwnedFd);

/// Enough to reach what is in a folder, where the system has that: listing it may be forbidden.
#[cfg(any(target_os = "linux", target_os = "android"))]
const REACH: OFlags = OFlags::PATH;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const REACH: OFlags = OFlags::RDONLY;

/// The folder of segments, and that of the run.
const NAMES_OF_EVENTS: usize = 2;
const NAMES_OF_RUN: usize = 1;

impl Folder {
    /// Opens an `events/` folder by its path.
    ///
    /// # Errors
    /// `NotFound` where it or the run's folder is not there or is a link.
    pub(crate) fn of_events(path: &Path) -> io::Result<Self> {
        Self::open(path, NAMES_OF_EVENTS)
    }

    /// Opens the folder of a run by its path.
    ///
    /// # Errors
    /// `NotFound` where it is not there or is a link.
    pub(crate) fn of_run(path: &Path) -> io::Result<Self> {
        Self::open(path, NAMES_OF_RUN)
    }

    /// Opens the folder that a segment is in, and returns it with the segment's name.
    pub(crate) fn of_segment(path: &Path) -> io::Result<(Self, &OsStr)> {
        match (path.parent(), path.file_name()) {
            (Some(events_dir), Some(name)) => Ok((Self::of_events(events_dir)?, name)),
            _ => Err(Errno::ISDIR.into()),
        }
    }

    /// Lists the entries of an `events/` folder whose names are UTF-8 and wanted.
    ///
    /// # Errors
    /// Those of [`of_events`](Self::of_events), or the folder cannot be listed.
    pub(crate) fn list_events(
        path: &Path,
        is_wanted: impl Fn(&str) -> bool,
    ) -> io::Result<Listing> {
        Listing::of(
            open_below(path, NAMES_OF_EVENTS, OFlags::RDONLY)?,
            is_wanted,
        )
    }

    /// Does what [`list_events`](Self::list_events) does, in the open folder of a run.
    pub(crate) fn list_events_in(
        run: BorrowedFd<'_>,
        is_wanted: impl Fn(&str) -> bool,
    ) -> io::Result<Listing> {
        let name = OsStr::new(EVENTS_DIR);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let folder = open_at(run, name, flags);
        Listing::of(
            folder.map_err(|errno| not_opened(run, name, errno))?,
            is_wanted,
        )
    }

    /// Opens a folder, following no link in this many of the last names of its path.
    fn open(path: &Path, names: usize) -> io::Result<Self> {
        open_below(path, names, REACH).map(Self)
    }

    /// Opens a segment to read. A FIFO that took the file's place does not block.
    pub(crate) fn open_to_read(&self, name: &OsStr) -> io::Result<File> {
        open_file(&self.0, name, OFlags::RDONLY)
    }

    /// Opens a segment to append to it.
    pub(crate) fn open_to_append(&self, name: &OsStr) -> io::Result<File> {
        open_file(&self.0, name, OFlags::RDWR | OFlags::APPEND)
    }

    /// Creates a segment to append to it; there must be nothing of its name.
    pub(crate) fn create_file(&self, name: &OsStr) -> io::Result<File> {
        let new = OFlags::CREATE | OFlags::EXCL;
        open_file(&self.0, name, OFlags::RDWR | OFlags::APPEND | new)
    }

    /// Creates a folder in this one, or returns false where something of that name is there.
    pub(crate) fn create_folder(&self, name: &str) -> io::Result<bool> {
        match rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes a file.
    pub(crate) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Gives a file another name in the folder, which nothing else has unless that may be replaced.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr, may_replace: bool) -> io::Result<()> {
        if may_replace {
            return Ok(rustix::fs::renameat(&self.0, from, &self.0, to)?);
        }
        match renameat_with(&self.0, from, &self.0, to, RenameFlags::NOREPLACE) {
            // Some file systems cannot rename in this way; a link keeps what is there as well.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                linkat(&self.0, from, &self.0, to, AtFlags::empty())?;
                self.remove_file(from)
            }
            result => Ok(result?),
        }
    }

    /// Returns what a name is, or `None` where there is nothing of it.
    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        stat_at(&self.0, name)
    }

    fn entries(&self) -> Result<Dir, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        Dir::new(open_at(&self.0, OsStr::new("."), flags)?)
    }

    /// Returns whether nothing is in the folder.
    pub(crate) fn is_empty(&self) -> bool {
        let is_entry = |name: &[u8]| !matches!(name, b"." | b"..");
        self.entries().is_ok_and(|entries| {
            let mut entries = entries.flatten();
            !entries.any(|entry| is_entry(entry.file_name().to_bytes()))
        })
    }
}

/// What stood in a folder, which is still open.
pub(crate) struct Listing {
    folder: Dir,
    /// Sorted by name, each as it stands; links are not followed.
    pub(crate) entries: Vec<(String, Stat)>,
}

impl Listing {
    fn of(folder: OwnedFd, is_wanted: impl Fn(&str) -> bool) -> io::Result<Self> {
        let mut folder = Dir::new(folder)?;
        let mut names = Vec::new();
        for entry in &mut folder {
            let entry = entry?;
            let name = entry.file_name().to_str().ok();
            names.extend(name.filter(|name| is_wanted(name)).map(str::to_owned));
        }
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            if let Some(stat) = stat_at(folder.fd()?, OsStr::new(&name))? {
                entries.push((name, stat));
            }
        }
        entries.sort_by(|(left, _), (right, _)| left.cmp(right));
        Ok(Self { folder, entries })
    }

    /// Opens a segment to read, as [`Folder::open_to_read`] does.
    pub(crate) fn open_to_read(&self, name: &str) -> io::Result<File> {
        open_file(self.folder.fd()?, OsStr::new(name), OFlags::RDONLY)
    }
}

fn open_file(folder: impl AsFd, name: &OsStr, flags: OFlags) -> io::Result<File> {
    let careful = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::from(open_at(folder, name, flags | careful)?);
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    let reason = "not a regular file";
    Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
}

fn stat_at(folder: impl AsFd, name: &OsStr) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Opens a folder, following no link in so many of the last names of its path.
fn open_below(path: &Path, names: usize, access: OFlags) -> io::Result<OwnedFd> {
    let (mut above, mut below) = (path, Vec::with_capacity(names));
    while below.len() < names
        && let (Some(name), Some(parent)) = (above.file_name(), above.parent())
    {
        below.push(name);
        above = parent;
    }
    if above.as_os_str().is_empty() {
        above = Path::new(".");
    }
    let reach = |is_last| if is_last { access } else { REACH } | OFlags::DIRECTORY;
    let mut folder = open_at(CWD, above.as_os_str(), reach(below.is_empty()))?;
    below.reverse();
    if let Some(folder) = open_at_once(&folder, &below, reach(true)) {
        return Ok(folder);
    }
    // One by one, which also tells what is wrong.
    for (at, name) in below.iter().enumerate() {
        let flags = reach(at + 1 == below.len()) | OFlags::NOFOLLOW;
        let next = open_at(&folder, name, flags);
        folder = next.map_err(|errno| not_opened(&folder, name, errno))?;
    }
    Ok(folder)
}

/// Opens what stands below a folder in one call, where the system has it and nothing is wrong.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn open_at_once(folder: &OwnedFd, names: &[&OsStr], flags: OFlags) -> Option<OwnedFd> {
    use rustix::fs::{ResolveFlags, openat2};
    let path: std::path::PathBuf = names.iter().collect();
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    openat2(
        folder,
        &path,
        flags | OFlags::CLOEXEC,
        Mode::empty(),
        resolve,
    )
    .ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn open_at_once(_: &OwnedFd, _: &[&OsStr], _: OFlags) -> Option<OwnedFd> {
    None
}

fn open_at(folder: impl AsFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o666);
    retry_on_intr(|| rustix::fs::openat(&folder, name, flags, mode))
}

/// Returns the error for a name that is no folder: where a link stands, nothing of ours does.
fn not_opened(folder: impl AsFd, name: &OsStr, errno: Errno) -> io::Error {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    match stat.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
        Ok(FileType::Symlink) => Errno::NOENT.into(),
        _ => errno.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, mknodat};
    use std::fs;
    use std::os::unix::fs::symlink;

    /// Puts a link in the place of a path, to what stood there.
    fn replace_by_link(path: &Path) {
        let aside = path.with_extension("aside");
        fs::rename(path, &aside).expect("moved");
        symlink(&aside, path).expect("a link");
    }

    /// Expects an error of the system, or `None` for one of ours.
    fn check_refusal(path: &Path, expected: Option<Errno>) {
        let refused = |error: &io::Error| assert_eq!(Errno::from_io_error(error), expected);
        match Folder::of_segment(path) {
            Ok((folder, name)) => {
                refused(&folder.open_to_read(name).expect_err("to read"));
                refused(&folder.open_to_append(name).expect_err("to append"));
                let created = folder.create_file(name).expect_err("it is there");
                assert_eq!(created.kind(), io::ErrorKind::AlreadyExists);
            }
            Err(error) => refused(&error),
        }
    }

    #[test]
    fn no_link_below_the_root_is_followed_and_no_fifo_is_waited_for() {
        let temporary = tempfile::tempdir().expect("a folder");
        let root = temporary.path().join("root");
        for run in ["a", "b", "c", "d"] {
            let events = root.join(run).join("events");
            fs::create_dir_all(&events).expect("created");
            fs::write(events.join("s.jsonl"), "x").expect("written");
        }
        replace_by_link(&root);
        let segment = |run: &str| root.join(run).join("events/s.jsonl");
        let a = segment("a");
        let (folder, name) = Folder::of_segment(&a).expect("the root may be a link");
        folder.open_to_append(name).expect("a segment");
        replace_by_link(&a);
        check_refusal(&a, Some(Errno::LOOP));
        replace_by_link(&root.join("b/events"));
        check_refusal(&segment("b"), Some(Errno::NOENT));
        replace_by_link(&root.join("c"));
        check_refusal(&segment("c"), Some(Errno::NOENT));
        fs::remove_file(segment("d")).expect("removed");
        let mode = Mode::from_raw_mode(0o666);
        mknodat(CWD, segment("d"), FileType::Fifo, mode, 0).expect("a FIFO");
        check_refusal(&segment("d"), None);
    }
}
