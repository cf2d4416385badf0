use super::*;
use crate::SecretPatterns;
use retally_log::{
    Audit, IssueFinished, IssueStarted, IssueStatus, NoteAdded, RunStatus, Times, Writer,
    WriterOptions,
};
use std::fs;

fn id(text: &str) -> RunId {
    RunId::new(text).expect("an id")
}

fn redactor() -> SecretRedactor {
    let rules = "[[pattern]]\nkind='mine'\nregex='hide[0-9]*'";
    let patterns = SecretPatterns::parse(rules, "x").expect("patterns");
    SecretRedactor::new().with_patterns(patterns)
}

/// A run of two segments that retally wrote, one with given times, and a foreign one with misfits,
/// white space, damage, and a torn end.
fn run(folder: &tempfile::TempDir) -> (Root, RunDir) {
    let root = Root::new(folder.path());
    let run = root.create_run(&id("run_1")).expect("created");
    let writer = Writer::new(run.clone(), WriterOptions::default());
    for n in 0..5_u64 {
        let title = Some(format!("a hide{n} b").into());
        let issue = n.into();
        writer
            .append(IssueStarted { issue, title })
            .expect("appended");
    }
    let times = Times::Given;
    let given = Writer::new(
        run.clone(),
        WriterOptions {
            times,
            ..WriterOptions::default()
        },
    );
    let mut note: Draft<'_> = NoteAdded {
        text: "hide".into(),
        issue: Some(3.into()),
        agent: None,
    }
    .into();
    note.ts = Some("2020-01-01T00:00:00Z".parse().expect("a time"));
    note.key = Some("hide7".into());
    given.append(note).expect("appended");
    drop(given);
    let foreign = [
        r#"{"ts":"2021-01-01T00:00:00+01:00","type":"run.scored","success":"hide"}"#,
        r#"{"type":"acme.x","ts":"2021-01-01T00:00:01Z","issue_id":3,"hide1":{"hide2":["hide3"]}}"#,
        "",
        r#"{"ts":"2021-01-01T00:00:02Z","type":"note.added","text":"hide"#,
        r#"{"ts":"2021-01-01T00:00:03Z","type":"note.added","text":"hide","issue":3}"#,
        "torn hide",
    ];
    fs::write(run.events_path().join("foreign.jsonl"), foreign.join("\n")).expect("written");
    let (issue, status) = (4.into(), IssueStatus::Completed);
    writer
        .append(IssueFinished { issue, status })
        .expect("appended");
    writer.finish(RunStatus::Completed).expect("appended");
    drop(writer);
    (root, run)
}

/// Returns the type and time of each event in log order, and how many misfits there are.
fn events(run: &RunDir) -> (Vec<String>, usize) {
    let mut log = LogReader::open(run.events_path()).expect("readable");
    let (mut events, mut misfits) = (Vec::new(), 0);
    while log
        .next(|entry| match entry {
            Entry::Stretch(_, Content::Event(logged)) => {
                let (envelope, times) = (logged.envelope, logged.times);
                let type_name = envelope.event.type_name();
                let issue = envelope.event.issue();
                events.push(format!("{} {type_name} {issue:?} {times}", envelope.ts));
            }
            Entry::Stretch(_, Content::Misfit(_)) => misfits += 1,
            _ => {}
        })
        .expect("readable")
        .is_some()
    {}
    (events, misfits)
}

fn texts(run: &RunDir) -> String {
    let entries = fs::read_dir(run.events_path()).expect("readable");
    let texts = entries.map(|entry| fs::read_to_string(entry.expect("an entry").path()));
    texts
        .collect::<Result<Vec<_>, _>>()
        .expect("UTF-8")
        .concat()
}

fn names(root: &Root) -> Vec<String> {
    let entries = fs::read_dir(root.path()).expect("readable");
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_copy_has_the_events_of_the_original_in_their_order_without_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let (root, run) = run(&folder);
    let before = texts(&run);
    let copy = copy_redacted(&root, &run, &id("clean"), &redactor()).expect("copied");
    let clean = root.run(&id("clean"));
    assert_eq!(events(&clean), events(&run));
    assert_eq!(events(&clean).1, 1);
    assert!(!texts(&clean).contains("hide"), "{}", texts(&clean));
    assert_eq!(texts(&run), before);
    assert_eq!(names(&root), ["clean", "run_1"]);
    assert_eq!((copy.segments, copy.lines, copy.was_there), (3, 11, false));
    assert_eq!(copy.redacted, BTreeMap::from([("mine".to_owned(), 12)]));
    assert_eq!(copy.left_out_bytes, 62 + 9);
    assert_eq!(copy.original, run.log_stamp().expect("readable"));
    let audit = Audit::of(clean.events_path()).expect("readable");
    let problems: Vec<_> = audit
        .findings
        .iter()
        .map(|found| found.problem.to_string())
        .collect();
    assert_eq!(problems.len(), 1, "the misfit alone: {problems:?}");
    let unchecked: u64 = audit
        .segments
        .values()
        .map(|segment| segment.unchecked)
        .sum();
    assert_eq!(unchecked, 0);
}

