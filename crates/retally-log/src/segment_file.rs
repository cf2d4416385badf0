//! The files of a run's `events/` folder: which of them are segments, and how they are opened.

use crate::folder::{Folder, Listing};
use crate::format::{COMPRESSED_SUFFIX, SEGMENT_SUFFIX};
use rustix::fs::{FileType, Stat};
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
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
    pub(crate) fn of(stat: &Stat) -> Self {
        // The kinds of numbers differ among systems; all of them fit.
        let unsigned = |number: i128| u64::try_from(number).unwrap_or_default();
        let signed = |number: i128| i64::try_from(number).unwrap_or_default();
        let time = |seconds, nanos| (signed(seconds), signed(nanos));
        Self {
            device: unsigned(stat.st_dev.into()),
            inode: unsigned(stat.st_ino.into()),
            bytes: unsigned(stat.st_size.into()),
            modified: time(stat.st_mtime.into(), stat.st_mtime_nsec.into()),
            changed: time(stat.st_ctime.into(), stat.st_ctime_nsec.into()),
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

/// The segments of a folder, which is still open.
pub(crate) struct SegmentFiles {
    /// `None` where there is no folder.
    folder: Option<Listing>,
    /// Sorted by name.
    pub(crate) files: Vec<SegmentFile>,
}

impl SegmentFiles {
    /// Lists a folder, which need not be there.
    ///
    /// Links are not followed, and whatever is no regular file (a FIFO, a device) is passed over,
    /// as are names that are not UTF-8 or begin with a dot.
    pub(crate) fn of(events_dir: &Path) -> io::Result<Self> {
        Self::listed(Folder::list_events(events_dir, is_segment_name), events_dir)
    }

    /// Does what [`of`](Self::of) does, by the open folder of a run.
    pub(crate) fn in_run(run: BorrowedFd<'_>, events_dir: &Path) -> io::Result<Self> {
        Self::listed(Folder::list_events_in(run, is_segment_name), events_dir)
    }

    fn listed(listing: io::Result<Listing>, events_dir: &Path) -> io::Result<Self> {
        let mut folder = found(listing)?;
        let files = regular(&mut folder).map(|(name, stamp)| SegmentFile {
            is_compressed: name.ends_with(COMPRESSED_SUFFIX),
            path: events_dir.join(&name),
            name,
            stamp,
        });
        let files = files.collect();
        Ok(Self { folder, files })
    }

    /// Opens one of them to read.
    pub(crate) fn open(&self, file: &SegmentFile) -> io::Result<File> {
        match &self.folder {
            Some(folder) => folder.open_to_read(&file.name),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Returns the segments that [`SegmentFiles::of`] finds.
pub(crate) fn list(events_dir: &Path) -> io::Result<Vec<SegmentFile>> {
    Ok(SegmentFiles::of(events_dir)?.files)
}

/// Returns the names of the segments that [`list`] returns, and how each stands.
pub(crate) fn list_stamps(events_dir: &Path) -> io::Result<Vec<(String, FileStamp)>> {
    let listing = Folder::list_events(events_dir, is_segment_name);
    Ok(regular(&mut found(listing)?).collect())
}

/// Does what [`list_stamps`] does, in the open folder of a run.
pub(crate) fn list_stamps_in(run: BorrowedFd<'_>) -> io::Result<Vec<(String, FileStamp)>> {
    let listing = Folder::list_events_in(run, is_segment_name);
    Ok(regular(&mut found(listing)?).collect())
}

/// Returns what was listed, or `None` where there was no folder.
fn found(listing: io::Result<Listing>) -> io::Result<Option<Listing>> {
    match listing {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        listing => listing.map(Some),
    }
}

/// Takes the regular files out of what was listed.
fn regular(listing: &mut Option<Listing>) -> impl Iterator<Item = (String, FileStamp)> + use<> {
    let entries = listing.as_mut().map(|it| std::mem::take(&mut it.entries));
    let entries = entries.into_iter().flatten();
    let regular = entries.filter(|(_, stat)| is_regular(stat));
    regular.map(|(name, stat)| (name, FileStamp::of(&stat)))
}

fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_file()
}

/// Returns the names in a folder that look like segments but are no regular files, sorted.
pub(crate) fn passed_over(events_dir: &Path) -> Vec<String> {
    let listing = Folder::list_events(events_dir, is_segment_name);
    let found = listing.map(|it| it.entries).unwrap_or_default();
    let odd = found.into_iter().filter(|(_, stat)| !is_regular(stat));
    odd.map(|(name, _)| name).collect()
}

/// Opens a segment to read. A link is not followed, neither in its place nor in that of its
/// folders, and a FIFO that took the file's place does not block.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let (folder, name) = Folder::of_segment(path)?;
    folder.open_to_read(name)
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
