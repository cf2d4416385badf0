//! What a writer does when calls fail: the Nth, for every N, once and for ever.

use super::*;
use crate::proof::proved;

const ENOSPC: i32 = Errno::NOSPC.raw_os_error();
const EIO: i32 = Errno::IO.raw_os_error();
const EDQUOT: i32 = Errno::DQUOT.raw_os_error();
const EINTR: i32 = Errno::INTR.raw_os_error();
const ENOLCK: i32 = Errno::NOLCK.raw_os_error();

impl TestRun {
    fn faulty(&self, storage: &FaultyStorage, durability: Durability) -> Writer {
        let options = WriterOptions {
            durability,
            ..self.options()
        };
        Writer::with_storage(self.run.clone(), options, Arc::new(storage.clone()))
    }

    /// Returns how often each note stands in the log, and checks that no number stands twice.
    fn notes(&self) -> BTreeMap<String, usize> {
        let mut notes = BTreeMap::new();
        for path in self.segments() {
            let mut seqs = BTreeSet::new();
            for line in lines(&path) {
                if let Some((seq, text)) = line.split_once(' ') {
                    assert!(seqs.insert(seq.to_owned()), "{seq} twice in {path:?}");
                    *notes.entry(text.to_owned()).or_insert(0) += 1;
                }
            }
        }
        notes.remove("segment.opened");
        notes.remove("run.finished");
        notes
    }

    /// Checks that what was acknowledged is in the log once, and nothing that was not appended.
    fn check_notes(&self, acknowledged: &[String], others: &[String], context: &str) {
        let notes = self.notes();
        for text in acknowledged {
            assert_eq!(notes.get(text), Some(&1), "{text}, {context}: {notes:?}");
        }
        for (text, count) in &notes {
            let is_known = acknowledged.contains(text) || others.contains(text);
            assert!(is_known && *count == 1, "{text}, {context}: {notes:?}");
        }
    }
}

/// Appends some events through a storage, in all ways, and returns which were acknowledged and
/// which were not.
fn append_some(writer: &Writer) -> (Vec<String>, Vec<String>) {
    let (mut acknowledged, mut others) = (Vec::new(), Vec::new());
    let mut note_result = |texts: &[&str], result: Result<(), AppendError>| {
        let list = match result {
            Ok(()) => &mut acknowledged,
            Err(_) => &mut others,
        };
        list.extend(texts.iter().map(|text| (*text).to_owned()));
    };
    for text in ["a", "b"] {
        note_result(&[text], writer.append(note(text)).map(drop));
    }
    let batch = [note("c"), note("d")];
    note_result(&["c", "d"], writer.append_batch(&batch).map(drop));
    let _ = writer.finish(RunStatus::Completed);
    note_result(&["e"], writer.append(note("e")).map(drop));
    (acknowledged, others)
}

/// How a writer goes about it.
#[derive(Clone, Copy)]
struct Way {
    durability: Durability,
    /// Whether there is a segment to go on with.
    continues: bool,
}

const WAYS: [Way; 4] = [
    Way {
        durability: Durability::Process,
        continues: true,
    },
    Way {
        durability: Durability::Process,
        continues: false,
    },
    Way {
        durability: Durability::Power,
        continues: true,
    },
    Way {
        durability: Durability::Power,
        continues: false,
    },
];