#[test]
fn a_copy_that_stands_is_compared_and_not_written_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (root, run) = run(&folder);
    let copy = || copy_redacted(&root, &run, &id("clean"), &redactor());
    let first = copy().expect("copied");
    let text = texts(&root.run(&id("clean")));
    let second = copy().expect("compared");
    assert!(second.was_there);
    assert_eq!(
        RedactedCopy {
            was_there: false,
            ..second
        },
        first
    );
    assert_eq!(texts(&root.run(&id("clean"))), text);
    // More than the run holds.
    let extra = root.run(&id("clean")).events_path().join("extra.jsonl");
    let line = "{\"ts\":\"2999-01-01T00:00:00Z\",\"type\":\"acme.x\"}\n";
    fs::write(&extra, line).expect("written");
    assert!(matches!(copy(), Err(CopyError::Different { .. })));
    fs::remove_file(extra).expect("removed");
    // A copy of what the run was.
    let writer = Writer::new(run.clone(), WriterOptions::default());
    let note = |text: &'static str| NoteAdded {
        text: text.into(),
        issue: None,
        agent: None,
    };
    writer.append(note("late")).expect("appended");
    assert!(matches!(copy(), Err(CopyError::Different { .. })));
    // Something else of that name.
    fs::create_dir(root.path().join("other")).expect("created");
    let other = copy_redacted(&root, &run, &id("other"), &redactor());
    assert!(matches!(other, Err(CopyError::Different { .. })));
    let same = copy_redacted(&root, &run, run.id(), &redactor());
    assert!(matches!(same, Err(CopyError::Same { .. })));
}

#[test]
fn each_byte_that_is_changed_in_a_copy_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (root, run) = run(&folder);
    copy_redacted(&root, &run, &id("clean"), &redactor()).expect("copied");
    let clean = root.run(&id("clean"));
    for entry in fs::read_dir(clean.events_path()).expect("readable") {
        let path = entry.expect("an entry").path();
        let bytes = fs::read(&path).expect("readable");
        let first_event = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a header")
            + 1;
        for at in (first_event..bytes.len()).step_by(17) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).expect("written");
            let result = copy_redacted(&root, &run, &id("clean"), &redactor());
            assert!(
                matches!(result, Err(CopyError::Different { .. })),
                "byte {at}"
            );
        }
        fs::write(&path, bytes).expect("written");
    }
}

#[test]
fn what_a_process_left_that_died_is_no_hindrance_and_two_at_once_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let (root, run) = run(&folder);
    let left = root.path().join(".redacting-clean/clean/events");
    fs::create_dir_all(&left).expect("created");
    fs::write(left.join("a.jsonl"), "half").expect("written");
    let copy = || copy_redacted(&root, &run, &id("clean"), &redactor());
    let held = File::open(root.path().join(".redacting-clean")).expect("a folder");
    held.lock().expect("locked");
    assert!(matches!(copy(), Err(CopyError::Held)));
    drop(held);
    copy().expect("copied");
    assert_eq!(names(&root), ["clean", "run_1"]);
}

#[test]
fn a_copy_of_an_archived_run_is_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let (root, run) = run(&folder);
    copy_redacted(&root, &run, &id("clean"), &redactor()).expect("copied");
    run.archive(3).expect("archived");
    let copy = copy_redacted(&root, &run, &id("clean"), &redactor()).expect("compared");
    assert!(copy.was_there);
}

#[test]
fn a_copy_that_cannot_be_made_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Root::new(folder.path());
    let run = root.create_run(&id("run_1")).expect("created");
    fs::write(run.events_path().join("a.jsonl"), "no event\n").expect("written");
    let result = copy_redacted(&root, &run, &id("clean"), &redactor());
    assert!(matches!(result, Err(CopyError::Empty { .. })));
    assert_eq!(names(&root), ["run_1"]);
}

#[test]
fn events_of_one_moment_stay_in_the_order_of_their_segments() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Root::new(folder.path());
    let run = root.create_run(&id("run_1")).expect("created");
    for n in 0..6 {
        let line = format!("{{\"ts\":\"2021-01-01T00:00:00Z\",\"type\":\"acme.t{n}\"}}\n");
        fs::write(run.events_path().join(format!("s{n}.jsonl")), line).expect("written");
    }
    copy_redacted(&root, &run, &id("clean"), &redactor()).expect("copied");
    assert_eq!(events(&root.run(&id("clean"))), events(&run));
}
