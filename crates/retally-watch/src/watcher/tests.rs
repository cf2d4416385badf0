use super::*;
use proptest::prelude::*;
use retally_log::{ManualClock, Timestamp};
use retally_reduce::{RebuildMode, RunFiles, rebuild};
use std::fs;
use std::io::Write;

/// A root with runs, a cache, and a clock that stands still until it is moved.
struct World {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl World {
    fn new() -> Self {
        let now = SystemClock::new().now();
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("root")).expect("created");
        let clock = Arc::new(ManualClock::new(now));
        Self { folder, clock }
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
        fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        let file = fs::OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut file| file.write_all(bytes.as_bytes()))
            .expect("appended");
    }

    fn watcher(&self) -> Watcher {
        let options = WatchOptions {
            cache: Some(self.cache()),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            ..WatchOptions::default()
        };
        Watcher::new(Root::new(self.root()), options).expect("there is no price book")
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
            watcher.finish(&mut |_| {});
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

/// Something that happens to a root.
#[derive(Clone, Debug)]
enum Happening {
    /// A line of this second is appended to a segment, whole or torn.
    Append(u8, u8, u32, u8, bool),
    /// A notification comes.
    Hint(u8),
    /// Notifications are lost, and that is told.
    Overflow,
    /// Time passes, in milliseconds.
    Pass(u64),
    /// A watcher is killed and another started.
    Kill(bool),
    /// A watcher ends as it should, and another is started.
    Stop(bool),
    LoseCheckpoints,
    Rebuild,
    /// A segment is cut to a part of its length.
    Cut(u8, u8, u8),
    /// A segment is removed.
    Remove(u8, u8),
    /// A segment is written anew in its place, with fewer, as many or more bytes.
    Rewrite(u8, u8, u8),
    /// A run is moved away, or back.
    Move(u8),
    /// Somebody removes or changes a report.
    Touch(u8, bool),
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    let (run, segment) = (0..3_u8, 0..3_u8);
    let append = (
        run.clone(),
        segment.clone(),
        10..60_u32,
        0..8_u8,
        prop::bool::weighted(0.15),
    );
    prop_oneof![
        12 => append.prop_map(|(run, segment, second, kind, torn)| Append(run, segment, second, kind, torn)),
        4 => run.clone().prop_map(Hint),
        1 => Just(Overflow),
        6 => prop_oneof![1..200_u64, 200..20_000_u64].prop_map(Pass),
        1 => any::<bool>().prop_map(Kill),
        1 => any::<bool>().prop_map(Stop),
        1 => Just(LoseCheckpoints),
        1 => Just(Rebuild),
        1 => (run.clone(), segment.clone(), 0..100_u8).prop_map(|(run, segment, part)| Cut(run, segment, part)),
        1 => (run.clone(), segment.clone()).prop_map(|(run, segment)| Remove(run, segment)),
        1 => (run.clone(), segment, 0..6_u8).prop_map(|(run, segment, lines)| Rewrite(run, segment, lines)),
        1 => run.clone().prop_map(Move),
        1 => (run, any::<bool>()).prop_map(|(run, removes)| Touch(run, removes)),
    ]
}

fn event(kind: u8, second: u32) -> String {
    let issue = second % 3;
    let event = match kind {
        0 => format!(r#""issue.started","issue":{issue}"#),
        1 => format!(r#""issue.finished","issue":{issue},"status":"completed""#),
        2 => format!(r#""agent.started","issue":{issue},"agent":"coding""#),
        3 => format!(r#""agent.finished","issue":{issue},"agent":"coding","success":false"#),
        4 => format!(r#""tool.called","issue":{issue},"tool":"sh","key":"k{second}""#),
        5 => r#""run.finished","status":"failed""#.to_owned(),
        6 => format!(r#""agent.finished","issue":{issue}"#),
        _ => format!(r#""note.added","issue":{issue},"text":"{second}""#),
    };
    line(second, &event)
}

impl Happening {
    fn come_true(&self, world: &World, watchers: &mut [Watcher; 2]) {
        let run = |number: u8| format!("run_{number}");
        let segment =
            |run_: u8, number: u8| world.segment(&run(run_), ["a", "b", "c"][usize::from(number)]);
        match *self {
            Self::Append(at, part, second, kind, torn) => {
                let line = event(kind, second);
                let length = if torn { line.len() / 2 } else { line.len() };
                world.append(
                    &run(at),
                    ["a", "b", "c"][usize::from(part)],
                    &line[..length],
                );
            }
            Self::Hint(at) => watchers
                .iter_mut()
                .for_each(|it| it.take_in(hint(&run(at)))),
            Self::Overflow => {
                let everything = true;
                let lost = Hinted {
                    everything,
                    ..Hinted::default()
                };
                watchers.iter_mut().for_each(|it| it.take_in(lost.clone()));
            }
            Self::Pass(millis) => {
                world.clock.advance(Duration::from_millis(millis));
                watchers.iter_mut().for_each(|it| _ = turn(it));
            }
            Self::Kill(first) => watchers[usize::from(first)] = world.watcher(),
            Self::Stop(first) => {
                let stopped = &mut watchers[usize::from(first)];
                stopped.finish(&mut |_| {});
                *stopped = world.watcher();
            }
            Self::LoseCheckpoints => _ = fs::remove_dir_all(world.cache()),
            Self::Rebuild => {
                let runs = Root::new(world.root()).runs().expect("readable");
                let prices = Arc::new(PriceBook::built_in());
                rebuild(&world.root(), &runs, &prices, RebuildMode::Write, |_| {});
            }
            Self::Cut(at, part, percent) => {
                let file = fs::OpenOptions::new().write(true).open(segment(at, part));
                if let Ok(file) = file {
                    let bytes = file.metadata().expect("open").len();
                    file.set_len(bytes * u64::from(percent) / 100).expect("cut");
                }
            }
            Self::Remove(at, part) => _ = fs::remove_file(segment(at, part)),
            Self::Rewrite(at, part, lines) => {
                let path = segment(at, part);
                if path.exists() {
                    let lines: String = (0..lines).map(|n| event(n, 20 + u32::from(n))).collect();
                    fs::write(path, lines).expect("rewritten");
                }
            }
            Self::Move(at) => {
                let (here, away) = (
                    world.root().join(run(at)),
                    world.folder.path().join(run(at)),
                );
                if here.exists() && !away.exists() {
                    fs::rename(here, away).expect("moved");
                } else if !here.exists() && away.exists() {
                    fs::rename(away, here).expect("moved");
                }
            }
            Self::Touch(at, removes) => {
                let folder = world.root().join(run(at)).join("issues");
                let file = folder.join("issue_1_metrics.json");
                if removes {
                    _ = fs::remove_dir_all(folder);
                } else if file.exists() {
                    fs::write(file, "{}").expect("written");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Property: whatever happened to logs, reports, watchers and notifications, once writers are
    /// quiet the report files are those of a rebuild.
    #[test]
    fn once_writers_are_quiet_the_files_are_those_of_a_rebuild(
        happenings in proptest::collection::vec(happening(), 1..60)
    ) {
        let world = World::new();
        let mut watchers = [world.watcher(), world.watcher()];
        for happening in &happenings {
            happening.come_true(&world, &mut watchers);
        }
        // Longer than a run is kept without a change, after which all its files are compared.
        for _ in 0..100 {
            world.clock.advance(Duration::from_secs(10));
            watchers.iter_mut().for_each(|it| _ = turn(it));
        }
        prop_assert_eq!(world.differences(), Vec::<String>::new());
        let everything = watchers[0].catch_up(&mut |_| {});
        prop_assert_eq!(everything.problems, 0);
    }
}

#[test]
fn time_is_the_callers() {
    let world = World::new();
    let before: Timestamp = world.clock.now();
    turn(&mut world.watcher());
    assert_eq!(world.clock.now(), before);
}
