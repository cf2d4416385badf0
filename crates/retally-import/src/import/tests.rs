use super::*;
use crate::test_helpers::{parse, sample_days};
use crate::{Format, Source};
use proptest::prelude::*;
use retally_log::{
    Content, Entry, Event, Json, LogReader, ManualClock, NoteAdded, Times, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// A root in a folder of its own, with a clock that stands still.
struct Sandbox {
    _folder: tempfile::TempDir,
    root: Root,
}

impl Sandbox {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Root::new(folder.path().join("runs"));
        Self {
            _folder: folder,
            root,
        }
    }

    fn import(&self, run: ImportedRun<'_>) -> Outcome {
        let now = Timestamp::parse("2026-09-01T00:00:00Z").expect("a time");
        let options = WriterOptions {
            clock: Arc::new(ManualClock::new(now)),
            ..WriterOptions::default()
        };
        import(&self.root, run, options).expect("the import succeeds")
    }

    /// Imports a file and returns appended and known events.
    fn import_file(&self, format: &str, bytes: &[u8]) -> (u64, u64) {
        let parsed = parse(format, bytes).expect("the file is of the format");
        assert_eq!(parsed.problems, []);
        let outcomes: Vec<_> = parsed
            .runs
            .into_iter()
            .map(|run| self.import(run))
            .collect();
        let sum = |count: fn(&Outcome) -> u64| outcomes.iter().map(count).sum();
        (
            sum(|outcome| outcome.appended),
            sum(|outcome| outcome.known),
        )
    }

    /// Returns the events of the only run in log order, as what `read` makes of them.
    fn log<T>(&self, read: impl Fn(&retally_log::Logged<'_>) -> T) -> Vec<T> {
        let runs = self.root.runs().expect("the root is readable");
        let [run] = &runs[..] else { panic!("{runs:?}") };
        let mut log = LogReader::open(self.root.run(run).events_path()).expect("a log");
        let mut events = Vec::new();
        let visit = |entry: Entry<'_>| match entry {
            Entry::Stretch(_, Content::Event(event)) => Some(read(&event)),
            Entry::Stretch(_, Content::Opened(_)) => None,
            other => panic!("{other:?}"),
        };
        while let Some(event) = log.next(visit).expect("the log is readable") {
            events.extend(event);
        }
        events
    }

    /// Returns time and scope of the events, in log order.
    fn scopes(&self) -> Vec<(Timestamp, Option<String>, String)> {
        self.log(|event| {
            let envelope = event.envelope;
            let issue = envelope.event.issue().map(ToString::to_string);
            let key = envelope.key.as_deref().expect("all have keys");
            (envelope.ts, issue, key.to_owned())
        })
    }
}

fn note(text: impl Into<String>, key: impl Into<String>) -> Draft<'static> {
    let event = NoteAdded {
        text: text.into().into(),
        issue: None,
        agent: None,
    };
    Draft {
        ts: Timestamp::parse("2024-12-03T14:30:22Z").ok(),
        key: Some(key.into().into()),
        ..Draft::from(event)
    }
}

#[test]
fn the_sample_gives_284_pipelines_in_whatever_order_and_however_often_it_is_imported() {
    let days = sample_days().map(|(_, bytes)| bytes);
    let mut logs = Vec::new();
    for order in [&[0, 1][..], &[1, 0], &[0, 1, 0], &[1, 1, 0, 0, 1]] {
        let sandbox = Sandbox::new();
        for (at, day) in order.iter().enumerate() {
            let (appended, known) = sandbox.import_file("github-actions", &days[*day]);
            let expected = match at {
                0 => (201, 0),
                _ if order[..at].contains(day) => (0, 201),
                _ => (85, 116),
            };
            assert_eq!((appended, known), expected, "{order:?}");
        }
        check_counts(&sandbox);
        let mut log = sandbox.scopes();
        // The start of the run bears the time of the first event of the file that came first.
        log.retain(|(_, _, key)| !key.starts_with("github-actions:run.started:"));
        logs.push((order, log));
    }
    for (order, log) in &logs[1..] {
        let as_set = |log: &[_]| -> BTreeSet<_> { log.iter().cloned().collect() };
        assert_eq!(as_set(log), as_set(&logs[0].1), "{order:?}");
        let times =
            |log: &[(Timestamp, _, _)]| -> Vec<_> { log.iter().map(|event| event.0).collect() };
        assert!(times(log).is_sorted(), "{order:?}");
        assert_eq!(log, &logs[0].1, "{order:?}");
    }
}

fn check_counts(sandbox: &Sandbox) {
    let mut statuses: BTreeMap<String, u64> = BTreeMap::new();
    let mut second_attempts = 0;
    let pipelines = sandbox.log(|event| match &event.envelope.event {
        Event::PipelineRecorded(pipeline) => Some((pipeline.status.to_string(), pipeline.attempt)),
        _ => None,
    });
    for (status, attempt) in pipelines.into_iter().flatten() {
        *statuses.entry(status).or_default() += 1;
        second_attempts += u64::from(attempt == Some(2));
    }
    let expected = [
        ("action_required", 3),
        ("canceled", 37),
        ("failed", 12),
        ("success", 232),
    ];
    let expected = expected.map(|(status, count)| (status.to_owned(), count));
    assert_eq!(statuses, BTreeMap::from(expected));
    assert_eq!(statuses.values().sum::<u64>(), 284);
    assert_eq!(second_attempts, 6);
}

