use crate::root::Root;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The longest file in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

impl Root {
    /// Reads a small text file that stands beside the runs and holds for all of them, such as
    /// `prices.toml`, or returns `None` where there is none. A link is not followed.
    ///
    /// # Errors
    /// It is no regular file, is longer than 1 MiB, is not UTF-8, or cannot be read.
    pub fn read_file(&self, name: &str) -> io::Result<Option<String>> {
        match read(&self.path().join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
                _ => Err(error),
            },
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidInput, reason);
    if !file.metadata()?.is_file() {
        return Err(invalid("not a regular file"));
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(invalid("longer than 1 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_a_folder_and_a_long_file_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Root::new(folder.path());
        let path = folder.path().join("prices.toml");
        let read = || root.read_file("prices.toml");
        assert_eq!(read().expect("not there"), None);
        std::os::unix::fs::symlink("/dev/zero", &path).expect("a link");
        read().expect_err("a link");
        std::fs::remove_file(&path).expect("removed");
        std::fs::create_dir(&path).expect("a folder");
        read().expect_err("a folder");
        std::fs::remove_dir(&path).expect("removed");
        std::fs::write(&path, "x".repeat(1 << 20)).expect("written");
        assert_eq!(
            read().expect("just short enough").map(|text| text.len()),
            Some(1 << 20)
        );
        std::fs::write(&path, "x".repeat((1 << 20) + 1)).expect("written");
        read().expect_err("too long");
    }
}
