mod growth;
mod many_runs;
mod model;
mod silent_system;

use self::silent_system::SilentSystem;
use super::*;
use retally_log::{ManualClock, Timestamp};
use retally_reduce::{RebuildMode, RunFiles, rebuild};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A root with runs, a cache, and a clock that stands still until it is moved.
struct World {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    /// Whether watchers listen to a system that never notifies them.
    is_silent: bool,
    /// How many folders that system listens to.
    folders_max: Arc<AtomicUsize>,
    /// How long their runs are kept in memory.
    rest_after: Duration,
}

impl Drop for World {
    fn drop(&mut self) {
        self.allow_all();
    }
}

impl World {
    fn new() -> Self {
        Self::new_in(&std::env::temp_dir())
    }

    fn new_in(folder: &Path) -> Self {
        let now = SystemClock::new().now();
        let folder = tempfile::tempdir_in(folder).expect("a folder");
        fs::create_dir(folder.path().join("root")).expect("created");
        let clock = Arc::new(ManualClock::new(now));
        Self {
            folder,
            clock,
            is_silent: false,
            folders_max: Arc::new(AtomicUsize::new(usize::MAX)),
            rest_after: REST_AFTER,
        }
    }

    /// A world in memory where the system has that, of which nobody is notified.
    fn silent() -> Self {
        let memory = Path::new("/dev/shm");
        let mut world = match memory.is_dir() {
            true => Self::new_in(memory),
            false => Self::new(),
        };
        world.is_silent = true;
        world
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn segment(&self, run: &str, segment: &str) -> PathBuf {
        self.root()
            .join(run)
            .join("events")
            .join(format!("{segment}.jsonl"))
    }

    /// Appends bytes to a segment, which is made with its run where it is not there.
    fn append(&self, run: &str, segment: &str, bytes: &str) {
        let path = self.segment(run, segment);
        append(&path, bytes).expect("appended");
    }

    /// Gives back all permissions that were taken.
    fn allow_all(&self) {
        allow(self.folder.path());
    }

    fn watcher(&self) -> Watcher {
        let options = WatchOptions {
            cache: Some(self.cache()),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            ..WatchOptions::default()
        };
        let watcher = Watcher::new(Root::new(self.root()), options);
        let mut watcher = watcher.expect("there is no price book");
        if self.is_silent {
            let system = SilentSystem::new(Arc::clone(&self.folders_max));
            watcher.hints = Hints::with_notifier(self.root(), Some(Box::new(system)));
            watcher.around.rest_after = self.rest_after;
        }
        watcher
    }

    /// Lets time pass with a watcher that is told nothing.
    fn pass(&self, watcher: &mut Watcher, seconds: u64) -> Vec<String> {
        let mut said = Vec::new();
        for _ in 0..seconds * 4 {
            self.clock.advance(Duration::from_millis(250));
            said.extend(turn(watcher));
        }
        said
    }

    /// Returns what a rebuild would change.
    fn differences(&self) -> Vec<String> {
        let runs = Root::new(self.root()).runs().expect("readable");
        let prices = Arc::new(PriceBook::built_in());
        let rebuilt = rebuild(&self.root(), &runs, &prices, RebuildMode::DryRun, |_| {});
        let mut differences = Vec::new();
        for run in rebuilt {
            for change in run.changes.expect("readable") {
                let (path, kind) = (change.path.display(), change.kind.as_str());
                let key = change.first_difference.unwrap_or_default();
                differences.push(format!("{}/{path} {kind} {key}", run.run_id));
            }
        }
        differences
    }
}

/// Appends bytes to a file, which is made with its folders where it is not there.
fn append(path: &Path, bytes: &str) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().expect("a folder"))?;
    let mut file = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)?;
    file.write_all(bytes.as_bytes())
}

fn forbid(path: &Path) {
    _ = fs::set_permissions(path, fs::Permissions::from_mode(0o000));
}

