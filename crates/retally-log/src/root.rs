use crate::file_name::file_stem;
use crate::folder::Folder;
use crate::format::EVENTS_DIR;
use crate::run_dir::RunDir;
use crate::run_id::RunId;
use crate::segment_file;
use crate::segment_lines::first_line;
use crate::storage::{Storage as _, SystemStorage};
use crate::timestamp::Timestamp;
use std::io;
use std::path::{Path, PathBuf};

/// The folder that holds all runs.
///
/// ```
/// use retally_log::{Root, RunId};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// let root = Root::new(path);
/// let id = RunId::new("run_20241203_143022_project_168")?;
/// assert_eq!(root.create_run(&id)?.id(), &id);
/// assert_eq!(root.create_run(&id)?.id().as_str(), "run_20241203_143022_project_168_2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    path: PathBuf,
}

/// What could not be done with a root.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// A folder could not be read.
    #[error("cannot read `{}` (check its permissions)", path.display())]
    Read {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder could not be created.
    #[error("cannot create the folder `{}` (check its parent's permissions and free space)", path.display())]
    Create {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder of the run's name is there, but it holds no log.
    #[error("`{}` is there and holds no log (choose another run id, or move the folder away)", path.display())]
    NotALog {
        /// The folder.
        path: PathBuf,
    },
    /// Others took each id that was tried.
    #[error("no id like `{id}` is free in `{}` (choose another run id)", path.display())]
    NoFreeId {
        /// The root.
        path: PathBuf,
        /// The id that was asked for.
        id: RunId,
    },
    /// There is no such run.
    #[error("no run in `{}` is or begins with `{wanted}` (list them with `retally runs`)", path.display())]
    NotFound {
        /// The root.
        path: PathBuf,
        /// What was looked for.
        wanted: String,
    },
    /// Several runs begin with the text.
    #[error(
        "{} runs in `{}` begin with `{wanted}`: {} (give more of the id)",
        candidates.len(), path.display(), shown(candidates)
    )]
    Ambiguous {
        /// The root.
        path: PathBuf,
        /// What was looked for.
        wanted: String,
        /// The runs that begin with it, sorted.
        candidates: Vec<RunId>,
    },
    /// There is no run at all.
    #[error("no run in `{}` (start one with `retally start`, or name another root)", path.display())]
    NoRuns {
        /// The root.
        path: PathBuf,
    },
}

/// How many runs an error names.
const SHOWN_CANDIDATES_MAX: usize = 5;

/// How often a numbered id is tried that another process takes at the same moment.
const RESERVATIONS_MAX: usize = 1000;

impl Root {
    /// The word that stands for the run that started last.
    pub const LATEST: &'static str = "latest";

    /// Names a folder, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let is_empty = path.as_os_str().is_empty();
        Self {
            path: if is_empty { ".".into() } else { path },
        }
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a name for what is kept of the root elsewhere, made from its absolute path.
    pub fn cache_name(&self) -> String {
        let path = self.path.canonicalize();
        let path = path.or_else(|_| std::path::absolute(&self.path));
        path.map_or_else(
            |_| "root".to_owned(),
            |path| file_stem(&path.to_string_lossy()),
        )
    }

    /// Names the folder of a run, which need not exist.
    pub fn run(&self, id: &RunId) -> RunDir {
        RunDir::new(&self.path, id.clone())
    }

    /// Creates a run under this id or, where that is taken, under the first free one of `…_2`,
    /// `…_3` and so on. No two callers get the same.
    ///
    /// # Errors
    /// A folder cannot be created.
    pub fn create_run(&self, id: &RunId) -> Result<RunDir, RootError> {
        if let Some(run) = self.reserve(id)? {
            return Ok(run);
        }
        for _ in 0..RESERVATIONS_MAX {
            if let Some(run) = self.reserve(&self.free_id(id))? {
                return Ok(run);
            }
        }
        let (path, id) = (self.path.clone(), id.clone());
        Err(RootError::NoFreeId { path, id })
    }

