use super::*;
use crate::clock::ManualClock;
use crate::envelope::ExtraFields;
use crate::event::NoteAdded;
use crate::faulty_storage::{Call, FaultyStorage, Verdict};
use crate::format::LINE_BYTES_MAX;
use crate::line::parse_line;
use crate::locked_segment::segment_path;
use crate::root::Root;
use crate::run_id::RunId;
use crate::timestamp::Timestamp;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

mod continuing;
mod durability;
mod faults;
mod power_loss;

/// A run in a folder that goes when this does.
struct TestRun {
    _folder: tempfile::TempDir,
    run: RunDir,
    clock: Arc<ManualClock>,
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn note(text: &str) -> Draft<'_> {
    let (issue, agent) = (None, None);
    let text = text.into();
    NoteAdded { text, issue, agent }.into()
}

impl TestRun {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let id = RunId::new("run_20241203_143022_project_168").expect("an id");
        let run = Root::new(folder.path()).create_run(&id).expect("created");
        Self {
            _folder: folder,
            run,
            clock: Arc::new(ManualClock::new(at("2024-12-03T14:30:22Z"))),
        }
    }

    fn options(&self) -> WriterOptions {
        WriterOptions {
            clock: self.clock.clone(),
            ..WriterOptions::default()
        }
    }

    fn writer(&self) -> Writer {
        Writer::new(self.run.clone(), self.options())
    }

    /// Appends one note with a writer that is then dropped.
    fn append_once(&self, text: &str) -> Appended {
        self.writer().append(note(text)).expect("appended")
    }

    fn path(&self, segment: &SegmentId) -> PathBuf {
        segment_path(&self.run.events_path(), segment)
    }

    fn add(&self, segment: &SegmentId, bytes: &[u8]) {
        let mut content = std::fs::read(self.path(segment)).expect("readable");
        content.extend_from_slice(bytes);
        // Written in place, so that the inode stays.
        std::fs::write(self.path(segment), content).expect("written");
    }

    fn segments(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.run.events_path()).expect("readable");
        let mut paths: Vec<_> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        paths.sort();
        paths
    }
}

/// A line of a segment in short: its number and its text or type, or that it is damage.
fn lines(path: &Path) -> Vec<String> {
    let content = std::fs::read(path).expect("readable");
    let lines = content.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let Some(line) = line.strip_suffix(b"\n") else {
            return "pending".to_owned();
        };
        let Some(sound) = parse_line(line).ok().filter(|sound| sound.is_sealed) else {
            return "damage".to_owned();
        };
        let envelope = sound.content.expect("no misfit");
        let seq = envelope.seq.expect("numbered");
        match envelope.event {
            Event::NoteAdded(event) => format!("{seq} {}", event.text),
            event => format!("{seq} {}", event.type_name()),
        }
    });
    lines.collect()
}

fn stamps(path: &Path) -> Vec<Timestamp> {
    let content = std::fs::read(path).expect("readable");
    let lines = content.split(|byte| *byte == b'\n');
    lines.filter_map(|line| parse_line(line).ok()?.ts).collect()
}

#[test]
fn a_segment_is_created_with_its_header_and_first_event() {
    let test = TestRun::new();
    let writer = test.writer();
    assert_eq!(test.segments(), [] as [PathBuf; 0]);
    let appended = writer.append(note("a")).expect("appended");
    assert_eq!(appended.seq, 1);
    assert_eq!(test.segments(), [test.path(&appended.segment)]);
    let path = test.path(&appended.segment);
    assert_eq!(lines(&path), ["0 segment.opened", "1 a"]);
    let content = std::fs::read_to_string(path).expect("readable");
    let header = content.lines().next().expect("a line");
    let start = format!(
        r#"{{"seq":0,"ts":"2024-12-03T14:30:22.000000Z","type":"segment.opened","format":1,"run":"run_20241203_143022_project_168","segment":"{}","times":"stamped","host":""#,
        appended.segment
    );
    assert!(header.starts_with(&start), "{header}");
}