/// Gives permissions back to all that is below a folder.
fn allow(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let facts = entry.metadata().expect("there");
        if facts.permissions().mode() & 0o700 == 0 {
            let all = fs::Permissions::from_mode(0o755);
            fs::set_permissions(entry.path(), all).expect("ours");
        }
        if facts.is_dir() {
            allow(&entry.path());
        }
    }
}

/// Has the permissions of files hold for this thread, also where it is root's.
fn give_privileges_up() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let mut sets = capabilities(None).expect("a thread has them");
    let all = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    sets.effective.remove(all);
    set_capabilities(None, sets).expect("giving up is always allowed");
}

/// Says what was counted to prove a promise.
#[expect(clippy::print_stdout, reason = "`just guarantees` prints it")]
fn proved(promise: &str, counts: &str) {
    println!("proved {promise}: {counts}");
}

/// Chooses between the count of every run and that of the soak.
fn quick_or_soak<T>(quick: T, soak: T) -> T {
    match std::env::var_os("RETALLY_SOAK") {
        Some(_) => soak,
        None => quick,
    }
}

/// Looks at what is due, and returns what was said.
fn turn(watcher: &mut Watcher) -> Vec<String> {
    let mut said = Vec::new();
    watcher.turn(&mut |notice| match notice {
        Notice::Turned(_) => {}
        Notice::Updated(update) if update.changes.is_empty() => {}
        Notice::Updated(update) => said.push(format!("updated {}", update.run)),
        Notice::Problem(subject, _) => said.push(format!("problem: {subject}")),
        Notice::Solved(subject) => said.push(format!("solved: {subject}")),
        Notice::Found(run) => said.push(format!("found {run}")),
        Notice::Gone(run) => said.push(format!("gone {run}")),
        Notice::Rewound(run) => said.push(format!("rewound {run}")),
        Notice::NewPrices => said.push("new prices".to_owned()),
    });
    said
}

fn hint(run: &str) -> Hinted {
    Hinted {
        runs: [RunId::new(run).expect("an id")].into(),
        ..Hinted::default()
    }
}

fn line(second: u32, event: &str) -> String {
    format!("{{\"ts\":\"2024-12-03T12:00:{second:02}Z\",\"type\":{event}}}\n")
}