    /// Returns the run of this id, created if there is none: what imports into a run of a fixed
    /// id want.
    ///
    /// # Errors
    /// A folder cannot be created, or one of that name is there that holds no log.
    pub fn open_or_create_run(&self, id: &RunId) -> Result<RunDir, RootError> {
        let run = self.run(id);
        if run.is_run() {
            return Ok(run);
        }
        if let Some(run) = self.reserve(id)? {
            return Ok(run);
        }
        // Another process may be about to make it, or died before it had.
        if let Some(folder) = Folder::of_run(run.path()).ok().filter(Folder::is_empty) {
            create_events_dir(&folder, &run)?;
        }
        if run.is_run() {
            return Ok(run);
        }
        let path = run.path().to_owned();
        Err(RootError::NotALog { path })
    }

    /// Returns the ids of all runs that have a segment, sorted; none where there is no root.
    ///
    /// Links are not followed, and folders whose names are no run ids are passed over.
    ///
    /// # Errors
    /// The root cannot be read.
    pub fn runs(&self) -> Result<Vec<RunId>, RootError> {
        let mut ids = self.folders()?;
        ids.retain(|id| has_segments(&self.run(id)));
        Ok(ids)
    }

    /// Returns the ids of all folders that can be a run's by their name, sorted; none where there
    /// is no root. What they hold is not looked at, and links are not followed.
    ///
    /// # Errors
    /// The root cannot be read.
    pub fn folders(&self) -> Result<Vec<RunId>, RootError> {
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.unreadable(error)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| self.unreadable(error))?;
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| RunId::new(name).ok());
            ids.extend(id.filter(|_| is_folder));
        }
        ids.sort();
        Ok(ids)
    }

    /// Finds a run by its id, by a text that only its id begins with, or by [`Self::LATEST`].
    ///
    /// # Errors
    /// There is none, there are several, or the root cannot be read.
    pub fn find(&self, wanted: &str) -> Result<RunDir, RootError> {
        let path = self.path.clone();
        if wanted == Self::LATEST {
            let runs = self.runs()?.into_iter().map(|id| self.run(&id));
            let latest = runs.max_by_key(|run| (started(run), run.id().clone()));
            return latest.ok_or(RootError::NoRuns { path });
        }
        let exact = RunId::new(wanted).ok().map(|id| self.run(&id));
        if let Some(run) = exact.filter(RunDir::is_run) {
            return Ok(run);
        }
        let wanted = wanted.to_owned();
        let mut candidates = self.runs()?;
        candidates.retain(|id| id.as_str().starts_with(&wanted));
        match &candidates[..] {
            [] => Err(RootError::NotFound { path, wanted }),
            [only] => Ok(self.run(only)),
            [..] => Err(RootError::Ambiguous {
                path,
                wanted,
                candidates,
            }),
        }
    }

    /// Takes an id by making its folder; `None` where that is there.
    fn reserve(&self, id: &RunId) -> Result<Option<RunDir>, RootError> {
        create_folders(&self.path)?;
        let run = self.run(id);
        if !create_folder(run.path())? {
            return Ok(None);
        }
        let folder = Folder::of_run(run.path()).map_err(|source| not_created(&run, source))?;
        create_events_dir(&folder, &run)?;
        Ok(Some(run))
    }

    /// Returns the id with a number that seems free, found in few steps however many are taken.
    fn free_id(&self, id: &RunId) -> RunId {
        let is_taken = |number| {
            self.run(&id.numbered(number))
                .path()
                .symlink_metadata()
                .is_ok()
        };
        let (mut taken, mut free) = (1, 2);
        while is_taken(free) {
            (taken, free) = (free, free * 2);
        }
        while free - taken > 1 {
            let middle = taken + (free - taken) / 2;
            if is_taken(middle) {
                taken = middle;
            } else {
                free = middle;
            }
        }
        id.numbered(free)
    }

    fn unreadable(&self, source: io::Error) -> RootError {
        let path = self.path.clone();
        RootError::Read { path, source }
    }
}

