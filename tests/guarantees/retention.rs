//! What archiving and purging promise, whenever they die.

use super::child::{Child, End};
use super::random::Random;
use super::{proved, quick_or_soak};
use retally_log::{
    Content, Entry, LogReader, NoteAdded, Root, RunDir, RunId, RunStatus, Writer, WriterOptions,
};
use std::path::Path;
use std::time::{Duration, Instant};

fn new_run(root: &Path, segments: usize, events: usize) -> RunDir {
    let id = RunId::new("run_1").expect("an id");
    let run = Root::new(root).create_run(&id).expect("created");
    // In a process of its own: what other tests fork would keep the locks of its segments.
    let mut writing = Child::fork(|_| {
        let writer = |_| Writer::new(run.clone(), WriterOptions::default());
        let writers: Vec<_> = (0..segments).map(writer).collect();
        for event in 0..events {
            let text = format!("{event} {}", "x".repeat(event % 700)).into();
            let (issue, agent) = (None, None);
            let note = NoteAdded { text, issue, agent };
            writers[event % segments].append(note).expect("appended");
        }
        writers[0].finish(RunStatus::Completed).expect("appended");
    });
    assert_eq!(writing.wait(), End::Exited(0));
    run
}

/// Returns all events of a run, each as it stands, in their order.
fn events(run: &RunDir) -> Vec<Vec<u8>> {
    let mut log = LogReader::open(run.events_path()).expect("readable");
    let mut events = Vec::new();
    let take = |entry: Entry<'_>| match entry {
        Entry::Stretch(_, Content::Event(logged)) => Some(logged.line.to_vec()),
        Entry::Stretch(_, Content::Opened(_) | Content::Duplicate) => None,
        other => panic!("{other:?}"),
    };
    while let Some(event) = log.next(take).expect("readable") {
        events.extend(event);
    }
    events
}

fn wait(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
#[ignore = "500 kills: `just guarantees` runs it"]
fn an_archiver_may_die_at_any_moment() {
    let rounds = quick_or_soak(500, 10_000);
    let mut random = Random::new(11);
    let (mut kills, mut halves) = (0, 0);
    let folder = tempfile::tempdir().expect("a folder");
    while kills < rounds {
        let root = folder.path().join(kills.to_string());
        let run = new_run(&root, 8, 400);
        let before = events(&run);
        loop {
            let mut archiver = Child::fork(|_| {
                let archived = run.archive(3).expect("readable");
                assert!(archived.iter().all(|segment| segment.result.is_ok()));
            });
            wait(Duration::from_micros(random.below(5_000)));
            archiver.signal(libc::SIGKILL);
            let end = archiver.wait();
            let names: Vec<_> = run.segment_bytes().expect("readable").into_keys().collect();
            let packed = names.iter().filter(|name| name.ends_with(".zst")).count();
            halves += usize::from(packed > 0 && packed < names.len());
            assert!(events(&run) == before, "after {kills} kills");
            if end == End::Exited(0) && packed == names.len() {
                break;
            }
            kills += 1;
        }
        let left = std::fs::read_dir(run.events_path())
            .expect("readable")
            .count();
        assert_eq!(left, 8, "temporary files are left");
        std::fs::remove_dir_all(&root).expect("removed");
    }
    assert!(halves > 0, "no kill hit an archiver at work");
    proved("K1", &format!("{kills} kills, {halves} of them half-way"));
}

#[test]
#[ignore = "500 kills: `just guarantees` runs it"]
fn a_purge_that_dies_leaves_a_whole_run_or_none() {
    let rounds = quick_or_soak(500, 10_000);
    let mut random = Random::new(12);
    let (mut gone, mut whole) = (0, 0);
    let folder = tempfile::tempdir().expect("a folder");
    for _ in 0..rounds {
        let run = new_run(folder.path(), 3, 9);
        for number in 0..30 {
            std::fs::write(run.path().join(number.to_string()), "report").expect("written");
        }
        let root = Root::new(folder.path());
        let mut remover = Child::fork(|_| root.remove_run(&run).expect("nobody writes it"));
        wait(Duration::from_micros(random.below(1_500)));
        remover.signal(libc::SIGKILL);
        remover.wait();
        if root.runs().expect("readable").is_empty() {
            gone += 1;
        } else {
            whole += 1;
            assert_eq!(events(&run).len(), 10);
            assert_eq!(std::fs::read_dir(run.path()).expect("readable").count(), 31);
            root.remove_run(&run).expect("removed");
        }
        root.finish_removals().expect("removed");
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("readable").count(),
            0
        );
    }
    assert!(gone > 0 && whole > 0, "{gone} {whole}");
    proved(
        "K2",
        &format!("{rounds} kills: {whole} runs were whole, {gone} gone"),
    );
}
