use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the names of files begin and end that are not whole yet.
const TEMPORARY_PREFIX: &str = ".retally-";
const TEMPORARY_SUFFIX: &str = ".tmp";

/// Tells temporary files of one process apart.
static TEMPORARY_COUNT: AtomicU64 = AtomicU64::new(0);

/// An open folder of report files. Everything is done relative to it, and no link is followed:
/// nothing outside of it is read or written, whatever is put in its place.
pub(crate) struct Folder(OwnedFd);

impl Folder {
    /// Opens a folder, which must not be a link.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(
            CWD,
            path,
            folder_flags(),
            Mode::empty(),
        )?))
    }

    /// Opens a folder in this one, or returns `None` where there is nothing of that name.
    pub(crate) fn subfolder(&self, name: &str) -> io::Result<Option<Self>> {
        match rustix::fs::openat(&self.0, name, folder_flags(), Mode::empty()) {
            Ok(folder) => Ok(Some(Self(folder))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a folder in this one, if there is none yet, and opens it.
    pub(crate) fn create_subfolder(&self, name: &str) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Self(rustix::fs::openat(
            &self.0,
            name,
            folder_flags(),
            Mode::empty(),
        )?))
    }

    /// Returns the handle of the folder as a file, to lock it.
    pub(crate) fn to_file(&self) -> io::Result<File> {
        Ok(File::from(self.0.as_fd().try_clone_to_owned()?))
    }

    /// Returns the names of all entries but folders.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            if entry.file_type() == FileType::Directory {
                continue;
            }
            if let Ok(name) = entry.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Returns the content of a regular file, or `None` where none of that name stands.
    pub(crate) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = match rustix::fs::openat(&self.0, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Puts a file of this content in the place of whatever bears the name, at once: readers see
    /// the old one or the new one, whole.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (temporary, mut file) = self.create_temporary()?;
        let written = file.write_all(bytes).and_then(|()| {
            Ok(rustix::fs::renameat_with(
                &self.0,
                &temporary,
                &self.0,
                name,
                RenameFlags::empty(),
            )?)
        });
        if written.is_err() {
            // The error that counts is the first one; what is left is removed by the next writer.
            _ = self.remove(&temporary);
        }
        written
    }

    /// Removes a file or a link, if there is one.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn create_temporary(&self) -> io::Result<(String, File)> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        loop {
            let count = TEMPORARY_COUNT.fetch_add(1, Ordering::Relaxed);
            let process = std::process::id();
            let name = format!("{TEMPORARY_PREFIX}{process}-{count}{TEMPORARY_SUFFIX}");
            match rustix::fs::openat(&self.0, &*name, flags, Mode::from_raw_mode(0o666)) {
                Ok(file) => return Ok((name, File::from(file))),
                Err(Errno::EXIST) => {} // left behind by a process that had our number
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Returns whether a file of that name was left behind by somebody who was replacing another.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY_PREFIX) && name.ends_with(TEMPORARY_SUFFIX)
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_is_replaced_and_never_followed() {
        let outside = tempfile::tempdir().expect("a temporary folder");
        let inside = tempfile::tempdir().expect("a temporary folder");
        fs::write(outside.path().join("secret"), "old").expect("written");
        symlink(outside.path().join("secret"), inside.path().join("report")).expect("linked");
        symlink(outside.path(), inside.path().join("issues")).expect("linked");
        let folder = Folder::open(inside.path()).expect("opened");
        assert!(folder.read("report").expect("read").is_none());
        folder.replace("report", b"new").expect("replaced");
        assert_eq!(
            folder.read("report").expect("read").as_deref(),
            Some(&b"new"[..])
        );
        assert_eq!(
            fs::read(outside.path().join("secret")).expect("read"),
            b"old"
        );
        assert!(folder.create_subfolder("issues").is_err());
        assert!(folder.subfolder("issues").is_err());
        assert!(Folder::open(&inside.path().join("issues")).is_err());
    }

    #[test]
    fn a_failed_replacement_leaves_the_old_file_and_nothing_else() {
        let inside = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(inside.path().join("report")).expect("created");
        let folder = Folder::open(inside.path()).expect("opened");
        assert!(folder.replace("report", b"new").is_err());
        assert_eq!(folder.names().expect("listed"), Vec::<String>::new());
    }
}
