//! What each event goes through, function by function: `just bench-functions`.
//!
//! For finding out what a change did to one of them. What users see, `just bench` measures; what may
//! not get slower, `just instructions` counts.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use retally_log::{
    Draft, IssueId, LogReader, Redactor, Root, RunDir, RunId, Timestamp, Writer, WriterOptions,
};
use retally_redact::SecretRedactor;
use retally_reduce::{PriceBook, RunFold, RunState};
use std::path::Path;
use std::sync::Arc;

fn main() {
    divan::main();
}

/// An event as retally writes it, but for its number, time and checksum.
const OURS: &str = r#"{"type":"llm.called","issue":123,"agent":"coding","provider":"anthropic","model":"claude-sonnet-4-20250514","input_tokens":18204,"output_tokens":911,"cache_read_tokens":9102,"cost_usd":0.0213,"duration_ms":8123,"success":true}"#;
/// The same from somebody else.
const OF_OTHERS: &str = r#"{"success": true, "duration_ms": 8123, "cost_usd": 0.0213, "model": "claude-sonnet-4-20250514", "provider": "anthropic", "input_tokens": 18204, "output_tokens": 911, "cache_read_tokens": 9102, "agent": "coding", "issue": 123, "type": "llm.called"}"#;
const EVENTS: usize = 10_000;

#[divan::bench(args = [OURS, OF_OTHERS])]
fn parse_event(bencher: Bencher<'_, '_>, json: &str) {
    let bytes = BytesCount::of_str(json);
    let parse = || Draft::from_json(black_box(json.as_bytes())).is_ok();
    bencher.counter(bytes).bench(parse);
}

#[divan::bench(args = ["2024-12-03T14:30:22.123456Z", "2024-12-03T14:30:22.123456+00:00", "2024-12-03T14:30:22Z"])]
fn parse_time(time: &str) -> bool {
    Timestamp::parse(black_box(time)).is_ok()
}

#[divan::bench]
fn write_time(bencher: Bencher<'_, '_>) {
    let time = Timestamp::from_micros_saturating(1_733_236_222_123_456);
    bencher.bench(|| black_box(time).to_string());
}

#[divan::bench]
fn take_secrets_out(bencher: Bencher<'_, '_>) {
    let text = "error[E0425]: cannot find value `session` in this scope\n".repeat(20);
    let redactor = SecretRedactor::new();
    let bytes = BytesCount::of_str(&text);
    let redact = || redactor.redact(black_box(&text)).len();
    bencher.counter(bytes).bench(redact);
}

#[divan::bench(args = [1, 64])]
fn append(bencher: Bencher<'_, '_>, batch: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let writer = Writer::new(new_run(folder.path()), WriterOptions::default());
    let drafts = vec![draft(); batch];
    let append = || writer.append_batch(&drafts).expect("appended");
    bencher.counter(ItemsCount::new(batch)).bench(append);
}

#[divan::bench]
fn read_log(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a folder");
    let events = recorded(folder.path()).events_path();
    bencher.counter(ItemsCount::new(EVENTS)).bench(|| {
        let mut log = LogReader::open(&events).expect("readable");
        while log
            .next(|entry| _ = black_box(entry))
            .expect("readable")
            .is_some()
        {}
    });
}

#[divan::bench]
fn fold_log(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a folder");
    let run = recorded(folder.path());
    bencher
        .counter(ItemsCount::new(EVENTS))
        .bench(|| folded(folder.path(), &run));
}

#[divan::bench]
fn make_issue_report(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a folder");
    let run = recorded(folder.path());
    let state = folded(folder.path(), &run);
    let issue = IssueId::from(123);
    bencher.bench(|| {
        let report = state.issue_report(&issue).expect("it is in the log");
        serde_json::to_vec(&report).expect("it has a JSON")
    });
}

fn draft() -> Draft<'static> {
    Draft::from_json(OURS.as_bytes()).expect("an event")
}

fn new_run(root: &Path) -> RunDir {
    let id = RunId::new("run_1").expect("an id");
    Root::new(root).create_run(&id).expect("it is new")
}

fn recorded(root: &Path) -> RunDir {
    let run = new_run(root);
    let writer = Writer::new(run.clone(), WriterOptions::default());
    writer
        .append_batch(&vec![draft(); EVENTS])
        .expect("appended");
    run
}

fn folded(root: &Path, run: &RunDir) -> RunState {
    let prices = Arc::new(PriceBook::built_in());
    let mut fold = RunFold::open(root, run.id(), prices).expect("readable");
    fold.catch_up().expect("readable");
    fold.into_state()
}
