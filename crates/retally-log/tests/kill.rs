//! What was acknowledged survives `kill -9`, and whoever goes on with the segment harms nothing.

use retally_log::{Draft, Event, NoteAdded, Root, RunDir, RunId, Writer, WriterOptions};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

/// Tells this test binary that it is the process to be killed: the root, and the round.
const CHILD: &str = "RETALLY_KILL_TEST";

const ROUNDS: usize = 150;
const WRITERS: usize = 2;

/// How long the texts are, one after the other; a kill tears long lines more often.
const TEXT_BYTES: [usize; 5] = [10, 150, 5_000, 70_000, 300_000];

fn run_dir(root: &str) -> RunDir {
    Root::new(root).run(&RunId::new("killed").expect("an id"))
}

/// Is no test of its own: where the variable is set, appends until it is killed, and reports
/// each event on stderr once its append returned.
#[test]
fn a_child_appends_until_it_is_killed() {
    let Ok(task) = std::env::var(CHILD) else {
        return;
    };
    let (round, root) = task.split_once(' ').expect("a round and a root");
    let writer = Writer::new(run_dir(root), WriterOptions::default());
    let mut report = std::io::stderr();
    for event in 0_u32.. {
        let padding = "x".repeat(TEXT_BYTES[event as usize % TEXT_BYTES.len()]);
        let text = format!("{round}/{event} {padding}").into();
        let (issue, agent) = (None, None);
        let appended = writer.append(NoteAdded { text, issue, agent });
        if appended.is_err() || report.write_all(&event.to_le_bytes()).is_err() {
            return;
        }
    }
}

fn start(root: &str, round: &str) -> Child {
    let program = std::env::current_exe().expect("this test");
    Command::new(program)
        .args([
            "--exact",
            "a_child_appends_until_it_is_killed",
            "--nocapture",
        ])
        .env(CHILD, format!("{round} {root}"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started")
}

/// Kills a child in the midst of a write, once it acknowledged some events, and returns how many
/// it did in all.
fn kill_after(mut child: Child, events: usize, run: &RunDir) -> u32 {
    let mut report = child.stderr.take().expect("piped");
    let mut acknowledged = vec![0; 4 * events];
    report.read_exact(&mut acknowledged).expect("it appends");
    let before = total_bytes(run);
    while total_bytes(run) == before && child.try_wait().expect("a child").is_none() {
        std::hint::spin_loop();
    }
    child.kill().expect("killed");
    report.read_to_end(&mut acknowledged).expect("the rest");
    child.wait().expect("ended");
    u32::try_from(acknowledged.len() / 4).expect("few")
}

/// Returns the size of all segments, which grows page by page during a write.
fn total_bytes(run: &RunDir) -> u64 {
    let entries = std::fs::read_dir(run.events_path()).expect("readable");
    let sizes = entries.map(|entry| entry.and_then(|entry| entry.metadata()));
    sizes.map(|facts| facts.expect("there").len()).sum()
}

/// Counts how often each event of each round is in the log, and the lines that are torn.
fn read(run: &RunDir) -> (BTreeMap<String, usize>, usize) {
    let (mut events, mut torn) = (BTreeMap::new(), 0);
    for entry in std::fs::read_dir(run.events_path()).expect("readable") {
        let content = std::fs::read(entry.expect("an entry").path()).expect("readable");
        let whole = content.split_inclusive(|byte| *byte == b'\n');
        for line in whole.filter_map(|line| line.strip_suffix(b"\n")) {
            // A torn line does not parse; what its checksum tells beyond that is tested elsewhere.
            let Ok(draft) = Draft::from_json(line) else {
                torn += 1;
                continue;
            };
            if let Event::NoteAdded(note) = draft.event {
                let name = note.text.split(' ').next().expect("a name");
                *events.entry(name.to_owned()).or_insert(0) += 1;
            }
        }
    }
    (events, torn)
}

#[test]
fn what_was_acknowledged_survives_the_death_of_its_writer() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_str().expect("UTF-8");
    let id = RunId::new("killed").expect("an id");
    let run = Root::new(root).create_run(&id).expect("created");
    let mut acknowledged = BTreeMap::new();
    for round in 0..ROUNDS {
        let names: Vec<_> = (0..WRITERS)
            .map(|writer| format!("{round}-{writer}"))
            .collect();
        let children: Vec<_> = names.iter().map(|name| start(root, name)).collect();
        for (name, child) in names.into_iter().zip(children) {
            acknowledged.insert(name, kill_after(child, 1 + round % 7, &run));
        }
    }
    let (events, torn) = read(&run);
    for (name, count) in &acknowledged {
        for event in 0..*count {
            let event = format!("{name}/{event}");
            assert_eq!(events.get(&event), Some(&1), "{event}");
        }
    }
    assert!(
        events.values().all(|count| *count == 1),
        "an event stands twice"
    );
    assert!(torn > 0, "no kill hit a write");
    // Segments are gone on with, except where a kill left doubt.
    let segments = run.segment_lines().expect("readable").len();
    assert!(segments < ROUNDS, "{segments} segments");
}