#[test]
fn a_run_that_went_on_adds_its_new_status_and_where_its_file_starts() {
    let dump = |status: &str, conclusion: &str, minute: &str| {
        format!(
            r#"{{"repo":"owner/app","runs":[{{"id":7,"status":"{status}","conclusion":{conclusion},
            "updated_at":"2026-08-04T20:{minute}:00Z"}}]}}"#
        )
    };
    let sandbox = Sandbox::new();
    let running = dump("in_progress", "null", "01");
    let still_running = dump("in_progress", "null", "02");
    let ended = dump("completed", r#""success""#, "03");
    for (file, expected) in [
        (&running, (2, 0)),
        (&still_running, (1, 1)),
        (&ended, (2, 0)),
        (&running, (0, 2)),
    ] {
        assert_eq!(
            sandbox.import_file("github-actions", file.as_bytes()),
            expected
        );
    }
}

#[test]
fn foreign_lines_are_added_once_however_the_file_grew() {
    let line = r#"{"ts":"2024-12-03T14:30:22Z","type":"deploy.done"}"#;
    let sandbox = Sandbox::new();
    for (times, expected) in [(2, (2, 0)), (2, (0, 2)), (3, (1, 2)), (1, (0, 1))] {
        let file = [line].repeat(times).join("\n");
        assert_eq!(sandbox.import_file("jsonl", file.as_bytes()), expected);
    }
    let texts = sandbox.log(|event| (event.times, event.envelope.ts.to_string()));
    assert_eq!(
        texts,
        vec![(Times::Given, "2024-12-03T14:30:22.000000Z".to_owned()); 3]
    );
}

#[test]
fn nothing_is_created_where_nothing_is_new() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.import(ImportedRun {
        id: RunId::new("empty").expect("an id"),
        times: Times::Given,
        drafts: Vec::new(),
    });
    assert_eq!((outcome.appended, outcome.known), (0, 0));
    assert!(!sandbox.root.path().exists());
    let line = br#"{"ts":"2024-12-03T14:30:22Z","type":"x"}"#;
    let segments = |expected: usize| {
        let run = sandbox.root.run(&RunId::for_import("jsonl", "dump"));
        let files = std::fs::read_dir(run.events_path()).expect("a folder");
        assert_eq!(files.count(), expected);
    };
    sandbox.import_file("jsonl", line);
    segments(1);
    sandbox.import_file("jsonl", line);
    segments(1);
}

#[test]
fn events_go_into_a_run_that_others_write() {
    let sandbox = Sandbox::new();
    let id = RunId::new("mine").expect("an id");
    let run = sandbox.root.open_or_create_run(&id).expect("a run");
    let writer = Writer::new(run, WriterOptions::default());
    writer.append(note("live", "1")).expect("an append");
    let outcome = sandbox.import(ImportedRun {
        id,
        times: Times::Given,
        drafts: vec![note("again", "1"), note("imported", "2")],
    });
    assert_eq!((outcome.appended, outcome.known), (1, 1));
    writer.append(note("live", "3")).expect("an append");
    let mut keys = sandbox.log(|event| event.envelope.key.as_deref().map(str::to_owned));
    keys.sort();
    assert_eq!(keys, ["1", "2", "3"].map(|key| Some(key.to_owned())));
}

#[test]
fn an_event_that_no_log_can_hold_is_named_and_the_others_are_appended() {
    let sandbox = Sandbox::new();
    let mut drafts: Vec<_> = (0..6)
        .map(|number| {
            let is_long = [0, 3, 5].contains(&number);
            let text = "x".repeat(if is_long { 1 << 20 } else { 1 });
            note(text, number.to_string())
        })
        .collect();
    drafts[4].extra.push("ts", &Json::Null);
    let outcome = sandbox.import(ImportedRun {
        id: RunId::new("mine").expect("an id"),
        times: Times::Given,
        drafts,
    });
    let refused: Vec<_> = outcome
        .refused
        .iter()
        .map(|refused| {
            let key = refused.key.as_deref().unwrap_or_default();
            format!("{} {key}: {}", refused.type_name, refused.reason)
        })
        .collect();
    let too_long =
        "the event is 1048677 bytes long on its line, 1048576 are allowed (shorten its texts)";
    assert_eq!(
        refused,
        [
            format!("note.added 0: {too_long}"),
            format!("note.added 3: {too_long}"),
            "note.added 4: `ts` is a field of its own and cannot be an extra one".to_owned(),
            format!("note.added 5: {too_long}"),
        ]
    );
    assert_eq!((outcome.appended, outcome.known), (2, 0));
    let keys = sandbox.log(|event| event.envelope.key.as_deref().map(str::to_owned));
    assert_eq!(keys, ["1", "2"].map(|key| Some(key.to_owned())));
}