#[test]
fn threads_share_a_segment() {
    let test = TestRun::new();
    let writer = test.writer();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let writer = &writer;
            scope.spawn(move || {
                for event in 0..200 {
                    let text = format!("{thread} {event}");
                    writer.append(note(&text)).expect("appended");
                }
            });
        }
    });
    let [path] = &test.segments()[..] else {
        panic!("want one segment");
    };
    let lines = lines(path);
    assert_eq!(lines.len(), 801);
    for (seq, line) in lines.iter().enumerate() {
        assert!(line.starts_with(&format!("{seq} ")), "{line}");
    }
    let distinct: BTreeSet<_> = lines.iter().map(|line| line.split_once(' ')).collect();
    assert_eq!(distinct.len(), 801);
}

#[test]
fn stamps_do_not_go_back_in_a_segment() {
    let test = TestRun::new();
    let writer = test.writer();
    let segment = writer.append(note("a")).expect("appended").segment;
    for wall in [
        "2024-12-03T14:00:00Z",
        "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
    ] {
        test.clock.jump_to(at(wall));
        test.clock.advance(Duration::from_secs(1));
        writer.append(note("b")).expect("appended");
    }
    drop(writer);
    let expected = [
        "2024-12-03T14:30:22Z",
        "2024-12-03T14:30:22Z",
        "2024-12-03T14:30:23Z",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59.999999Z",
    ];
    assert_eq!(stamps(&test.path(&segment)), expected.map(at));
}

#[test]
fn given_times_are_kept_and_the_header_is_not_later() {
    let test = TestRun::new();
    let options = WriterOptions {
        times: Times::Given,
        ..test.options()
    };
    let writer = Writer::new(test.run.clone(), options);
    let given = at("2020-01-01T00:00:00Z");
    let draft = Draft {
        ts: Some(given),
        ..note("a")
    };
    let drafts = [draft, note("b")];
    let appended = writer.append_batch(&drafts).expect("appended");
    let segment = appended.expect("not empty").segment;
    let expected = [given, given, test.clock.now()];
    assert_eq!(stamps(&test.path(&segment)), expected);
}

#[test]
fn a_batch_is_one_write() {
    let test = TestRun::new();
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&writes);
    let judge = move |call, _| {
        counted.fetch_add(usize::from(call == Call::Write), Ordering::SeqCst);
        Verdict::Pass
    };
    let storage = Arc::new(FaultyStorage::new(judge));
    let writer = Writer::with_storage(test.run.clone(), test.options(), storage);
    assert_eq!(writer.append_batch(&[]).expect("nothing to do"), None);
    let batch = [note("a"), note("b"), note("c")];
    let appended = writer.append_batch(&batch).expect("appended");
    let appended = appended.expect("not empty");
    assert_eq!((appended.seq, writes.load(Ordering::SeqCst)), (3, 1));
    let expected = ["0 segment.opened", "1 a", "2 b", "3 c"];
    assert_eq!(lines(&test.path(&appended.segment)), expected);
}

#[test]
fn an_event_that_no_reader_would_take_writes_nothing() {
    let test = TestRun::new();
    let writer = test.writer();
    let long = "x".repeat(LINE_BYTES_MAX);
    let refuse = |batch: &[Draft<'_>]| {
        let result = writer.append_batch(batch);
        assert!(
            matches!(result, Err(AppendError::Encode { index: 1, .. })),
            "{result:?}"
        );
    };
    refuse(&[note("a"), note(&long)]);
    assert_eq!(test.segments(), [] as [PathBuf; 0]);
    assert_eq!(writer.append(note("a")).expect("appended").seq, 1);
    let mut taken = note("b");
    taken.extra = ExtraFields::default();
    taken.extra.push("seq", &crate::json::Json::Null);
    refuse(&[note("a"), taken]);
    assert_eq!(writer.append(note("b")).expect("appended").seq, 2);
}

