//! What report files promise, whoever reads, writes, kills or swaps meanwhile.

use super::child::{Child, End};
use super::random::Random;
use super::{proved, quick_or_soak};
use retally_log::{Draft, Root, RunDir, RunId, Writer, WriterOptions};
use retally_reduce::{PriceBook, RebuildMode, RunFiles, RunFold, RunState, rebuild, to_json_bytes};
use retally_watch::{WatchOptions, Watcher};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A root with one run, and a folder outside of it.
struct TestRoot {
    folder: tempfile::TempDir,
    run: RunDir,
}

impl TestRoot {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Root::new(folder.path().join("root"));
        fs::create_dir(root.path()).expect("created");
        let run = root.create_run(&RunId::new("run_1").expect("an id"));
        let run = run.expect("created");
        Self { folder, run }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn writer(&self) -> Writer {
        Writer::new(self.run.clone(), WriterOptions::default())
    }

    fn fold(&self) -> RunFold {
        let prices = Arc::new(PriceBook::built_in());
        RunFold::open(&self.root(), self.run.id(), prices).expect("readable")
    }

    /// Returns what the log says so far.
    fn state(&self) -> RunState {
        let mut fold = self.fold();
        fold.catch_up().expect("readable");
        fold.into_state()
    }

    fn write(&self, state: &RunState) {
        let files = RunFiles::open(&self.root(), self.run.id()).and_then(RunFiles::lock);
        files.and_then(|files| files.write(state)).expect("written");
    }

    /// Fails unless a rebuild would change nothing.
    fn check_rebuilt(&self) {
        let prices = Arc::new(PriceBook::built_in());
        let runs = [self.run.id().clone()];
        let rebuilt = rebuild(&self.root(), &runs, &prices, RebuildMode::DryRun, |_| {});
        assert_eq!(rebuilt[0].changes.as_ref().expect("readable"), &[]);
    }

    /// Returns the names of files that a writer has not brought to their place.
    fn leftovers(&self) -> Vec<String> {
        let folders = [self.run.path().to_owned(), self.run.path().join("issues")];
        let entries = folders
            .iter()
            .flat_map(|it| fs::read_dir(it).into_iter().flatten().flatten());
        let names = entries.map(|entry| entry.file_name().into_string().expect("UTF-8"));
        names.filter(|name| name.starts_with('.')).collect()
    }
}

fn append(writer: &Writer, json: &str) {
    let draft = Draft::from_json(json.as_bytes()).expect("an event");
    writer.append(draft).expect("appended");
}

/// A run with two states, of which each has a report that takes several writes of a page.
struct TwoStates {
    test: TestRoot,
    states: [RunState; 2],
    report: PathBuf,
    reports: [Vec<u8>; 2],
}