/// Appends while one call or all from one on fail, then again when none does. Returns which calls
/// were made.
fn check_fault(fails: impl Fn(usize) -> bool, errno: i32, way: Way) -> Vec<Call> {
    let test = TestRun::new();
    let before: Vec<_> = way
        .continues
        .then_some("before".to_owned())
        .into_iter()
        .collect();
    for text in &before {
        test.append_once(text);
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(Mutex::new(Vec::new()));
    let storage = {
        const CALLS_MAX: usize = 200;
        let failing: Vec<bool> = (0..CALLS_MAX).map(&fails).collect();
        let (over, made) = (Arc::clone(&is_over), Arc::clone(&calls));
        FaultyStorage::new(move |call, number| {
            if over.load(Ordering::SeqCst) {
                return Verdict::Pass;
            }
            made.lock().expect("not poisoned").push(call);
            match failing[number] {
                true => Verdict::Fail(errno),
                false => Verdict::Pass,
            }
        })
    };
    let writer = test.faulty(&storage, way.durability);
    let (mut acknowledged, others) = append_some(&writer);
    is_over.store(true, Ordering::SeqCst);
    if let Err(error) = writer.append(note("after")) {
        let is_refusal = matches!(error, AppendError::SyncFailed { .. });
        assert!(is_refusal, "{errno}: {error}");
        writer.reopen();
        writer.append(note("after")).expect("appended");
    }
    drop(writer);
    test.append_once("last");
    acknowledged.extend(before);
    acknowledged.extend(["after", "last"].map(str::to_owned));
    let calls = calls.lock().expect("not poisoned").clone();
    test.check_notes(&acknowledged, &others, &format!("{errno}: {calls:?}"));
    calls
}

#[test]
fn any_call_may_fail_and_the_log_stays_whole() {
    let mut kinds = BTreeSet::new();
    let (mut once, mut for_ever) = (0, 0);
    for way in WAYS {
        let calls = check_fault(|_| false, EIO, way);
        for errno in [ENOSPC, EIO, EDQUOT, EINTR, ENOLCK] {
            for n in 0..calls.len() {
                let made = check_fault(|number| number == n, errno, way);
                kinds.insert(format!("{:?}", made[n]));
                once += 1;
                // No system interrupts each attempt; a write is tried until it is not.
                if errno != EINTR {
                    check_fault(|number| number >= n, errno, way);
                    for_ever += 1;
                }
            }
        }
    }
    // The last kind, a removal, is of a header that was torn.
    assert_eq!(kinds.len(), 10, "{kinds:?}");
    proved(
        "A3",
        &format!(
            "{once} calls that fail, {for_ever} from which on all do, of {} kinds",
            kinds.len()
        ),
    );
}

#[test]
fn a_short_write_is_carried_on_wherever_it_ends() {
    let test = TestRun::new();
    let length = Arc::new(AtomicUsize::new(0));
    let left = Arc::clone(&length);
    let storage = FaultyStorage::new(move |call, _| match call {
        Call::Write => Verdict::Short(left.swap(usize::MAX, Ordering::SeqCst)),
        _ => Verdict::Pass,
    });
    let writer = test.faulty(&storage, Durability::Process);
    let mut acknowledged = Vec::new();
    for bytes in 1..500 {
        length.store(bytes, Ordering::SeqCst);
        let text = format!("note {bytes}");
        writer.append(note(&text)).expect("appended");
        acknowledged.push(text);
    }
    test.check_notes(&acknowledged, &[], "short writes");
}

/// Lets a write take some bytes and the next none, and returns what the writer says of it.
fn tear(test: &TestRun, writes_before: usize, bytes: usize, errno: i32) -> (Writer, AppendError) {
    let writes = AtomicUsize::new(0);
    let storage = FaultyStorage::new(move |call, _| {
        if call != Call::Write {
            return Verdict::Pass;
        }
        let number = writes.fetch_add(1, Ordering::SeqCst);
        match number.checked_sub(writes_before) {
            Some(0) => Verdict::Short(bytes),
            Some(1) => Verdict::Fail(errno),
            _ => Verdict::Pass,
        }
    });
    let writer = test.faulty(&storage, Durability::Process);
    for _ in 0..writes_before {
        writer.append(note("before")).expect("appended");
    }
    let error = writer
        .append_batch(&[note("a"), note("b")])
        .expect_err("the disk is full");
    (writer, error)
}

#[test]
fn a_full_disk_tears_a_line_and_the_next_append_is_intact() {
    // Each line is of this length, its LF included.
    let line = {
        let test = TestRun::new();
        let path = test.path(&test.append_once("a").segment);
        let content = std::fs::read(path).expect("readable");
        content
            .split_inclusive(|byte| *byte == b'\n')
            .nth(1)
            .expect("a line")
            .len()
    };
    let errnos = [ENOSPC, EDQUOT, EIO];
    let cuts = errnos
        .iter()
        .flat_map(|errno| (1..2 * line).map(|bytes| (bytes, *errno)));
    for (bytes, errno) in cuts.clone() {
        let test = TestRun::new();
        let (writer, error) = tear(&test, 1, bytes, errno);
        let AppendError::Write {
            whole_events,
            is_torn,
            ..
        } = error
        else {
            panic!("want a failed write: {error}");
        };
        let expected = ((bytes / line) as u64, !bytes.is_multiple_of(line));
        assert_eq!((whole_events, is_torn), expected, "{bytes} bytes");
        let after = writer.append(note("after")).expect("appended");
        assert_eq!(
            after.seq,
            2 + whole_events + u64::from(is_torn),
            "{bytes} bytes"
        );
        let mut expected = vec!["0 segment.opened", "1 before"];
        expected.extend(["2 a", "3 b"].iter().take(bytes.div_ceil(line)));
        if !(bytes + 1).is_multiple_of(line) && is_torn {
            expected.pop();
            expected.push("damage");
        }
        let after = format!("{} after", after.seq);
        expected.push(&after);
        let segments = test.segments();
        assert_eq!(segments.len(), 1);
        assert_eq!(lines(&segments[0]), expected, "{bytes} bytes");
    }
    proved(
        "A4",
        &format!("{} short writes before an error", cuts.count()),
    );
}

#[test]
fn a_torn_header_leaves_no_segment() {
    let header = {
        let test = TestRun::new();
        let path = test.path(&test.append_once("a").segment);
        let content = std::fs::read(path).expect("readable");
        memchr::memchr(b'\n', &content).expect("a line")
    };
    for bytes in 1..header {
        let test = TestRun::new();
        let (writer, error) = tear(&test, 0, bytes, ENOSPC);
        assert!(
            matches!(
                error,
                AppendError::Write {
                    whole_events: 0,
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(writer.append(note("after")).expect("appended").seq, 1);
        assert_eq!(test.segments().len(), 1, "the torn one is gone");
        test.check_notes(&["after".to_owned()], &[], "torn header");
    }
    proved("A4", &format!("{} torn headers", header - 1));
}

#[test]
fn a_torn_header_that_cannot_be_removed_is_left_alone() {
    let test = TestRun::new();
    let writes = AtomicUsize::new(0);
    let storage = FaultyStorage::new(move |call, _| match call {
        Call::Remove => Verdict::Fail(EIO),
        Call::Write => match writes.fetch_add(1, Ordering::SeqCst) {
            0 => Verdict::Short(100),
            1 => Verdict::Fail(ENOSPC),
            _ => Verdict::Pass,
        },
        _ => Verdict::Pass,
    });
    let writer = test.faulty(&storage, Durability::Process);
    writer.append(note("a")).expect_err("the disk is full");
    assert_eq!(writer.append(note("after")).expect("appended").seq, 1);
    assert_eq!(test.segments().len(), 2);
    test.check_notes(&["after".to_owned()], &[], "torn header");
}

#[test]
fn a_disk_that_stays_full_is_not_littered_with_empty_segments() {
    let test = TestRun::new();
    let storage = FaultyStorage::new(|call, _| match call {
        Call::Write => Verdict::Fail(ENOSPC),
        _ => Verdict::Pass,
    });
    let writer = test.faulty(&storage, Durability::Process);
    for _ in 0..10 {
        writer.append(note("a")).expect_err("the disk is full");
    }
    assert_eq!(test.segments().len(), 1);
}

#[test]
fn after_a_failed_sync_the_writer_refuses_until_it_is_reopened() {
    let test = TestRun::new();
    let is_failing = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&is_failing);
    let storage = FaultyStorage::new(move |call, _| match call {
        Call::Sync if failing.load(Ordering::SeqCst) => Verdict::Fail(EIO),
        _ => Verdict::Pass,
    });
    let writer = test.faulty(&storage, Durability::Process);
    let first = writer.append(note("a")).expect("appended");
    let is_refusal = |error: AppendError| matches!(error, AppendError::SyncFailed { .. });
    assert!(is_refusal(writer.sync().expect_err("the disk fails")));
    is_failing.store(false, Ordering::SeqCst);
    assert!(is_refusal(writer.sync().expect_err("refused")));
    assert!(is_refusal(writer.append(note("b")).expect_err("refused")));
    writer.reopen();
    writer.reopen();
    let second = writer.append(note("b")).expect("appended");
    assert_ne!(first.segment, second.segment);
    writer.sync().expect("synced");
    let expected = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 1)]);
    assert_eq!(test.notes(), expected);
}

