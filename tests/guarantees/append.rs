//! What an append promises, whoever dies, stops or writes beside it.

use super::child::{Child, End, Reporter};
use super::random::Random;
use super::{proved, quick_or_soak};
use retally_log::{
    Content, Damage, Entry, Event, LogReader, NoteAdded, Root, RunDir, RunId, Writer, WriterOptions,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long the text of the event of a number is.
type TextBytes = fn(u32) -> usize;

/// A run in a folder that goes when this does.
struct TestRun {
    _folder: tempfile::TempDir,
    run: RunDir,
}

impl TestRun {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let id = RunId::new("run_1").expect("an id");
        let run = Root::new(folder.path()).create_run(&id).expect("created");
        Self {
            _folder: folder,
            run,
        }
    }

    fn writer(&self) -> Writer {
        Writer::new(self.run.clone(), WriterOptions::default())
    }

    /// Forks a process that appends notes of this many bytes until it is killed or has appended
    /// `events`, and reports each once it is acknowledged.
    fn fork_writer(&self, name: &str, text_bytes: TextBytes, events: u32) -> Child {
        Child::fork(|reporter| append_notes(&self.writer(), name, text_bytes, events, reporter))
    }
}

fn append_notes(
    writer: &Writer,
    name: &str,
    text_bytes: TextBytes,
    events: u32,
    reporter: &mut Reporter,
) {
    for event in 0..events {
        let text = format!("{name}/{event} {}", "x".repeat(text_bytes(event)));
        let (issue, agent) = (None, None);
        let text = text.into();
        writer
            .append(NoteAdded { text, issue, agent })
            .expect("appended");
        reporter.report(event);
    }
}

/// What stands in a log.
#[derive(Default)]
struct Found {
    /// The numbers of the notes of each writer, by segment in the order of reading.
    notes: BTreeMap<String, BTreeMap<String, Vec<u32>>>,
    /// Who wrote each segment, one after the other.
    writers: BTreeMap<String, Vec<String>>,
    events: u64,
    torn: u64,
    segments: BTreeSet<String>,
}

impl Found {
    fn read(run: &RunDir) -> Self {
        let mut found = Self::default();
        let mut log = LogReader::open(run.events_path()).expect("readable");
        while log
            .next(|entry| found.take_in(entry))
            .expect("readable")
            .is_some()
        {}
        found
    }

    fn take_in(&mut self, entry: Entry<'_>) {
        let Entry::Stretch(place, content) = entry else {
            panic!("nobody writes any more");
        };
        self.segments.insert(place.segment.to_string());
        match content {
            Content::Event(logged) => {
                let Event::NoteAdded(note) = &logged.envelope.event else {
                    panic!("nobody appended it");
                };
                let name = note.text.split(' ').next().expect("not empty");
                let (writer, number) = name.split_once('/').expect("a writer and a number");
                let number = number.parse().expect("a number");
                let writers = self.writers.entry(place.segment.to_string()).or_default();
                if writers.last().is_none_or(|last| last != writer) {
                    writers.push(writer.to_owned());
                }
                let by_segment = self.notes.entry(writer.to_owned()).or_default();
                by_segment
                    .entry(place.segment.to_string())
                    .or_default()
                    .push(number);
                self.events += 1;
            }
            Content::Opened(_) => {}
            Content::Damage(
                Damage::Torn | Damage::Checksum | Damage::NotJson(_) | Damage::TooLong,
            ) => {
                self.torn += 1;
            }
            other => panic!("{}: {other:?}", place.segment),
        }
    }

    /// Checks that a writer's notes stand once each, in their order, up to the last that was
    /// acknowledged, and at most one more.
    fn check(&self, writer: &str, acknowledged: u32) {
        let by_segment = self.notes.get(writer);
        let notes: Vec<u32> = by_segment
            .into_iter()
            .flat_map(BTreeMap::values)
            .flatten()
            .copied()
            .collect();
        let mut sorted = notes.clone();
        sorted.sort_unstable();
        let count = u32::try_from(notes.len()).expect("few");
        assert_eq!(sorted, Vec::from_iter(0..count), "{writer}");
        assert!(
            (acknowledged..=acknowledged + 1).contains(&count),
            "{writer}: {count} of {acknowledged}"
        );
        let in_order = |notes: &Vec<u32>| notes.is_sorted();
        assert!(
            by_segment
                .into_iter()
                .flat_map(BTreeMap::values)
                .all(in_order),
            "{writer}"
        );
    }
}

