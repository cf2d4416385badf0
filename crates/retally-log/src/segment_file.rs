//! The files of a run's `events/` folder: which of them are segments, and how they are opened.

use crate::format::{COMPRESSED_SUFFIX, SEGMENT_SUFFIX};
use rustix::fs::OFlags;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file that is a segment by its name and kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentFile {
    /// The file's name; files of one segment are taken in this order.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) is_compressed: bool,
    pub(crate) stamp: FileStamp,
}

/// What tells that a file was touched: equal stamps mean that nobody did, as far as the clock of
/// the file system tells times apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileStamp {
    device: u64,
    inode: u64,
    /// The size on disk.
    pub(crate) bytes: u64,
    /// When its bytes were changed last: seconds and nanoseconds.
    modified: (i64, i64),
    /// When its bytes, its name, its mode or its other times were changed last: what sets the
    /// time above back cannot set this one.
    changed: (i64, i64),
}

impl FileStamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Returns one that says nothing but a size.
    #[cfg(test)]
    pub(crate) fn of_size(bytes: u64) -> Self {
        Self {
            device: 0,
            inode: 0,
            bytes,
            modified: (0, 0),
            changed: (0, 0),
        }
    }

    /// Returns all of it, for a digest.
    pub(crate) fn to_bytes(self) -> [u8; 56] {
        let Self {
            device,
            inode,
            bytes,
            modified,
            changed,
        } = self;
        let signed = [modified.0, modified.1, changed.0, changed.1].map(i64::cast_unsigned);
        let words = [[device, inode, bytes].as_slice(), &signed].concat();
        let mut all = [0; 56];
        for (place, word) in all.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        all
    }

    /// Returns when its bytes were changed last, in seconds since 1970.
    pub(crate) fn modified_seconds(&self) -> i64 {
        self.modified.0
    }

    /// Returns whether both are of one file, or of one that got the number of a deleted one.
    pub(crate) fn is_of_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

impl SegmentFile {
    /// Returns the name without its suffix: the segment's id where its first line states none.
    pub(crate) fn stem(&self) -> &str {
        stem(&self.name)
    }
}

/// Returns the name of a segment file without its suffix.
pub(crate) fn stem(name: &str) -> &str {
    let suffixes = [COMPRESSED_SUFFIX, SEGMENT_SUFFIX];
    let mut stems = suffixes
        .iter()
        .filter_map(|suffix| name.strip_suffix(suffix));
    stems.next().unwrap_or(name)
}

/// Returns whether a file of this name is a segment, if it is a regular one.
fn is_segment_name(name: &str) -> bool {
    let is_named_so = name.ends_with(COMPRESSED_SUFFIX) || name.ends_with(SEGMENT_SUFFIX);
    is_named_so && !name.starts_with('.')
}

/// Returns the segments of a folder, sorted by name; none where there is no folder.
///
/// Links are not followed, and whatever is no regular file (a FIFO, a device) is passed over, as
/// are names that are not UTF-8 or begin with a dot.
pub(crate) fn list(events_dir: &Path) -> io::Result<Vec<SegmentFile>> {
    let opened = std::fs::symlink_metadata(events_dir).and_then(|facts| {
        // Where a link stands, nothing of ours does.
        if facts.is_symlink() {
            return Err(io::ErrorKind::NotFound.into());
        }
        std::fs::read_dir(events_dir)
    });
    let entries = match opened {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !is_segment_name(&name) {
            continue;
        }
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => {
                files.push(SegmentFile {
                    is_compressed: name.ends_with(COMPRESSED_SUFFIX),
                    name,
                    path: entry.path(),
                    stamp: FileStamp::of(&metadata),
                });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the names in a folder that look like segments but are no regular files, sorted.
pub(crate) fn passed_over(events_dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(events_dir)
        .into_iter()
        .flatten()
        .flatten();
    let odd = entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_file()));
    let mut names: Vec<String> = odd
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_segment_name(name))
        .collect();
    names.sort();
    names
}

/// Opens a segment to read. A link is not followed, and a FIFO that took the file's place does
/// not block.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(no_follow())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ))
    }
}

/// The memory that a compressed segment may ask for to be read is 2 to this power, in bytes: what
/// the levels of zstd up to 19 use.
const WINDOW_LOG_MAX: u32 = 23;

/// Reads a compressed segment.
pub(crate) fn decoder(file: File) -> io::Result<zstd::Decoder<'static, io::BufReader<File>>> {
    let mut decoder = zstd::Decoder::new(file)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// The flags with which a segment is opened, beside those of std.
pub(crate) fn no_follow() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}