/// Creates a folder, or returns false where something of that name is there.
fn create_folder(path: &Path) -> Result<bool, RootError> {
    match std::fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(RootError::Create {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Creates a folder and those above it, so that their names survive power loss.
fn create_folders(path: &Path) -> Result<(), RootError> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    let above = above.unwrap_or(Path::new("."));
    if above != path {
        create_folders(above)?;
    }
    if create_folder(path)? {
        let synced = SystemStorage.sync_dir(above);
        synced.map_err(|source| RootError::Create {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(())
}

/// Creates the folder of a run's segments, unless it is there.
fn create_events_dir(folder: &Folder, run: &RunDir) -> Result<(), RootError> {
    let created = folder.create_folder(EVENTS_DIR);
    created.map(drop).map_err(|source| not_created(run, source))
}

fn not_created(run: &RunDir, source: io::Error) -> RootError {
    let path = run.events_path();
    RootError::Create { path, source }
}

fn has_segments(run: &RunDir) -> bool {
    run.is_run() && segment_file::list(&run.events_path()).is_ok_and(|files| !files.is_empty())
}

/// Returns when a run started: as its id says, else the time of its earliest first line.
fn started(run: &RunDir) -> Option<Timestamp> {
    time_of_id(run.id().as_str()).or_else(|| {
        let files = segment_file::list(&run.events_path()).ok()?;
        let times = files.iter().filter_map(|file| first_line(file).ok()?.ts);
        times.min()
    })
}

/// Reads the time in `run_20241203_143022_…`.
fn time_of_id(id: &str) -> Option<Timestamp> {
    let (date, rest) = id.strip_prefix("run_")?.split_once('_')?;
    let time = rest.split('_').next()?;
    let has_digits = |text: &str, n| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
    if !has_digits(date, 8) || !has_digits(time, 6) {
        return None;
    }
    let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
    let (hour, minute, second) = (&time[..2], &time[2..4], &time[4..]);
    Timestamp::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok()
}

fn shown(candidates: &[RunId]) -> String {
    let mut names: Vec<_> = candidates.iter().map(|id| format!("`{id}`")).collect();
    if names.len() > SHOWN_CANDIDATES_MAX {
        names.truncate(SHOWN_CANDIDATES_MAX);
        names.push("…".to_owned());
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RunId {
        RunId::new(text).expect("an id")
    }

    /// Makes a root whose runs have one line each, of the time given.
    fn root(runs: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Root::new(folder.path().join("runs"));
        for (run, ts) in runs {
            let run = root.create_run(&id(run)).expect("created");
            let line = format!("{{\"ts\":\"{ts}\",\"type\":\"run.scored\",\"success\":true}}\n");
            std::fs::write(run.events_path().join("a.jsonl"), line).expect("written");
        }
        (folder, root)
    }

    fn check_find(root: &Root, wanted: &str, expected: &str) {
        let found = match root.find(wanted) {
            Ok(run) => run.id().to_string(),
            Err(error) => error
                .to_string()
                .replace(&*root.path().to_string_lossy(), "ROOT"),
        };
        assert_eq!(found, expected, "{wanted}");
    }

    #[test]
    fn two_runs_never_share_an_id() {
        let (_folder, root) = root(&[]);
        let wanted = id("run_20241203_143022_project_168");
        let ids: Vec<_> = std::thread::scope(|scope| {
            let create = || {
                (0..20)
                    .map(|_| root.create_run(&wanted))
                    .collect::<Vec<_>>()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(create)).collect();
            let results = threads
                .into_iter()
                .flat_map(|thread| thread.join().expect("ends"));
            results
                .map(|run| run.expect("created").id().clone())
                .collect()
        });
        let mut distinct = ids.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), 80);
        assert!(ids.contains(&wanted) && ids.contains(&wanted.numbered(80)));
    }

    #[test]
    fn callers_at_once_open_the_one_run_that_they_create() {
        let (_folder, root) = root(&[]);
        let wanted = id("nightly");
        for n in 0..50 {
            let root = Root::new(root.path().join(n.to_string()));
            let barrier = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        barrier.wait();
                        let run = root
                            .open_or_create_run(&wanted)
                            .expect("one of them made it");
                        assert_eq!(run, root.run(&wanted));
                    });
                }
            });
        }
    }

    #[test]
    fn a_run_is_made_whose_maker_died_half_way() {
        let (_folder, root) = root(&[]);
        std::fs::create_dir_all(root.path().join("half")).expect("created");
        let run = root.open_or_create_run(&id("half")).expect("made");
        assert!(run.is_run());
    }

    #[test]
    fn runs_are_the_folders_that_have_a_segment() {
        let (folder, root) = root(&[("b", "2024-12-03T14:00:00Z"), ("a", "2024-12-03T14:00:00Z")]);
        assert_eq!(
            Root::new(folder.path().join("none")).runs().expect("empty"),
            []
        );
        root.create_run(&id("empty")).expect("created");
        std::fs::create_dir_all(root.path().join("seed/issues")).expect("created");
        std::fs::create_dir_all(root.path().join("a b/events")).expect("created");
        std::fs::write(root.path().join("file"), "").expect("written");
        std::os::unix::fs::symlink(root.path().join("a"), root.path().join("link"))
            .expect("linked");
        assert_eq!(root.runs().expect("readable"), [id("a"), id("b")]);
        let folders = [id("a"), id("b"), id("empty"), id("seed")];
        assert_eq!(root.folders().expect("readable"), folders);
        check_find(&root, "empty", "empty");
        for wanted in ["seed", "link", "../runs/a"] {
            check_find(
                &root,
                wanted,
                &format!(
                    "no run in `ROOT` is or begins with `{wanted}` (list them with `retally runs`)"
                ),
            );
        }
        assert!(matches!(
            root.open_or_create_run(&id("seed")),
            Err(RootError::NotALog { .. })
        ));
        assert_eq!(
            root.open_or_create_run(&id("a")).expect("there"),
            root.run(&id("a"))
        );
    }

    #[test]
    fn a_run_is_found_by_its_id_or_by_what_only_it_begins_with() {
        let time = "2024-12-03T14:00:00Z";
        let (_folder, root) = root(&[("run", time), ("run_1", time), ("run_22", time)]);
        check_find(&root, "run", "run");
        check_find(&root, "run_2", "run_22");
        check_find(
            &root,
            "ru",
            "3 runs in `ROOT` begin with `ru`: `run`, `run_1`, `run_22` (give more of the id)",
        );
    }

    #[test]
    fn the_latest_run_started_last_as_its_id_says_or_its_first_line() {
        let (_folder, empty) = root(&[]);
        check_find(
            &empty,
            "latest",
            "no run in `ROOT` (start one with `retally start`, or name another root)",
        );
        let (_folder, by_id) = root(&[
            ("run_20241203_143022_project_1", "2030-01-01T00:00:00Z"),
            ("run_20241203_143023_project_1", "2020-01-01T00:00:00Z"),
            ("imported", "2024-12-03T14:30:22.9Z"),
        ]);
        check_find(&by_id, "latest", "run_20241203_143023_project_1");
        let (_folder, by_line) = root(&[
            ("run_20241203_143022_project_1", "2030-01-01T00:00:00Z"),
            ("run_20241399_143022_project_1", "2024-12-03T14:30:23Z"),
            ("also", "2024-12-03T14:30:23Z"),
        ]);
        check_find(&by_line, "latest", "run_20241399_143022_project_1");
    }
}