#[test]
fn a_run_that_was_not_started_is_no_place_to_append() {
    let test = TestRun::new();
    let root = Root::new(test.run.path().join("inner"));
    let run = root.run(&RunId::new("x").expect("an id"));
    let result = Writer::new(run.clone(), test.options()).append(note("a"));
    assert!(
        matches!(result, Err(AppendError::NoRun { .. })),
        "{result:?}"
    );
    std::fs::create_dir_all(run.path()).expect("created");
    std::os::unix::fs::symlink(test.run.events_path(), run.events_path()).expect("linked");
    let result = Writer::new(run, test.options()).append(note("a"));
    assert!(
        matches!(result, Err(AppendError::NoRun { .. })),
        "{result:?}"
    );
}

#[test]
fn the_end_of_a_run_states_the_lines_of_each_segment() {
    let test = TestRun::new();
    let (one, two) = (test.writer(), test.writer());
    let first = one.append(note("a")).expect("appended").segment;
    let second = two
        .append_batch(&[note("b"), note("c")])
        .expect("appended")
        .expect("not empty")
        .segment;
    let foreign = test.run.events_path().join("ci.jsonl");
    std::fs::write(foreign, "{}\n{}\ntorn").expect("written");
    let finished = one.finish(RunStatus::Completed).expect("appended");
    let content = std::fs::read(test.path(&finished.segment)).expect("readable");
    let last = content
        .trim_ascii_end()
        .rsplit(|byte| *byte == b'\n')
        .next();
    let sound = parse_line(last.expect("a line")).expect("sound");
    let Event::RunFinished(event) = sound.content.expect("no misfit").event else {
        panic!("want run.finished");
    };
    let expected: BTreeMap<Cow<'_, str>, u64> = BTreeMap::from([
        (first.as_str().into(), 2),
        (second.as_str().into(), 3),
        ("ci".into(), 2),
    ]);
    assert_eq!(event.segments, Some(expected));
}

#[test]
fn the_end_of_a_run_can_be_stated_whatever_the_segments_are_called() {
    let header = |id: &str| {
        let opened = format!(
            "{{\"ts\":\"2024-12-03T14:30:22Z\",\"type\":\"segment.opened\",\"segment\":\"{id}\"}}\n"
        );
        assert!(opened.len() < LINE_BYTES_MAX);
        opened
    };
    let long_ids = vec![("a".to_owned(), header(&"a".repeat(900_000)))];
    let odd_ids = vec![("a".to_owned(), header(&"\\u0001".repeat(150_000)))];
    let many_names = (0..5000).map(|n| (format!("{n:0>220}"), String::new()));
    for (segments, stated) in [(long_ids, 0), (odd_ids, 0), (many_names.collect(), 2184)] {
        let test = TestRun::new();
        for (stem, content) in segments {
            let path = test.run.events_path().join(format!("{stem}.jsonl"));
            std::fs::write(path, content).expect("written");
        }
        let finished = test
            .writer()
            .finish(RunStatus::Completed)
            .expect("appended");
        let content = std::fs::read(test.path(&finished.segment)).expect("readable");
        let last = content.split(|byte| *byte == b'\n').nth(1).expect("a line");
        let event = parse_line(last).expect("sound").content.expect("no misfit");
        let Event::RunFinished(event) = event.event else {
            panic!("want run.finished");
        };
        assert_eq!(event.segments.map(|segments| segments.len()), Some(stated));
    }
}

#[test]
fn a_redactor_that_panics_costs_only_its_own_event() {
    struct Panicking(AtomicBool);
    impl Redactor for Panicking {
        fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
            assert!(!self.0.swap(false, Ordering::SeqCst), "on purpose");
            text.into()
        }
    }
    let test = TestRun::new();
    let options = WriterOptions {
        redactor: Some(Arc::new(Panicking(AtomicBool::new(true)))),
        ..test.options()
    };
    let writer = Writer::new(test.run, options);
    std::thread::scope(|scope| {
        let panicking = scope.spawn(|| writer.append(note("a")));
        assert!(panicking.join().is_err());
    });
    assert_eq!(writer.append(note("b")).expect("appended").seq, 1);
}
