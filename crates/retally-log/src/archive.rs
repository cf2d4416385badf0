//! How the segments of a run that ended are replaced by compressed ones, which read the same.

use crate::folder::Folder;
use crate::format::COMPRESSED_SUFFIX;
use crate::run_dir::RunDir;
use crate::segment_file::{self, FileStamp, SegmentFile};
use crate::storage::{Storage as _, SystemStorage};
use std::ffi::{OsStr, OsString};
use std::fs::{File, FileTimes, TryLockError};
use std::io::{self, Read, Seek as _, Write as _};
use std::path::Path;

/// What became of a segment that was to be archived.
#[derive(Debug)]
pub struct Archived {
    /// The name of the file in the run's `events/` folder, before.
    pub file: String,
    /// How many bytes it had on disk.
    pub bytes_before: u64,
    /// How many its compressed form has, or why there is none.
    pub result: Result<u64, ArchiveError>,
}

/// Why a segment was left as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// Another process holds it.
    #[error("it is being written (end its writer, then archive again)")]
    Held,
    /// The file system has no locks, so nobody can tell whether another process holds it.
    #[error("it cannot be locked (archive on the host that has the disk)")]
    NoLock {
        /// Why.
        source: io::Error,
    },
    /// Bytes were added meanwhile, by a writer that takes no lock, or another file replaced it.
    #[error("it changed meanwhile (end its writer, then archive again)")]
    Changed,
    /// There is a compressed file of its name, and it holds something else.
    #[error("`{name}` is there and holds something else (move one of them out of the folder)")]
    Different {
        /// The compressed file.
        name: String,
    },
    /// What was written does not read back as it should.
    #[error("its compressed form does not read back as written (check the disk)")]
    Unverified,
    /// A file could not be read, written, or put in its place.
    #[error("cannot archive it (check permissions and free space)")]
    File {
        /// Why.
        source: io::Error,
    },
}

impl From<io::Error> for ArchiveError {
    fn from(source: io::Error) -> Self {
        Self::File { source }
    }
}

/// How much is read at once.
const CHUNK_BYTES: usize = 64 << 10;

impl RunDir {
    /// Compresses each plain segment with Zstandard and removes the original, once what stands on
    /// disk was read back and compared. A death at any point costs nothing: whoever archives again
    /// goes on. Readers yield the same entries before, meanwhile and after.
    ///
    /// `level` is zstd's, from 1 to 19; higher ones need more memory to read than readers grant.
    /// The run should have ended: a writer without locks loses what it appends afterwards.
    ///
    /// # Errors
    /// The folder of segments cannot be read. What is wrong with a single segment is said of it,
    /// and the others are archived.
    pub fn archive(&self, level: u8) -> io::Result<Vec<Archived>> {
        let events_dir = self.events_path();
        let segments = segment_file::list(&events_dir)?;
        let mut archived = Vec::new();
        for file in segments.into_iter().filter(|file| !file.is_compressed) {
            let folder = Folder::of_events(&events_dir)?;
            archived.push(Archived {
                bytes_before: file.stamp.bytes,
                result: archive(&folder, &events_dir, &file, level.clamp(1, 19)),
                file: file.name,
            });
        }
        Ok(archived)
    }
}

fn archive(
    folder: &Folder,
    events_dir: &Path,
    segment: &SegmentFile,
    level: u8,
) -> Result<u64, ArchiveError> {
    let original_name = OsStr::new(&segment.name);
    let mut original = folder.open_to_read(original_name)?;
    // Held to the end: no writer goes on with the segment meanwhile.
    match original.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(ArchiveError::Held),
        Err(TryLockError::Error(source)) => return Err(ArchiveError::NoLock { source }),
    }
    let before = FileStamp::of(&rustix::fs::fstat(&original).map_err(io::Error::from)?);
    let name = format!("{}{COMPRESSED_SUFFIX}", segment.stem());
    let temporary = Temporary {
        folder,
        name: format!(".{name}.tmp").into(),
    };
    // Of an archiver that died; the lock of the segment keeps others from making it now.
    temporary.remove()?;
    let found = compare(&mut original, folder, OsStr::new(&name))?;
    match found {
        Found::Whole => {}
        Found::Other => return Err(ArchiveError::Different { name }),
        Found::Nothing | Found::Beginning => {
            temporary.fill(&mut original, before.bytes, level)?;
            if compare(&mut original, folder, &temporary.name)? != Found::Whole {
                return Err(ArchiveError::Unverified);
            }
            folder.rename(
                &temporary.name,
                OsStr::new(&name),
                found == Found::Beginning,
            )?;
            SystemStorage.sync_dir(events_dir)?;
        }
    }
    // Where it grew, its first lines stand in both files, and count once.
    let now = folder.stat(original_name)?;
    if now.is_none_or(|stat| FileStamp::of(&stat) != before) {
        return Err(ArchiveError::Changed);
    }
    folder.remove_file(original_name)?;
    SystemStorage.sync_dir(events_dir)?;
    let compressed = folder.open_to_read(OsStr::new(&name))?;
    Ok(compressed.metadata()?.len())
}

