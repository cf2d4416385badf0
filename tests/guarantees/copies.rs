//! What becomes of the copies of a run that are brought together again.

use super::folded_run::{FoldedRun, reports};
use super::random::Random;
use super::{proved, quick_or_soak};
use retally_log::{
    Draft, Host, IssueFinished, IssueStarted, IssueStatus, ManualClock, RunStatus, SystemClock,
    Writer, WriterOptions,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The segments of a run: names and bytes.
type Segments = BTreeMap<String, Vec<u8>>;

fn writer(run: &FoldedRun, host: &str, boot: &str, clock: &Arc<ManualClock>) -> Writer {
    let host = Host {
        name: host.to_owned(),
        boot: Some(boot.to_owned()),
        pid: 1,
    };
    let options = WriterOptions {
        clock: clock.clone(),
        host: Some(host),
        ..WriterOptions::default()
    };
    Writer::new(run.run.clone(), options)
}

fn segments(run: &FoldedRun) -> Segments {
    let entries = std::fs::read_dir(run.run.events_path()).expect("readable");
    let files = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        (name.into_owned(), std::fs::read(&path).expect("readable"))
    });
    files.collect()
}

fn work(writer: &Writer, clock: &ManualClock, random: &mut Random, events: u64) {
    for _ in 0..events {
        clock.advance(Duration::from_micros(random.below(3_000_000)));
        let issue = (1 + random.below(5)).into();
        let draft: Draft<'_> = match random.below(4) {
            0 => {
                let status = IssueStatus::Completed;
                IssueFinished { issue, status }.into()
            }
            1 => {
                let title = Some("Add a login page".into());
                IssueStarted { issue, title }.into()
            }
            _ => Draft::from_json(
                br#"{"type":"llm.called","issue":1,"model":"m","input_tokens":7,"cost_usd":0.25}"#,
            )
            .expect("an event"),
        };
        writer.append(draft).expect("appended");
    }
}

/// Writes a run on a host, copies it to another, and writes both.
///
/// Returns the segments of the first when they were copied, and those of both at the end.
fn diverge(random: &mut Random, seed: u64) -> (Segments, Segments, Segments) {
    let start = retally_log::Clock::now(&SystemClock::new());
    let clocks = [0, seed % 7].map(|ahead| {
        let ahead = i64::try_from(ahead).expect("small") * 1_000_000;
        Arc::new(ManualClock::new(start.saturating_add_micros(ahead)))
    });
    let (here, there) = (FoldedRun::new(), FoldedRun::new());
    let two = [(); 2].map(|()| writer(&here, "here", "boot", &clocks[0]));
    for writer in &two {
        work(writer, &clocks[0], random, 6);
    }
    drop(two);
    let copied = segments(&here);
    for (name, bytes) in &copied {
        there.write(name, bytes);
    }
    // The copy may also lie on the same host, in another folder.
    let boot = ["boot", "another boot"][usize::from(seed.is_multiple_of(2))];
    let goes_on = writer(&here, "here", "boot", &clocks[0]);
    let copy = writer(&there, "there", boot, &clocks[1]);
    for _ in 0..2 {
        work(&goes_on, &clocks[0], random, 5);
        work(&copy, &clocks[1], random, 5);
    }
    goes_on.finish(RunStatus::Completed).expect("appended");
    let there = segments(&there);
    for (name, bytes) in &copied {
        assert_eq!(there.get(name), Some(bytes), "nobody goes on with a copy");
    }
    (copied, segments(&here), there)
}

#[test]
#[ignore = "1,000 orders of copying: `just guarantees` runs it"]
fn copies_of_a_run_that_were_both_written_merge_in_any_order() {
    const ORDERS: u64 = 10;
    let pairs = quick_or_soak(100, 2_000);
    let mut random = Random::new(6);
    let (mut merges, mut files) = (0, 0);
    for pair in 0..pairs {
        let (copied, here, there) = diverge(&mut random, pair);
        let union = FoldedRun::new();
        // What went on after it was copied is longer than its copy.
        for (name, bytes) in there.iter().chain(&here) {
            union.write(name, bytes);
        }
        let expected = union.reports();
        for _ in 0..ORDERS {
            let deliveries = deliveries(&copied, &here, &there, &mut random);
            let merged = FoldedRun::new();
            let mut live = merged.fold();
            for (name, bytes) in &deliveries {
                merged.write(name, bytes);
                if random.below(3) == 0 {
                    live.catch_up().expect("readable");
                }
            }
            live.catch_up().expect("readable");
            assert_eq!(reports(live.state()), expected);
            assert_eq!(merged.reports(), expected);
            merges += 1;
            files += deliveries.len();
        }
    }
    proved(
        "C5",
        &format!("{pairs} pairs of copies, {merges} merges of {files} files"),
    );
}

/// Returns all files in some order, under their names or those that tools give to copies, some of
/// them more than once.
fn deliveries(
    copied: &Segments,
    here: &Segments,
    there: &Segments,
    random: &mut Random,
) -> Vec<(String, Vec<u8>)> {
    let stem = |name: &str| name.trim_end_matches(".jsonl").to_owned();
    let mut files = Vec::new();
    let sets = [copied, here, there].into_iter().enumerate();
    for (at, (name, bytes)) in sets.flat_map(|(at, set)| set.iter().map(move |file| (at, file))) {
        let stem = stem(name);
        let names = [
            format!("{stem}.sync-conflict-20241203-143022-ABCDEF{at}.jsonl"),
            format!("{stem} ({at}).jsonl"),
            format!("{stem} - Copy{at}.jsonl"),
            format!("Copy {at} of {stem}.jsonl"),
        ];
        let pick = usize::try_from(random.below(4)).expect("small");
        // The newest of each bears its name; what it would write over bears others.
        let is_newest = at == 1 || at == 2 && !here.contains_key(name);
        if is_newest {
            files.push((name.clone(), bytes.clone()));
        }
        if !is_newest || random.below(4) == 0 {
            files.push((names[pick].clone(), bytes.clone()));
        }
    }
    for at in (1..files.len()).rev() {
        let other = usize::try_from(random.below(at as u64 + 1)).expect("small");
        files.swap(at, other);
    }
    files
}
