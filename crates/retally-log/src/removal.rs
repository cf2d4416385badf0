//! How a whole run is removed, so that nobody ever sees half of one.

use crate::log_stamp::LogStamp;
use crate::root::Root;
use crate::run_dir::RunDir;
use crate::segment_file;
use crate::storage::{Storage as _, SystemStorage};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Why a run was not removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// A process holds one of its segments.
    #[error("segment `{}` is being written (end its writer first)", path.display())]
    Held {
        /// The segment.
        path: PathBuf,
    },
    /// Its log changed meanwhile. It is still there.
    #[error("its log changed meanwhile (end its writers first)")]
    Changed,
    /// A file could not be locked, renamed or removed.
    #[error("cannot remove `{}` (check its permissions)", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// How the names begin of folders whose removal has begun. No run has such a name.
const REMOVED_PREFIX: &str = ".removed-";

impl Root {
    /// Removes a run's folder with all that is in it.
    ///
    /// It loses its name first, so that at no moment half of it is a run; what a death leaves is
    /// removed by [`finish_removals`](Self::finish_removals).
    ///
    /// # Errors
    /// Somebody writes the run, or a file cannot be removed.
    pub fn remove_run(&self, run: &RunDir) -> Result<(), RemoveError> {
        // Held to the end: no writer goes on with one of them meanwhile.
        let _locks = lock_segments(run)?;
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| RemoveError::File { path, source }
        };
        let before = run.log_stamp().map_err(failed(run.path()))?;
        let removed = self.path().join(format!("{REMOVED_PREFIX}{}", run.id()));
        remove_folder(&removed).map_err(failed(&removed))?;
        rename(run.path(), &removed).map_err(failed(run.path()))?;
        // A writer may have created a segment since they were listed.
        let after = LogStamp::of(&removed.join(crate::format::EVENTS_DIR));
        if !after.is_ok_and(|after| after == before) {
            rename(&removed, run.path()).map_err(failed(&removed))?;
            return Err(RemoveError::Changed);
        }
        remove_folder(&removed).map_err(failed(&removed))?;
        SystemStorage
            .sync_dir(self.path())
            .map_err(failed(self.path()))
    }

    /// Removes what is left of runs whose removal was cut short, and returns how many there were.
    ///
    /// # Errors
    /// A folder cannot be read or removed.
    pub fn finish_removals(&self) -> io::Result<usize> {
        let entries = match std::fs::read_dir(self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        let mut removed = 0;
        for entry in entries {
            let entry = entry?;
            let is_removed = entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(REMOVED_PREFIX.as_bytes());
            if is_removed && entry.file_type()?.is_dir() {
                remove_folder(&entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Takes the locks of all segments that a writer could hold.
fn lock_segments(run: &RunDir) -> Result<Vec<File>, RemoveError> {
    let events_dir = run.events_path();
    let listed = segment_file::list(&events_dir);
    let segments = listed.map_err(|source| RemoveError::File {
        path: events_dir,
        source,
    })?;
    let plain = segments
        .into_iter()
        .filter(|segment| !segment.is_compressed);
    let locked = plain.map(|segment| {
        let path = segment.path;
        let file = match segment_file::open(&path) {
            Ok(file) => file,
            Err(source) => return Err(RemoveError::File { path, source }),
        };
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(RemoveError::Held { path }),
            Err(TryLockError::Error(source)) => Err(RemoveError::File { path, source }),
        }
    });
    locked.collect()
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

/// Removes a folder with all that is in it, links and not what they lead to.
fn remove_folder(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::RunScored;
    use crate::run_id::RunId;
    use crate::writer::{Writer, WriterOptions};
    use std::fs;

    fn run(folder: &tempfile::TempDir) -> (Root, RunDir, Writer) {
        let root = Root::new(folder.path().join("runs"));
        let run = root
            .create_run(&RunId::new("run_1").expect("an id"))
            .expect("created");
        let writer = Writer::new(run.clone(), WriterOptions::default());
        writer
            .append(RunScored { success: true })
            .expect("appended");
        (root, run, writer)
    }

    fn names(root: &Root) -> Vec<String> {
        let entries = fs::read_dir(root.path()).expect("readable");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names
            .map(|name| name.into_string().expect("UTF-8"))
            .collect()
    }

    #[test]
    fn a_run_goes_with_all_that_is_in_its_folder_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, run, writer) = run(&folder);
        drop(writer);
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).expect("created");
        fs::write(outside.join("file"), "mine").expect("written");
        std::os::unix::fs::symlink(&outside, run.path().join("link")).expect("linked");
        fs::create_dir_all(run.path().join("notes/deep")).expect("created");
        root.remove_run(&run).expect("removed");
        assert_eq!(names(&root), [""; 0]);
        assert_eq!(fs::read(outside.join("file")).expect("readable"), b"mine");
    }

    #[test]
    fn a_run_that_somebody_writes_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, run, writer) = run(&folder);
        assert!(matches!(
            root.remove_run(&run),
            Err(RemoveError::Held { .. })
        ));
        assert_eq!(names(&root), ["run_1"]);
        writer
            .append(RunScored { success: true })
            .expect("appended");
    }

    #[test]
    fn what_is_left_of_a_removal_is_removed_and_a_new_run_of_the_name_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, run, writer) = run(&folder);
        drop(writer);
        let left = root.path().join(".removed-run_1");
        fs::create_dir_all(left.join("events")).expect("created");
        fs::write(left.join("events/a.jsonl"), "old").expect("written");
        fs::write(root.path().join(".removed-file"), "no folder").expect("written");
        assert_eq!(root.finish_removals().expect("removed"), 1);
        assert_eq!(root.finish_removals().expect("nothing to do"), 0);
        assert!(run.path().is_dir() && root.path().join(".removed-file").is_file());
        fs::create_dir_all(left.join("events")).expect("created");
        root.remove_run(&run)
            .expect("removed, and what was left with it");
        assert_eq!(names(&root), [".removed-file"]);
    }
}