fn note(second: u32, issue: u32) -> String {
    line(
        second,
        &format!(r#""note.added","issue":{issue},"text":"t""#),
    )
}

#[test]
fn what_is_there_is_written_at_once_and_what_comes_within_the_poll() {
    let world = World::new();
    world.append("run_1", "a", &note(1, 1));
    let mut watcher = world.watcher();
    assert_eq!(turn(&mut watcher), ["updated run_1"]);
    world.append("run_1", "a", &note(2, 2));
    world.append("run_2", "a", &note(1, 1));
    assert_eq!(turn(&mut watcher), [""; 0]);
    assert_eq!(
        world.pass(&mut watcher, 1),
        ["found run_2", "updated run_1", "updated run_2"]
    );
    assert_eq!(world.differences(), [""; 0]);
    assert_eq!(world.pass(&mut watcher, 60), [""; 0]);
}

#[test]
fn a_hint_has_the_reports_written_at_once_then_once_per_interval() {
    let world = World::new();
    world.append("run_1", "a", &note(1, 1));
    let mut watcher = world.watcher();
    turn(&mut watcher);
    world.clock.advance(Duration::from_millis(500));
    for (advance, expected) in [(0, 1), (10, 0), (80, 0), (10, 1), (99, 0), (1, 1)] {
        world.clock.advance(Duration::from_millis(advance));
        world.append("run_1", "a", &note(2, 1));
        watcher.take_in(hint("run_1"));
        assert_eq!(turn(&mut watcher).len(), expected, "{advance}");
    }
}

#[test]
fn the_reports_of_a_run_that_goes_on_are_written_twice_a_second_and_at_its_end_at_once() {
    let world = World::new();
    world.append("run_1", "a", &note(1, 1));
    let mut watcher = world.watcher();
    turn(&mut watcher);
    let mut append = |line: &str, milliseconds| {
        world.append("run_1", "a", line);
        watcher.take_in(hint("run_1"));
        world.clock.advance(Duration::from_millis(milliseconds));
        assert_eq!(turn(&mut watcher), ["updated run_1"]);
        world.differences()
    };
    let none = [""; 0];
    for _ in 0..4 {
        let differences = append(&note(2, 1), 100);
        assert_eq!(differences.len(), 1, "{differences:?}");
        assert!(differences[0].starts_with("run_1/run_1_metadata.json"));
    }
    assert_eq!(append(&note(3, 1), 100), none, "after half a second");
    assert_eq!(append(&note(4, 1), 100).len(), 1);
    let end = line(5, r#""run.finished","status":"completed""#);
    assert_eq!(append(&end, 100), none, "at the end");
    assert_eq!(append(&note(6, 1), 100), none, "behind the end");
}

#[test]
fn reports_of_a_run_that_are_owed_are_written_when_nothing_more_comes_or_the_watcher_ends() {
    let world = World::new();
    world.append("run_1", "a", &note(1, 1));
    let mut watcher = world.watcher();
    turn(&mut watcher);
    world.append("run_1", "a", &note(2, 1));
    watcher.take_in(hint("run_1"));
    world.clock.advance(Duration::from_millis(300));
    assert_eq!(turn(&mut watcher), ["updated run_1"]);
    assert_eq!(world.differences().len(), 1);
    assert_eq!(world.pass(&mut watcher, 1), ["updated run_1"]);
    assert_eq!(world.differences(), [""; 0]);
    assert_eq!(world.pass(&mut watcher, 9), [""; 0]);
    for second in [3, 4] {
        world.append("run_1", "a", &note(second, 1));
        watcher.take_in(hint("run_1"));
        world.clock.advance(Duration::from_millis(100));
        assert_eq!(turn(&mut watcher), ["updated run_1"]);
    }
    assert_eq!(world.differences().len(), 1, "owed again");
    watcher.finish(false, &mut |_| {});
    assert_eq!(world.differences(), [""; 0]);
}

#[test]
fn what_cannot_be_written_is_no_less_a_problem_where_reports_of_the_run_were_owed() {
    let world = World::new();
    world.append("run_1", "a", &note(1, 1));
    let mut watcher = world.watcher();
    turn(&mut watcher);
    let mut append = |second, issue| {
        world.append("run_1", "a", &note(second, issue));
        watcher.take_in(hint("run_1"));
        world.clock.advance(Duration::from_millis(100));
        turn(&mut watcher)
    };
    assert_eq!(append(2, 1), ["updated run_1"], "its own are owed");
    let in_the_way = world.root().join("run_1/issues/issue_2_metrics.json");
    fs::create_dir_all(in_the_way.join("x")).expect("created");
    assert_eq!(append(3, 2), ["problem: run `run_1`"]);
    assert_eq!(world.pass(&mut watcher, 5), [""; 0]);
    fs::remove_dir_all(in_the_way).expect("removed");
    let said = world.pass(&mut watcher, 30);
    assert_eq!(said, ["solved: run `run_1`", "updated run_1"]);
    assert_eq!(world.differences(), [""; 0]);
}

#[test]
fn a_run_that_ended_rests_and_wakes_for_what_comes_late() {
    let world = World::new();
    world.append(
        "run_1",
        "a",
        &line(1, r#""run.finished","status":"completed""#),
    );
    world.clock.advance(Duration::from_secs(3600));
    let mut watcher = world.watcher();
    turn(&mut watcher);
    assert_eq!(
        (watcher.status().runs, watcher.status().live),
        (1, 0),
        "it is old"
    );
    world.clock.advance(Duration::from_secs(1));
    world.append("run_1", "b", &note(2, 1));
    watcher.take_in(hint("run_1"));
    assert_eq!(turn(&mut watcher), ["updated run_1"]);
    assert_eq!(watcher.status().live, 1);
    world.pass(&mut watcher, 6);
    assert_eq!((watcher.status().runs, watcher.status().live), (1, 0));
    world.append("run_1", "a", &note(3, 2));
    assert_eq!(
        world.pass(&mut watcher, 31),
        ["updated run_1"],
        "without a hint"
    );
    assert_eq!(world.differences(), [""; 0]);
}

#[test]
fn reports_that_somebody_touched_are_mended_when_a_run_rests_and_at_a_restart() {
    let world = World::new();
    world.append("run_1", "a", &format!("{}{}", note(1, 1), note(1, 2)));
    let mut watcher = world.watcher();
    turn(&mut watcher);
    let issue = world.root().join("run_1/issues/issue_1_metrics.json");
    world.pass(&mut watcher, 601);
    assert_eq!(watcher.status().live, 0);
    fs::write(&issue, "{}").expect("written");
    assert_eq!(world.pass(&mut watcher, 300), ["updated run_1"]);
    assert_eq!(world.differences(), [""; 0]);
    drop(watcher);
    fs::remove_file(&issue).expect("removed");
    assert_eq!(turn(&mut world.watcher()), ["updated run_1"]);
    assert_eq!(world.differences(), [""; 0]);
}

#[test]
fn a_restart_costs_what_is_new() {
    let world = World::new();
    let notes: String = (0..50).map(|issue| note(1, issue)).collect();
    world.append("run_1", "a", &notes);
    world.append("run_2", "a", &notes);
    let restarted = |stop: bool| {
        let mut watcher = world.watcher();
        let said = turn(&mut watcher);
        if stop {
            watcher.finish(false, &mut |_| {});
        }
        (said, watcher.status().entries)
    };
    assert_eq!(restarted(true).1, 100);
    assert_eq!(restarted(false), (vec![], 0), "nothing changed");
    world.append("run_1", "a", &note(2, 7));
    assert_eq!(restarted(false), (vec!["updated run_1".to_owned()], 1));
    assert_eq!(restarted(false).1, 1, "killed before its checkpoint");
    fs::remove_dir_all(world.cache()).expect("removed");
    assert_eq!(restarted(true).1, 101);
    fs::remove_dir_all(world.root().join("run_2")).expect("removed");
    restarted(true);
    let files = fs::read_dir(world.cache().join("checkpoints")).expect("a folder");
    let folder = files.flatten().next().expect("one root").path();
    let names: Vec<_> = fs::read_dir(folder).expect("a folder").flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn how_all_runs_rested_is_kept_in_one_file_that_may_be_lost() {
    let world = World::new();
    for run in ["run_1", "run_2"] {
        world.append(run, "a", &note(1, 1));
    }
    let restarted = |runs: Option<&str>| {
        let mut watcher = world.watcher();
        watcher.only = runs.map(|run| [RunId::new(run).expect("an id")].into());
        let said = turn(&mut watcher);
        watcher.finish(false, &mut |_| {});
        (said.len(), watcher.status().entries)
    };
    let rests = || {
        let files = fs::read_dir(world.cache().join("rests")).expect("a folder");
        files.flatten().next().expect("one root").path()
    };
    let lose_checkpoints = || fs::remove_dir_all(world.cache().join("checkpoints"));
    assert_eq!(restarted(None), (2, 2));
    lose_checkpoints().expect("removed");
    assert_eq!(restarted(None), (0, 0), "nothing changed");
    world.append("run_1", "a", &note(2, 1));
    assert_eq!(restarted(Some("run_1")), (1, 2));
    assert_eq!(restarted(None), (0, 0), "the other run is still known");
    fs::remove_file(world.root().join("run_2/issues/issue_1_metrics.json")).expect("removed");
    assert_eq!(restarted(None), (1, 1));
    let whole = fs::read(rests()).expect("there");
    for part in [0, 20, whole.len() - 1] {
        fs::write(rests(), &whole[..part]).expect("written");
        assert_eq!(restarted(None), (0, 0), "checkpoints say the same");
    }
    lose_checkpoints().expect("removed");
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(rests(), damaged).expect("written");
    assert_eq!(restarted(None), (0, 3), "the logs are folded");
    assert_eq!(world.differences(), [""; 0]);
}

#[test]
fn a_live_run_is_saved_now_and_then() {
    let world = World::new();
    world.append("run_1", "a", &note(1, 1));
    let mut watcher = world.watcher();
    turn(&mut watcher);
    assert!(!world.cache().exists());
    world.pass(&mut watcher, 11);
    world.append("run_1", "a", &note(2, 1));
    let mut restarted = world.watcher();
    turn(&mut restarted);
    assert_eq!(restarted.status().entries, 1);
}

#[test]
fn what_cannot_be_read_or_written_is_said_once_and_tried_again() {
    let world = World::new();
    world.append("run_1", "a", &note(1, 1));
    let issues = world.root().join("run_1/issues");
    fs::write(&issues, "in the way").expect("written");
    let mut watcher = world.watcher();
    assert_eq!(turn(&mut watcher), ["problem: run `run_1`"]);
    assert_eq!(world.pass(&mut watcher, 20), [""; 0]);
    assert_eq!(watcher.status().problems, 1);
    fs::remove_file(&issues).expect("removed");
    assert_eq!(
        world.pass(&mut watcher, 31),
        ["solved: run `run_1`", "updated run_1"]
    );
    let newer = line(1, r#""segment.opened","format":9"#);
    world.append("run_1", "b", &newer);
    assert_eq!(world.pass(&mut watcher, 40), ["problem: run `run_1`"]);
    fs::remove_file(world.segment("run_1", "b")).expect("removed");
    assert_eq!(world.pass(&mut watcher, 31), ["solved: run `run_1`"]);
}

#[test]
fn reports_that_somebody_else_writes_for_long_are_named() {
    let world = World::new();
    world.append("run_1", "a", &note(1, 1));
    let run = RunId::new("run_1").expect("an id");
    let open = || RunFiles::open(&world.root(), &run).expect("a run");
    let lock = open().try_lock().expect("nobody holds it");
    let mut watcher = world.watcher();
    assert_eq!(turn(&mut watcher), [""; 0]);
    assert_eq!(world.pass(&mut watcher, 9), [""; 0]);
    assert_eq!(world.pass(&mut watcher, 20), ["problem: run `run_1`"]);
    drop(lock);
    assert_eq!(
        world.pass(&mut watcher, 31),
        ["solved: run `run_1`", "updated run_1"]
    );
}

#[test]
fn what_was_folded_while_somebody_else_wrote_is_written_next_though_reports_of_the_run_are_owed() {
    let world = World::new();
    world.append("run_1", "a", &note(1, 1));
    let mut watcher = world.watcher();
    turn(&mut watcher);
    let append = |watcher: &mut Watcher, second| {
        world.append("run_1", "a", &note(second, 1));
        watcher.take_in(hint("run_1"));
        world.clock.advance(Duration::from_millis(100));
        turn(watcher)
    };
    assert_eq!(
        append(&mut watcher, 2),
        ["updated run_1"],
        "its own are owed"
    );
    let run = RunId::new("run_1").expect("an id");
    let files = RunFiles::open(&world.root(), &run).expect("a run");
    let lock = files.try_lock().expect("nobody holds it");
    assert_eq!(append(&mut watcher, 3), [""; 0]);
    drop(lock);
    world.clock.advance(Duration::from_millis(20));
    assert_eq!(turn(&mut watcher), ["updated run_1"]);
    let differences = world.differences();
    assert!(
        differences.iter().all(|it| it.contains("metadata")),
        "{differences:?}"
    );
}

#[test]
fn runs_and_roots_that_go_and_come_again_are_followed() {
    let world = World::new();
    world.append("run_1", "a", &note(1, 1));
    let mut watcher = world.watcher();
    turn(&mut watcher);
    let away = world.folder.path().join("away");
    fs::rename(world.root().join("run_1"), &away).expect("renamed");
    assert_eq!(world.pass(&mut watcher, 1), ["gone run_1"]);
    fs::rename(&away, world.root().join("run_1")).expect("renamed");
    world.append("run_1", "a", &note(2, 2));
    assert_eq!(
        world.pass(&mut watcher, 1),
        ["found run_1", "updated run_1"]
    );
    fs::rename(world.root(), &away).expect("renamed");
    assert_eq!(world.pass(&mut watcher, 1), ["gone run_1"]);
    world.append("run_2", "a", &note(1, 1));
    assert_eq!(
        world.pass(&mut watcher, 1),
        ["found run_2", "updated run_2"]
    );
    assert_eq!(watcher.status().runs, 1);
}

#[test]
fn other_prices_have_all_runs_folded_again() {
    let world = World::new();
    let call = r#""llm.called","issue":1,"provider":"p","model":"m","input_tokens":1000000,"output_tokens":0"#;
    world.append("run_1", "a", &line(1, call));
    let mut watcher = world.watcher();
    turn(&mut watcher);
    let book = world.root().join("prices.toml");
    fs::write(&book, "nonsense").expect("written");
    assert_eq!(world.pass(&mut watcher, 1), ["problem: price book"]);
    let prices = "[[price]]\nprovider = \"p\"\nmodel = \"m\"\nvalid_from = 2024-01-01\ninput = 3.0\noutput = 6.0\n";
    fs::write(&book, prices).expect("written");
    let said = world.pass(&mut watcher, 1);
    assert_eq!(said, ["solved: price book", "new prices", "updated run_1"]);
    let report = world.root().join("run_1/issues/issue_1_metrics.json");
    let report = fs::read_to_string(report).expect("readable");
    assert!(report.contains("\"cost_usd\": 3.0"), "{report}");
}

#[test]
fn time_is_the_callers() {
    let world = World::new();
    let before: Timestamp = world.clock.now();
    turn(&mut world.watcher());
    assert_eq!(world.clock.now(), before);
}

#[test]
fn a_log_that_nobody_may_read_is_named_once_and_its_reports_stay() {
    give_privileges_up();
    let world = World::silent();
    world.append("run_1", "a", &note(1, 1));
    let mut watcher = world.watcher();
    turn(&mut watcher);
    let report = world.root().join("run_1/issues/issue_1_metrics.json");
    for place in ["run_1/events/a.jsonl", "run_1/events"] {
        let before = fs::read(&report).expect("readable");
        world.append("run_1", "a", &note(2, 1));
        forbid(&world.root().join(place));
        assert_eq!(
            world.pass(&mut watcher, 40),
            ["problem: run `run_1`"],
            "{place}"
        );
        assert_eq!(fs::read(&report).expect("readable"), before, "{place}");
        world.allow_all();
        let said = world.pass(&mut watcher, 31);
        assert_eq!(said, ["solved: run `run_1`", "updated run_1"], "{place}");
        assert_eq!(world.differences(), [""; 0]);
    }
}

#[test]
fn after_lost_notifications_runs_at_rest_are_looked_at_too() {
    let world = World::silent();
    for run in ["run_1", "run_2"] {
        world.append(run, "a", &note(1, 1));
    }
    let mut watcher = world.watcher();
    turn(&mut watcher);
    world.pass(&mut watcher, 601);
    assert_eq!(watcher.status().live, 0);
    for run in ["run_1", "run_2", "run_3"] {
        world.append(run, "b", &note(2, 1));
    }
    let everything = true;
    watcher.take_in(Hinted {
        everything,
        ..Hinted::default()
    });
    let expected = [
        "found run_3",
        "updated run_1",
        "updated run_2",
        "updated run_3",
    ];
    assert_eq!(turn(&mut watcher), expected);
}