/// Waits until a writer is in the midst of a write: files grow page by page.
fn wait_for_growth(run: &RunDir) {
    let bytes = || {
        run.segment_bytes()
            .map(|sizes| sizes.into_values().sum::<u64>())
            .ok()
    };
    let (before, start) = (bytes(), Instant::now());
    while bytes() == before && start.elapsed() < Duration::from_millis(20) {}
}

fn wait(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
#[ignore = "10,000 kills: `just guarantees` runs it"]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    const KILLS_A_RUN: u64 = 50;
    let sizes: [(TextBytes, u64); 5] = [
        (|_| 10, 4_000),
        (|_| 150, 3_000),
        (|_| 5_000, 2_000),
        (|_| 70_000, 800),
        (|_| 1_000_000, 200),
    ];
    let mut random = Random::new(1);
    let (mut kills, mut acknowledged, mut torn) = (0_u64, 0_u64, 0_u64);
    for (text_bytes, count) in sizes {
        for _ in 0..quick_or_soak(count, 10 * count) / KILLS_A_RUN {
            let test = TestRun::new();
            let mut reported = BTreeMap::new();
            for round in 0..KILLS_A_RUN {
                let name = format!("w{round}");
                let mut child = test.fork_writer(&name, text_bytes, u32::MAX);
                // Some die before their first event stands, the others in the midst of some later.
                let first = random.below(4) > 0 && child.next_report().is_some();
                match round % 2 {
                    0 => wait(Duration::from_micros(random.below(400))),
                    _ => wait_for_growth(&test.run),
                }
                let rest = child.kill().len() + usize::from(first);
                reported.insert(name, u32::try_from(rest).expect("few"));
            }
            let found = Found::read(&test.run);
            for (name, count) in &reported {
                found.check(name, *count);
                acknowledged += u64::from(*count);
            }
            kills += KILLS_A_RUN;
            torn += found.torn;
        }
    }
    assert!(torn > 0, "no kill hit a write");
    proved(
        "A1",
        &format!("{kills} kills, {acknowledged} acknowledged events, {torn} torn lines"),
    );
}

#[test]
#[ignore = "400,000 events: `just guarantees` runs it"]
fn writers_at_once_tear_lose_and_mix_nothing() {
    const WRITERS: u32 = 8;
    let events = quick_or_soak(50_000, 1_000_000);
    let test = TestRun::new();
    let text_bytes = |event| match event % 1000 {
        0 => 1_000_000,
        1..10 => 20_000,
        10..500 => 10,
        _ => 150,
    };
    let names: Vec<_> = (0..WRITERS).map(|writer| format!("w{writer}")).collect();
    let children = names
        .iter()
        .map(|name| test.fork_writer(name, text_bytes, events));
    for mut child in children.collect::<Vec<_>>() {
        while child.next_report().is_some() {}
        assert_eq!(child.wait(), End::Exited(0));
    }
    let found = Found::read(&test.run);
    for name in &names {
        found.check(name, events);
    }
    for (segment, writers) in &found.writers {
        // A segment that its writer left behind may be continued, but never shared.
        let each_once: BTreeSet<_> = writers.iter().collect();
        assert_eq!(each_once.len(), writers.len(), "{segment}: {writers:?}");
    }
    assert_eq!((found.torn, found.events), (0, u64::from(WRITERS * events)));
    proved("C1", &format!("{WRITERS} writers, {} events", found.events));
}