#[test]
fn what_a_failed_sync_leaves_in_doubt_is_never_acknowledged() {
    let mut failures = 0;
    for failing in [Call::Sync, Call::SyncDir] {
        for n in 0.. {
            let test = TestRun::new();
            let count = AtomicUsize::new(0);
            let storage = FaultyStorage::new(move |call, _| {
                match call == failing && count.fetch_add(1, Ordering::SeqCst) == n {
                    true => Verdict::Fail(EIO),
                    false => Verdict::Pass,
                }
            });
            let writer = test.faulty(&storage, Durability::Power);
            let texts: Vec<_> = (0..10).map(|text| text.to_string()).collect();
            let results: Vec<_> = texts.iter().map(|text| writer.append(note(text))).collect();
            let acknowledged = results.iter().take_while(|result| result.is_ok()).count();
            if acknowledged == texts.len() {
                break;
            }
            // One sync an append; those of folders come with the first.
            assert_eq!(acknowledged, if failing == Call::Sync { n } else { 0 });
            for result in &results[acknowledged..] {
                assert!(
                    matches!(result, Err(AppendError::SyncFailed { .. })),
                    "{result:?}"
                );
            }
            let in_doubt = test.notes();
            assert_eq!(
                in_doubt.len(),
                acknowledged + 1,
                "nothing behind the failure"
            );
            writer.reopen();
            for text in &texts[acknowledged..] {
                let again = writer.append(note(text)).expect("appended");
                assert!(
                    results
                        .iter()
                        .flatten()
                        .all(|it| it.segment != again.segment)
                );
            }
            failures += 1;
        }
    }
    assert_eq!(failures, 13);
    proved(
        "A5",
        &format!("{failures} failed syncs, of segments and folders"),
    );
}