/// A compressed file that is being made. It is removed where it does not get its name.
struct Temporary<'f> {
    folder: &'f Folder,
    name: OsString,
}

impl Temporary<'_> {
    /// Compresses `bytes` bytes of the original, and makes them survive power loss.
    fn fill(&self, original: &mut File, bytes: u64, level: u8) -> io::Result<()> {
        original.rewind()?;
        let file = self.folder.create_file(&self.name)?;
        let mut encoder = zstd::Encoder::new(&file, i32::from(level))?;
        encoder.include_checksum(true)?;
        encoder.set_pledged_src_size(Some(bytes))?;
        io::copy(&mut original.take(bytes), &mut encoder)?;
        encoder.finish()?.flush()?;
        // By its time and mode it is the same segment.
        let facts = original.metadata()?;
        file.set_permissions(facts.permissions())?;
        let times = FileTimes::new().set_modified(facts.modified()?);
        file.set_times(times)?;
        file.sync_all()
    }

    fn remove(&self) -> io::Result<()> {
        match self.folder.remove_file(&self.name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // Gone where it got its name; else the next archiver removes what cannot be removed now.
        let _ = self.remove();
    }
}

/// What a compressed file holds of an original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// There is no such file.
    Nothing,
    /// All of it, and no more.
    Whole,
    /// Less of it: it grew since.
    Beginning,
    /// Something else.
    Other,
}