#[test]
#[ignore = "1,500 kills: `just guarantees` runs it"]
fn the_death_of_a_writer_harms_no_other_and_nobody_who_takes_its_segment() {
    const WRITERS: usize = 4;
    let restarts = quick_or_soak(1_500, 15_000);
    let text_bytes = |event| [10, 150, 5_000, 70_000][event as usize % 4];
    let mut random = Random::new(2);
    let (mut torn, mut acknowledged, mut segments) = (0, 0_u64, 0);
    for _ in 0..restarts / 50 {
        let test = TestRun::new();
        let start = |number: usize| {
            let name = format!("w{number}");
            (name.clone(), test.fork_writer(&name, text_bytes, u32::MAX))
        };
        let mut reported = BTreeMap::new();
        let mut running: Vec<_> = (0..WRITERS).map(start).collect();
        for number in WRITERS..WRITERS + 50 {
            let at = usize::try_from(random.below(WRITERS as u64)).expect("few");
            let (name, mut child) = std::mem::replace(&mut running[at], start(number));
            let first = child.next_report().is_some();
            match number % 2 {
                0 => wait(Duration::from_micros(random.below(300))),
                _ => wait_for_growth(&test.run),
            }
            reported.insert(name, child.kill().len() + usize::from(first));
        }
        for (name, child) in running {
            reported.insert(name, child.kill().len());
        }
        let found = Found::read(&test.run);
        for (name, count) in reported {
            found.check(&name, u32::try_from(count).expect("few"));
            acknowledged += count as u64;
        }
        torn += found.torn;
        segments += found.segments.len();
    }
    assert!(torn > 0, "no kill hit a write");
    assert!(segments < restarts, "segments are gone on with");
    let counts = format!(
        "{WRITERS} writers, {restarts} kills, {acknowledged} acknowledged events, {torn} torn lines, {segments} segments"
    );
    proved("C2", &counts);
}

#[test]
fn a_stopped_writer_delays_nobody() {
    let rounds = quick_or_soak(30, 1_000);
    let test = TestRun::new();
    let mut random = Random::new(3);
    let mut stopped = Vec::new();
    for round in 0..rounds {
        let mut child = test.fork_writer(&format!("stopped{round}"), |_| 900_000, u32::MAX);
        assert_eq!(child.next_report(), Some(0));
        wait(Duration::from_micros(random.below(500)));
        child.signal(libc::SIGSTOP);
        // Were it in the others' way, they would never end.
        let name = format!("other{round}");
        let mut other = test.fork_writer(&name, |_| 100, 100);
        while other.next_report().is_some() {}
        assert_eq!(other.wait(), End::Exited(0));
        stopped.push(child);
        if stopped.len() == 5 {
            stopped.clear();
        }
    }
    drop(stopped);
    let found = Found::read(&test.run);
    for round in 0..rounds {
        found.check(&format!("other{round}"), 100);
    }
    proved(
        "C3",
        &format!("{rounds} writers stopped in the midst of appends"),
    );
}

#[test]
fn runs_that_start_in_the_same_instant_have_ids_of_their_own() {
    const PROCESSES: u32 = 8;
    let runs = quick_or_soak(500, 12_500);
    let folder = tempfile::tempdir().expect("a folder");
    let root = Root::new(folder.path());
    let wanted = RunId::new("run_20241203_143022_project_1").expect("an id");
    let create_all = |reporter: &mut Reporter| {
        for number in 0..runs {
            let run = root.create_run(&wanted).expect("created");
            // Two that got one id would both find the mark of the other missing.
            let mark = run.path().join("mark");
            std::fs::File::create_new(mark).expect("nobody else has this run");
            reporter.report(number);
        }
    };
    let children: Vec<_> = (0..PROCESSES).map(|_| Child::fork(create_all)).collect();
    for mut child in children {
        while child.next_report().is_some() {}
        assert_eq!(child.wait(), End::Exited(0));
    }
    let folders = root.folders().expect("readable");
    assert_eq!(folders.len(), (PROCESSES * runs) as usize);
    proved(
        "C4",
        &format!(
            "{PROCESSES} processes, {} runs of one instant",
            PROCESSES * runs
        ),
    );
}