#[test]
fn a_segment_that_was_replaced_is_left_and_the_event_appended_to_another() {
    let test = TestRun::new();
    let writer = test.writer();
    let first = writer.append(note("a")).expect("appended").segment;
    let path = test.path(&first);
    let copy = path.with_extension("copy");
    std::fs::copy(&path, &copy).expect("copied");
    std::fs::rename(copy, &path).expect("as rsync and editors do");
    let second = writer.append(note("b")).expect("appended");
    assert_ne!(second.segment, first);
    assert_eq!(lines(&path), ["0 segment.opened", "1 a"]);
    let expected = ["0 segment.opened", "1 b"];
    assert_eq!(lines(&test.path(&second.segment)), expected);
    assert_eq!(writer.append(note("c")).expect("appended").seq, 2);
}

#[test]
fn what_is_removed_each_time_is_not_acknowledged() {
    let test = TestRun::new();
    let events = test.run.events_path();
    let storage = FaultyStorage::new(move |call, _| {
        if call == Call::Write {
            for entry in std::fs::read_dir(&events).expect("readable") {
                std::fs::remove_file(entry.expect("an entry").path()).expect("removed");
            }
        }
        Verdict::Pass
    });
    let writer = test.faulty(&storage, Durability::Process);
    let error = writer.append(note("a")).expect_err("nowhere");
    assert!(
        matches!(
            error,
            AppendError::Write {
                whole_events: 0,
                ..
            }
        ),
        "{error}"
    );
}
