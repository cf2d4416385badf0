//! What memory a fold needs.

use super::child::{Child, End};
use super::{proved, quick_or_soak};
use retally_log::{Root, RunId};
use retally_reduce::{PriceBook, RunFold};
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

const KIB_PER_MIB: u64 = 1024;

/// Writes a log of so many events about ten issues, in four segments.
fn write_log(root: &Path, events: u64) -> RunId {
    let id = RunId::new("run_1").expect("an id");
    let run = Root::new(root).create_run(&id).expect("created");
    let segment = |number: u64| {
        let path = run.events_path().join(format!("{number}.jsonl"));
        BufWriter::new(fs::File::create(path).expect("created"))
    };
    let mut segments: Vec<_> = (0..4).map(segment).collect();
    for number in 0..events {
        let (issue, second, micros) = (number / 7 % 10, number / 100_000, number % 100_000 * 10);
        let event = match number % 7 {
            0 => format!(r#""agent.started","issue":{issue},"agent":"a""#),
            1 => format!(r#""agent.finished","issue":{issue},"agent":"a","success":true"#),
            2 => format!(r#""note.added","issue":{issue},"text":"note {number}""#),
            3 => format!(r#""error.recorded","issue":{issue},"error_type":"e","message":"m""#),
            4 => format!(r#""llm.called","issue":{issue},"model":"m","input_tokens":{number}"#),
            _ => format!(r#""tool.called","issue":{issue},"tool":"sh","duration_ms":3"#),
        };
        let segment = &mut segments[usize::try_from(number % 4).expect("few")];
        let (minute, second) = (second / 60, second % 60);
        let line = writeln!(
            segment,
            r#"{{"ts":"2024-12-03T12:{minute:02}:{second:02}.{micros:06}Z","type":{event}}}"#
        );
        line.expect("written");
    }
    id
}

/// Returns the most memory that a process needed to fold a log of so many events, in KiB, and what
/// it needed before.
fn fold_in_child(events: u64) -> (u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let id = write_log(folder.path(), events);
    let mut child = Child::fork(|reporter| {
        let prices = Arc::new(PriceBook::built_in());
        reporter.report(memory_kib("VmRSS:"));
        let mut fold = RunFold::open(folder.path(), &id, prices).expect("readable");
        fold.catch_up().expect("readable");
        assert_eq!(fold.entries(), events);
        let report = fold.state().run_report();
        assert_eq!(report.total_issues, 10);
        reporter.report(memory_kib("VmHWM:"));
    });
    let before = child.next_report().expect("it begins");
    let most = child.next_report().expect("it folds the log");
    assert_eq!(child.wait(), End::Exited(0));
    (most.into(), before.into())
}

/// Returns a line of what the system knows of this process's memory.
fn memory_kib(name: &str) -> u32 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().split(' ').next());
    number.expect("a line").parse().expect("a number")
}

#[test]
#[ignore = "400,000 events: `just guarantees` runs it"]
fn the_memory_of_a_fold_does_not_grow_with_its_log() {
    // The first is long enough to fill each list of details, of which 1,000 are kept.
    let (few, many) = quick_or_soak((80_000, 400_000), (80_000, 10_000_000));
    let [few_kib, many_kib] = [few, many].map(|events| {
        let (most, before) = fold_in_child(events);
        most - before
    });
    assert!(
        many_kib < few_kib + KIB_PER_MIB,
        "{many_kib} KiB for {many} events, {few_kib} KiB for {few}"
    );
    proved(
        "I4",
        &format!("{few_kib} KiB for {few} events, {many_kib} KiB for {many}"),
    );
}