#[test]
fn a_log_that_cannot_be_read_is_an_error_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    let source = Source {
        path: Path::new("bot.jsonl"),
        bytes: br#"{"ts":"2024-12-03T14:30:22Z","type":"x"}"#,
        run: None,
    };
    let parsed = Format::find("jsonl")
        .expect("a format")
        .parse(&source)
        .expect("lines");
    let [run] = <[_; 1]>::try_from(parsed.runs).expect("one run");
    let folder = sandbox.root.run(&run.id);
    std::fs::create_dir_all(folder.path()).expect("a folder");
    std::fs::write(folder.events_path(), "no folder").expect("a file");
    let error = import(&sandbox.root, run, WriterOptions::default()).expect_err("no log");
    assert!(matches!(error, ImportError::Log(_)), "{error:?}");
    assert_eq!(
        std::fs::read(folder.events_path()).ok().as_deref(),
        Some(&b"no folder"[..])
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Property: files that overlap in any way, imported in any order, leave each fact in the log
    /// once, and what was known is what was there.
    #[test]
    fn any_overlap_in_any_order_leaves_each_event_once(
        files in prop::collection::vec(prop::collection::vec(0..12_u32, 0..8), 1..5),
    ) {
        let run = |id: u32| {
            let branch = ["main", "issue-1", "issue-2-x"][id as usize % 3];
            format!(
                r#"{{"id":{id},"conclusion":"success","head_branch":"{branch}",
                "updated_at":"2026-08-04T20:00:{:02}Z"}}"#,
                59 - id
            )
        };
        let sandbox = Sandbox::new();
        let (mut seen, mut starts) = (BTreeSet::new(), BTreeSet::new());
        for ids in &files {
            let runs: Vec<_> = ids.iter().map(|id| run(*id)).collect();
            let file = format!(r#"{{"repo":"owner/app","runs":[{}]}}"#, runs.join(","));
            let is_new_start = ids.iter().max().is_some_and(|last| starts.insert(*last));
            let fresh = ids.iter().filter(|id| seen.insert(**id)).count() as u64;
            let (appended, _) = sandbox.import_file("github-actions", file.as_bytes());
            prop_assert_eq!(appended, fresh + u64::from(is_new_start));
        }
        prop_assume!(!seen.is_empty());
        let scopes = sandbox.scopes();
        let keys: BTreeSet<_> = scopes.iter().map(|(_, _, key)| key.clone()).collect();
        prop_assert_eq!(scopes.len(), keys.len());
        let expected = seen.iter().map(|id| format!("github-actions:{id}:1:success"));
        let started = starts.iter().map(|last| {
            format!("github-actions:run.started:2026-08-04T20:00:{:02}.000000Z", 59 - last)
        });
        let expected: BTreeSet<_> = expected.chain(started).collect();
        prop_assert_eq!(keys, expected);
    }
}

/// Takes each word that begins with `sk-` for a secret.
struct Words;

impl retally_log::Redactor for Words {
    fn redact<'t>(&self, text: &'t str) -> std::borrow::Cow<'t, str> {
        let words = text.split(' ').map(|word| match word.starts_with("sk-") {
            true => "[redacted:key]",
            false => word,
        });
        words.collect::<Vec<_>>().join(" ").into()
    }

    fn redact_name<'t>(&self, name: &'t str) -> std::borrow::Cow<'t, str> {
        match name.strip_prefix("sk-") {
            Some(secret) => format!("[redacted:key]-{}", secret.len()).into(),
            None => name.into(),
        }
    }
}

#[test]
fn what_a_redactor_left_of_keys_and_issues_is_known_again() {
    let sandbox = Sandbox::new();
    let lines = [
        r#"{"ts":"2024-12-03T14:30:22Z","type":"issue.started","issue":"sk-1","key":"a"}"#,
        r#"{"ts":"2024-12-03T14:30:22Z","type":"issue.started","issue":"sk-22","key":"a"}"#,
        r#"{"ts":"2024-12-03T14:30:22Z","type":"note.added","text":"x","issue":7,"key":"sk-1"}"#,
        r#"{"ts":"2024-12-03T14:30:22Z","type":"note.added","text":"x","key":"sk-22"}"#,
    ];
    let bytes = lines.join("\n");
    let import_all = |redactor: Option<Arc<dyn retally_log::Redactor>>| {
        let parsed = parse("jsonl", bytes.as_bytes()).expect("the file is of the format");
        let options = WriterOptions {
            redactor,
            ..WriterOptions::default()
        };
        let run = parsed.runs.into_iter().next().expect("a run");
        let outcome = import(&sandbox.root, run, options).expect("the import succeeds");
        (outcome.appended, outcome.known)
    };
    assert_eq!(import_all(Some(Arc::new(Words))), (4, 0));
    assert_eq!(import_all(Some(Arc::new(Words))), (0, 4));
    assert_eq!(import_all(None), (4, 0), "what they were cannot be known");
    assert_eq!(import_all(None), (0, 4));
    assert_eq!(
        import_all(Some(Arc::new(Words))),
        (0, 4),
        "known as they are"
    );
}