impl TwoStates {
    fn new() -> Self {
        let test = TestRoot::new();
        let writer = test.writer();
        let text = "x".repeat(600);
        let append_notes = || {
            for _ in 0..8 {
                let note = format!(r#"{{"type":"note.added","issue":1,"text":"{text}"}}"#);
                append(&writer, &note);
            }
            test.state()
        };
        let states = [append_notes(), append_notes()];
        let report = test.run.path().join("issues/issue_1_metrics.json");
        let bytes = |state: &RunState| to_json_bytes(&state.issue_report(&1_u64.into()));
        let reports = [bytes(&states[0]), bytes(&states[1])];
        test.write(&states[0]);
        Self {
            test,
            states,
            report,
            reports,
        }
    }

    /// Fails unless the report stands there, whole, in its old or its new form.
    fn check(&self) {
        let found = fs::read(&self.report).expect("a report stands there");
        let is_whole = self.reports.contains(&found);
        assert!(is_whole, "{} bytes stand there", found.len());
    }
}

#[test]
#[ignore = "200,000 reads: `just guarantees` runs it"]
fn whoever_reads_a_report_finds_a_whole_one() {
    let reads = quick_or_soak(200_000, 5_000_000);
    let it = TwoStates::new();
    let mut writer = Child::fork(|reporter| {
        for round in 0.. {
            it.test.write(&it.states[round as usize % 2]);
            reporter.report(round);
        }
    });
    for _ in 0..reads {
        it.check();
    }
    assert!(writer.next_report().is_some());
    let writes = writer.kill().len() + 1;
    assert!(writes > 100, "{writes} writes are few");
    proved(
        "F1",
        &format!("{reads} reads during {writes} writes: 0 partial"),
    );
}

#[test]
#[ignore = "10,000 kills: `just guarantees` runs it"]
fn whenever_its_writer_is_killed_a_whole_report_stands_and_nothing_is_left_by_the_next() {
    let kills = quick_or_soak(10_000, 200_000);
    let it = TwoStates::new();
    let mut random = Random::new(5);
    let (mut torn, mut writes) = (0, 0);
    for kill in 0..kills {
        let mut writer = Child::fork(|reporter| {
            for round in kill.. {
                it.test.write(&it.states[round as usize % 2]);
                reporter.report(round);
            }
        });
        if random.below(4) == 0 {
            writes += usize::from(writer.next_report().is_some());
        }
        let (start, wait) = (Instant::now(), Duration::from_micros(random.below(1_500)));
        while start.elapsed() < wait {
            std::hint::spin_loop();
        }
        writes += writer.kill().len();
        it.check();
        if !it.test.leftovers().is_empty() {
            torn += 1;
            it.test.write(&it.states[kill as usize % 2]);
            assert_eq!(it.test.leftovers(), [""; 0]);
        }
    }
    assert!(torn > 0, "no kill hit a write");
    proved("F1", &format!("{kills} kills during {writes} writes"));
    proved(
        "F2",
        &format!("{torn} kills left a temporary file, the next writer none"),
    );
}

#[test]
fn reports_that_power_loss_cut_or_emptied_are_written_again() {
    let test = TestRoot::new();
    append(&test.writer(), r#"{"type":"issue.started","issue":1}"#);
    append(
        &test.writer(),
        r#"{"type":"run.finished","status":"completed"}"#,
    );
    test.fold().update_files().expect("written");
    let mut cases = 0;
    for name in [
        "issues/issue_1_metrics.json",
        "run_1_metadata.json",
        "run_1_final.json",
    ] {
        let path = test.run.path().join(name);
        let whole = fs::read(&path).expect("written");
        let cuts = (0..whole.len()).step_by(quick_or_soak(40, 1));
        let mut losses: Vec<_> = cuts.map(|length| whole[..length].to_vec()).collect();
        losses.push(vec![0; whole.len()]);
        for lost in losses {
            // A checkpoint says that all was current; then the power went.
            let watch = || {
                let cache = Some(test.folder.path().join("cache"));
                let options = WatchOptions {
                    cache,
                    ..WatchOptions::default()
                };
                let watcher = Watcher::new(Root::new(test.root()), options);
                watcher.expect("no price book").catch_up(&mut |_| {});
            };
            watch();
            fs::write(&path, &lost).expect("written");
            watch();
            assert_eq!(fs::read(&path).expect("written again"), whole, "{name}");
            fs::write(&path, &lost).expect("written");
            test.fold().update_files().expect("written");
            assert_eq!(fs::read(&path).expect("written again"), whole, "{name}");
            cases += 1;
        }
    }
    proved(
        "F1",
        &format!("{cases} reports cut, emptied or zeroed, each mended by watch and by rebuild"),
    );
}

#[test]
#[ignore = "4 processes at once: `just guarantees` runs it"]
fn any_number_of_report_writers_at_once_collide_never_and_put_nothing_older_in_place() {
    const WRITERS: usize = 4;
    let events = quick_or_soak(3_000, 100_000_u64);
    let test = TestRoot::new();
    let event = r#"{"type":"tool.called","issue":1,"tool":"sh"}"#;
    append(&test.writer(), event);
    test.fold().update_files().expect("written");
    let keep_up = || {
        Child::fork(|reporter| {
            let mut fold = test.fold();
            for round in 0.. {
                fold.update_files().expect("written");
                reporter.report(round);
            }
        })
    };
    let mut children: Vec<_> = (0..WRITERS).map(|_| keep_up()).collect();
    let appending = Child::fork(|_| {
        let writer = test.writer();
        for _ in 0..events {
            append(&writer, event);
            std::thread::sleep(Duration::from_micros(500));
        }
    });
    let report = test.run.path().join("run_1_metadata.json");
    let (mut calls, mut reads) = (0, 0);
    while calls <= events {
        let bytes = fs::read(&report).expect("it always stands there");
        let metadata: serde_json::Value = serde_json::from_slice(&bytes).expect("a whole one");
        let now = metadata["tool_calls"].as_u64().expect("a number");
        assert!(now >= calls, "{now} calls replaced {calls}");
        (calls, reads) = (now, reads + 1);
    }
    let mut appending = appending;
    assert_eq!(appending.wait(), End::Exited(0));
    let mut writes = 0;
    for child in &mut children {
        assert!(child.next_report().is_some());
    }
    for child in children {
        writes += child.kill().len() + 1;
    }
    test.fold().update_files().expect("written");
    assert_eq!(test.leftovers(), [""; 0]);
    test.check_rebuilt();
    let counts = format!(
        "{WRITERS} writers at once, {writes} updates, {reads} reads: none older than the one before"
    );
    proved("F2", &counts);
}

/// All that is below a folder: names, bytes, and when they were changed.
type Snapshot = BTreeMap<PathBuf, (Vec<u8>, i64, i64)>;

fn snapshot(folder: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    let facts = fs::symlink_metadata(folder).expect("there");
    let bytes = match facts.is_file() {
        true => fs::read(folder).expect("readable"),
        false => Vec::new(),
    };
    found.insert(
        folder.to_owned(),
        (bytes, facts.mtime(), facts.mtime_nsec()),
    );
    if facts.is_dir() {
        for entry in fs::read_dir(folder).expect("readable") {
            found.extend(snapshot(&entry.expect("readable").path()));
        }
    }
    found
}

/// A run, and outside of the root all that a link in it could lead a writer of reports to.
struct Trap {
    test: TestRoot,
    outside: PathBuf,
}

impl Trap {
    fn new() -> Self {
        let test = TestRoot::new();
        let writer = test.writer();
        append(
            &writer,
            r#"{"type":"issue.finished","issue":1,"status":"completed"}"#,
        );
        append(&writer, r#"{"type":"run.finished","status":"completed"}"#);
        let outside = test.folder.path().join("outside");
        fs::create_dir_all(outside.join("issues")).expect("created");
        fs::create_dir_all(outside.join("events")).expect("created");
        for name in [
            "events/a.jsonl",
            "issues/issue_1_metrics.json",
            "issues/issue_9_report.json",
            "run_1_metadata.json",
            "precious",
            ".retally-1-0.tmp",
        ] {
            fs::write(outside.join(name), "{}\n").expect("written");
        }
        Self { test, outside }
    }

    /// Each place in a run where a link may stand, with where it leads to.
    fn places(&self) -> Vec<(PathBuf, PathBuf)> {
        let (run, outside) = (self.test.run.path(), &self.outside);
        let own = format!("issues/.retally-{}-0.tmp", std::process::id());
        let to_file = |name: &str| (run.join(name), outside.join("precious"));
        vec![
            (run.to_owned(), outside.clone()),
            (run.join("issues"), outside.join("issues")),
            (run.join("events"), outside.join("events")),
            to_file("issues/issue_1_metrics.json"),
            to_file("issues/issue_1_report.json"),
            to_file("issues/issue_9_report.json"),
            to_file("run_1_metadata.json"),
            to_file("run_1_final.json"),
            to_file(".retally-1-0.tmp"),
            to_file(&own),
        ]
    }

    /// Writes all reports as far as it can be done.
    fn try_to_write(&self) -> bool {
        let prices = Arc::new(PriceBook::built_in());
        let fold = RunFold::open(&self.test.root(), self.test.run.id(), prices);
        fold.is_ok_and(|mut fold| fold.update_files().is_ok())
    }
}

#[test]
fn a_link_anywhere_in_a_run_is_not_followed() {
    let mut places = 0;
    for at in 0..Trap::new().places().len() {
        let trap = Trap::new();
        trap.test.fold().update_files().expect("written");
        let (place, target) = &trap.places()[at];
        let away = trap.test.folder.path().join("away");
        _ = fs::rename(place, &away);
        symlink(target, place).expect("a link");
        let before = snapshot(&trap.outside);
        trap.try_to_write();
        let mut watcher = Watcher::new(Root::new(trap.test.root()), WatchOptions::default())
            .expect("no price book");
        watcher.catch_up(&mut |_| {});
        assert_eq!(snapshot(&trap.outside), before, "{}", place.display());
        places += 1;
    }
    proved("F5", &format!("links at {places} places"));
}

/// Puts a link into the place of a file or folder and takes it away again, at once; returns how
/// often that could be done.
fn swap(place: &Path, target: &Path, link: &Path) -> u64 {
    let swapped = |_: &i32| renameat_with(CWD, link, CWD, place, RenameFlags::EXCHANGE).is_ok();
    let swaps = (0..2).filter(swapped).count();
    // Reports are written in the place of links, so that the way back brought a report.
    if fs::symlink_metadata(link).is_ok_and(|facts| facts.is_file()) {
        _ = fs::remove_file(link);
        _ = symlink(target, link);
    }
    swaps as u64
}

#[test]
#[ignore = "100,000 swaps: `just guarantees` runs it"]
fn links_that_are_swapped_in_while_reports_are_written_lead_nobody_outside() {
    let swaps_min = quick_or_soak(100_000, 5_000_000_u64);
    let trap = Trap::new();
    trap.test.fold().update_files().expect("written");
    let before = snapshot(&trap.outside);
    let links = trap.test.folder.path().join("links");
    fs::create_dir(&links).expect("created");
    // A name of a temporary file that no writer has is in nobody's way.
    let places: Vec<_> = trap
        .places()
        .into_iter()
        .filter(|(place, _)| place.exists())
        .collect();
    for (at, (_, target)) in places.iter().enumerate() {
        symlink(target, links.join(at.to_string())).expect("a link");
    }
    let is_over = AtomicBool::new(false);
    let (mut written, mut refused) = (0, 0);
    let swaps = std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            let (mut random, mut swaps) = (Random::new(9), 0);
            while !is_over.load(Ordering::Relaxed) || swaps < swaps_min {
                let at = usize::try_from(random.below(places.len() as u64)).expect("few");
                let (place, target) = &places[at];
                swaps += swap(place, target, &links.join(at.to_string()));
            }
            swaps
        });
        while written + refused < 2_000 || !swapping.is_finished() {
            // Somebody took a report away, so that there is something to write.
            _ = fs::remove_file(trap.test.run.path().join("run_1_final.json"));
            match trap.try_to_write() {
                true => written += 1,
                false => refused += 1,
            }
            is_over.store(written + refused >= 2_000, Ordering::Relaxed);
        }
        swapping.join().expect("it swaps")
    });
    assert!(
        written > 0 && refused > 0,
        "{written} written, {refused} refused"
    );
    assert_eq!(snapshot(&trap.outside), before);
    proved(
        "F5",
        &format!("{swaps} swaps during {written} updates and {refused} that were refused"),
    );
}
