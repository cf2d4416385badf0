use crate::folder::Folder;
use crate::format::EVENTS_DIR;
use crate::log_stamp::LogStamp;
use crate::position::SegmentId;
use crate::run_id::RunId;
use crate::segment_file;
use crate::segment_lines;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    id: RunId,
    path: PathBuf,
}

impl RunDir {
    pub(crate) fn new(root: &Path, id: RunId) -> Self {
        let path = root.join(id.as_str());
        Self { id, path }
    }

    /// Returns the run's id.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// Returns the folder, which may not exist.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder of the run's segments, which may not exist.
    pub fn events_path(&self) -> PathBuf {
        self.path.join(EVENTS_DIR)
    }

    /// Returns how the log stands now, or `None` where there is no segment.
    ///
    /// # Errors
    /// The folder of segments cannot be read.
    pub fn log_stamp(&self) -> io::Result<Option<LogStamp>> {
        LogStamp::of(&self.events_path())
    }

    /// Returns the size of each segment file in bytes, by its name.
    ///
    /// # Errors
    /// The folder of segments cannot be read.
    pub fn segment_bytes(&self) -> io::Result<BTreeMap<String, u64>> {
        let files = segment_file::list(&self.events_path())?;
        Ok(files
            .into_iter()
            .map(|file| (file.name, file.stamp.bytes))
            .collect())
    }

    /// Counts the lines of each segment, as `run.finished` states them.
    ///
    /// That is the greatest number of a line plus one where lines bear numbers, else the count of
    /// whole lines. A segment that cannot be read is left out.
    ///
    /// # Errors
    /// The folder of segments cannot be read.
    pub fn segment_lines(&self) -> io::Result<BTreeMap<SegmentId, u64>> {
        segment_lines::count_all(&self.events_path())
    }

    /// Returns whether the run's folder is one for segments; links are not followed.
    pub(crate) fn is_run(&self) -> bool {
        Folder::of_events(&self.events_path()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::Root;
    use std::fs;

    #[test]
    fn the_stamp_of_a_log_changes_with_whatever_is_done_to_a_segment() {
        let folder = tempfile::tempdir().expect("a folder");
        let id = RunId::new("run_1").expect("an id");
        let run = Root::new(folder.path()).create_run(&id).expect("created");
        let stamp = || run.log_stamp().expect("readable");
        assert_eq!(stamp(), None);
        let mut seen = vec![None];
        let mut check = |what: &str| {
            let now = stamp();
            assert_eq!(now, stamp(), "{what}");
            let open = fs::File::open(run.path()).expect("a folder");
            assert_eq!(now, LogStamp::in_run(open).expect("readable"), "{what}");
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        let path = run.events_path().join("a.jsonl");
        fs::write(&path, "one\n").expect("written");
        check("a new segment");
        fs::write(&path, "one\ntwo\n").expect("written");
        check("a longer one");
        fs::write(run.events_path().join("b.jsonl"), "").expect("written");
        check("an empty one beside it");
        fs::rename(&path, run.events_path().join("c.jsonl")).expect("renamed");
        check("another name");
        fs::write(run.events_path().join("notes.txt"), "").expect("written");
        assert_eq!(
            stamp(),
            *seen.last().expect("not empty"),
            "what is no segment does not count"
        );
        let away = folder.path().join("away");
        fs::rename(run.events_path(), &away).expect("renamed");
        std::os::unix::fs::symlink(&away, run.events_path()).expect("a link");
        let open = fs::File::open(run.path()).expect("a folder");
        let through_a_link = (stamp(), LogStamp::in_run(open).expect("readable"));
        assert_eq!(through_a_link, (None, None));
    }
}