/// Reads both files from their beginnings and compares them.
fn compare(original: &mut File, folder: &Folder, compressed: &OsStr) -> io::Result<Found> {
    let file = match folder.open_to_read(compressed) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    original.rewind()?;
    let mut decoder = segment_file::decoder(file)?;
    let (mut wanted, mut found) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    loop {
        let length = match decoder.read(&mut found) {
            Ok(length) => length,
            // What cannot be decompressed is no copy; what cannot be read is an error.
            Err(error) if error.raw_os_error().is_none() => return Ok(Found::Other),
            Err(error) => return Err(error),
        };
        if length == 0 {
            let has_more = original.read(&mut wanted)? > 0;
            return Ok(if has_more {
                Found::Beginning
            } else {
                Found::Whole
            });
        }
        match original.read_exact(&mut wanted[..length]) {
            Ok(()) if wanted[..length] == found[..length] => {}
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            _ => return Ok(Found::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::NoteAdded;
    use crate::root::Root;
    use crate::run_id::RunId;
    use crate::writer::{Writer, WriterOptions};
    use std::fs;
    use std::path::PathBuf;

    /// Makes a run of one segment with three lines, and returns that segment's path.
    fn run(folder: &tempfile::TempDir) -> (RunDir, PathBuf) {
        let id = RunId::new("run_1").expect("an id");
        let run = Root::new(folder.path()).create_run(&id).expect("created");
        let writer = Writer::new(run.clone(), WriterOptions::default());
        let note = |text: &'static str| NoteAdded {
            text: text.into(),
            issue: None,
            agent: None,
        };
        writer.append(note("a")).expect("appended");
        let segment = writer.append(note("b")).expect("appended").segment;
        let path = run.events_path().join(format!("{segment}.jsonl"));
        (run, path)
    }

    fn archive_one(run: &RunDir) -> Result<u64, ArchiveError> {
        let mut archived = run.archive(3).expect("readable");
        assert_eq!(archived.len(), 1);
        archived.remove(0).result
    }

    fn names(run: &RunDir) -> Vec<String> {
        let entries = fs::read_dir(run.events_path()).expect("readable");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names
            .map(|name| name.into_string().expect("UTF-8"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_segment_is_replaced_by_its_compressed_form() {
        let folder = tempfile::tempdir().expect("a folder");
        let (run, path) = run(&folder);
        let before = fs::read(&path).expect("readable");
        let modified = fs::metadata(&path)
            .and_then(|facts| facts.modified())
            .expect("known");
        let bytes = archive_one(&run).expect("archived");
        let compressed = path.with_extension("jsonl.zst");
        let after = fs::read(&compressed).expect("readable");
        assert_eq!(after.len() as u64, bytes);
        assert_eq!(zstd::decode_all(&after[..]).expect("whole"), before);
        assert_eq!(
            fs::metadata(&compressed)
                .and_then(|facts| facts.modified())
                .expect("known"),
            modified
        );
        assert_eq!(names(&run).len(), 1);
        assert!(
            run.archive(3).expect("readable").is_empty(),
            "nothing is left to do"
        );
    }

    #[test]
    fn a_segment_that_somebody_writes_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let (run, path) = run(&folder);
        let writer = Writer::new(run.clone(), WriterOptions::default());
        let note = NoteAdded {
            text: "c".into(),
            issue: None,
            agent: None,
        };
        writer.append(note).expect("appended");
        assert!(matches!(archive_one(&run), Err(ArchiveError::Held)));
        assert_eq!(
            names(&run),
            [path.file_name().expect("a name").to_string_lossy()]
        );
        drop(writer);
        archive_one(&run).expect("archived");
    }

    #[test]
    fn what_a_dead_archiver_left_is_finished() {
        let folder = tempfile::tempdir().expect("a folder");
        let (run, path) = run(&folder);
        let before = fs::read(&path).expect("readable");
        let compressed = path.with_extension("jsonl.zst");
        let name = compressed
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        fs::write(run.events_path().join(format!(".{name}.tmp")), "half").expect("written");
        // It had got as far as the name, and the segment may have grown since.
        for known in [before.len(), before.len() - 1, 0] {
            fs::write(&path, &before).expect("written");
            let packed = zstd::encode_all(&before[..known], 1).expect("compressed");
            fs::write(&compressed, packed).expect("written");
            archive_one(&run).expect("archived");
            assert_eq!(names(&run), [&*name]);
            let after = fs::read(&compressed).expect("readable");
            assert_eq!(zstd::decode_all(&after[..]).expect("whole"), before);
        }
    }

    #[test]
    fn a_compressed_file_with_other_bytes_is_never_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let (run, path) = run(&folder);
        let before = fs::read(&path).expect("readable");
        let compressed = path.with_extension("jsonl.zst");
        let longer = [&before[..], b"{}\n"].concat();
        let packed = |bytes: &[u8]| zstd::encode_all(bytes, 1).expect("compressed");
        let mut broken = packed(&before);
        broken.truncate(20);
        for other in [
            packed(&longer),
            packed(b"other\n"),
            broken,
            b"no zstd".to_vec(),
        ] {
            fs::write(&compressed, &other).expect("written");
            assert!(matches!(
                archive_one(&run),
                Err(ArchiveError::Different { .. })
            ));
            assert_eq!(fs::read(&path).expect("readable"), before);
            assert_eq!(fs::read(&compressed).expect("readable"), other);
        }
    }

    #[test]
    fn a_link_in_the_place_of_the_compressed_file_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (run, path) = run(&folder);
        let outside = folder.path().join("outside");
        fs::write(&outside, "mine").expect("written");
        let compressed = path.with_extension("jsonl.zst");
        let name = compressed
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let temporary = run.events_path().join(format!(".{name}.tmp"));
        std::os::unix::fs::symlink(&outside, &temporary).expect("linked");
        std::os::unix::fs::symlink(&outside, &compressed).expect("linked");
        assert!(matches!(archive_one(&run), Err(ArchiveError::File { .. })));
        fs::remove_file(&compressed).expect("removed");
        archive_one(&run).expect("archived");
        assert_eq!(fs::read(&outside).expect("readable"), b"mine");
    }
}
