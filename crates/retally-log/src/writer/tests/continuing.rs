//! Which segments a writer goes on with, and how.

use super::*;
use crate::event::SegmentOpened;
use crate::field::Program;
use crate::format::{SEGMENT_BYTES_MAX, WRITER_NAME, WRITER_VERSION};
use crate::line_writer::{TextRules, encode_line};

#[test]
fn two_writers_of_a_run_have_two_segments() {
    let test = TestRun::new();
    let (one, two) = (test.writer(), test.writer());
    let first = one.append(note("a")).expect("appended");
    let second = two.append(note("b")).expect("appended");
    assert_ne!(first.segment, second.segment);
    assert_eq!(
        one.append(note("c")).expect("appended").segment,
        first.segment
    );
    drop((one, two));
    // The newest is continued; of two of one moment, that with the greater random part.
    let newest = first.segment.max(second.segment);
    assert_eq!(test.append_once("d").segment, newest);
}

#[test]
fn a_segment_that_nobody_writes_is_continued() {
    let test = TestRun::new();
    let segment = test.append_once("a").segment;
    for (text, seq) in [("b", 2), ("c", 3)] {
        let expected = Appended {
            segment: segment.clone(),
            seq,
        };
        assert_eq!(test.append_once(text), expected);
    }
    assert_eq!(
        lines(&test.path(&segment)),
        ["0 segment.opened", "1 a", "2 b", "3 c"]
    );
}

#[test]
fn a_torn_line_is_ended_and_its_number_not_used_again() {
    let test = TestRun::new();
    let segment = test.append_once("a").segment;
    test.add(&segment, br#"{"seq":2,"ts":"2024"#);
    assert_eq!(test.append_once("b").seq, 3);
    let expected = ["0 segment.opened", "1 a", "damage", "3 b"];
    assert_eq!(lines(&test.path(&segment)), expected);
}

#[test]
fn a_whole_line_that_lacks_only_its_lf_is_adopted() {
    let test = TestRun::new();
    test.append_once("a");
    let segment = test.append_once("b").segment;
    let content = std::fs::read(test.path(&segment)).expect("readable");
    std::fs::write(test.path(&segment), &content[..content.len() - 1]).expect("written");
    assert_eq!(test.append_once("c").seq, 3);
    let expected = ["0 segment.opened", "1 a", "2 b", "3 c"];
    assert_eq!(lines(&test.path(&segment)), expected);
}

/// Changes a segment that was just written, and checks that it is left alone.
fn check_not_continued(change: impl FnOnce(&TestRun, &Path)) {
    let test = TestRun::new();
    let path = test.path(&test.append_once("a").segment);
    change(&test, &path);
    let before = std::fs::read(&path).ok();
    let path_after = test.path(&test.append_once("b").segment);
    assert_ne!(path, path_after);
    assert_eq!(std::fs::read(&path).ok(), before);
}

#[test]
fn a_segment_that_is_not_beyond_doubt_ours_is_not_continued() {
    let replace = |path: &Path, from: &str, to: &str| {
        let content = std::fs::read_to_string(path).expect("readable");
        assert!(content.contains(from), "{content}");
        std::fs::write(path, content.replacen(from, to, 1)).expect("written");
    };
    check_not_continued(|_, path| {
        let copy = path.with_extension("copy");
        std::fs::copy(path, &copy).expect("copied");
        std::fs::rename(&copy, path).expect("renamed");
    });
    check_not_continued(|_, path| {
        let other = path.with_file_name("zzz.jsonl");
        std::fs::rename(path, other).expect("renamed");
    });
    check_not_continued(|_, path| {
        let other = path.with_extension("moved");
        std::fs::rename(path, &other).expect("renamed");
        std::os::unix::fs::symlink(&other, path).expect("linked");
    });
    check_not_continued(|_, path| std::fs::write(path, "").expect("written"));
    check_not_continued(|_, path| replace(path, "\"pid\":", "\"Pid\":"));
    check_not_continued(|_, path| {
        let content = std::fs::read(path).expect("readable");
        std::fs::write(path, [&content[..], b"not a line of ours\n"].concat()).expect("written");
    });
    check_not_continued(|_, path| {
        let file = std::fs::File::options().write(true).open(path);
        file.and_then(|file| file.set_len(SEGMENT_BYTES_MAX))
            .expect("grown");
    });
    check_not_continued(|test, _| test.clock.jump_to(at("2024-12-03T13:30:21Z")));
}

/// Rewrites the first line of a segment in place, soundly, and returns whether it is continued.
fn is_continued_with(change: impl FnOnce(&mut SegmentOpened<'_>), seq: u64) -> bool {
    let test = TestRun::new();
    let segment = test.append_once("a").segment;
    let content = std::fs::read(test.path(&segment)).expect("readable");
    let end = content
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("whole");
    let envelope = parse_line(&content[..end]).expect("sound").content;
    let Ok(Event::SegmentOpened(mut header)) = envelope.map(|envelope| envelope.event) else {
        panic!("want segment.opened");
    };
    change(&mut header);
    let (ts, rules) = (test.clock.now(), TextRules::default());
    let mut changed = Vec::new();
    encode_line(&mut changed, seq, ts, &header.into(), rules).expect("it fits");
    changed.extend_from_slice(&content[end + 1..]);
    std::fs::write(test.path(&segment), changed).expect("written");
    test.append_once("b").segment == segment
}

#[test]
fn a_segment_is_continued_only_if_each_field_of_its_first_line_is_ours() {
    assert!(is_continued_with(|_| {}, 0));
    assert!(!is_continued_with(|_| {}, 1));
    let program = |name: &'static str, version: &'static str| {
        let (name, version) = (name.into(), version.into());
        Some(Program { name, version })
    };
    let check = |change: &dyn Fn(&mut SegmentOpened<'_>)| {
        assert!(!is_continued_with(change, 0));
    };
    check(&|header| header.format = None);
    check(&|header| header.format = Some(2));
    check(&|header| header.run = Some("run_20241203_143022_project_169".into()));
    check(&|header| header.segment = Some("another".into()));
    check(&|header| header.times = Some(Times::Given));
    check(&|header| header.boot = Some("another".into()));
    check(&|header| header.boot = None);
    check(&|header| header.inode = header.inode.map(|inode| inode + 1));
    check(&|header| header.inode = None);
    check(&|header| header.device = header.device.map(|device| device + 1));
    check(&|header| header.device = None);
    check(&|header| header.writer = program(WRITER_NAME, "0.0.1"));
    check(&|header| header.writer = program("another", WRITER_VERSION));
    check(&|header| header.writer = None);
}

#[test]
fn a_segment_whose_first_line_is_not_sealed_is_not_continued() {
    check_not_continued(|_, path| {
        let content = std::fs::read_to_string(path).expect("readable");
        let seal = content.find(",\"crc\":").expect("sealed");
        let end = content.find('\n').expect("whole");
        let unsealed = format!("{}}}{}", &content[..seal], &content[end..]);
        std::fs::write(path, unsealed).expect("written");
    });
}

#[test]
fn a_segment_of_another_start_or_kind_of_times_is_not_continued() {
    let test = TestRun::new();
    let append = |times, boot: Option<&str>| {
        let host = Host {
            name: "host".to_owned(),
            boot: boot.map(str::to_owned),
            pid: 7,
        };
        let options = WriterOptions {
            times,
            host: Some(host),
            ..test.options()
        };
        let writer = Writer::new(test.run.clone(), options);
        writer.append(note("x")).expect("appended").seq
    };
    assert_eq!(append(Times::Stamped, Some("a")), 1);
    assert_eq!(append(Times::Stamped, Some("b")), 1);
    assert_eq!(append(Times::Stamped, None), 1);
    assert_eq!(append(Times::Stamped, None), 1);
    assert_eq!(append(Times::Given, Some("a")), 1);
    assert_eq!(append(Times::Given, Some("a")), 1);
    assert_eq!(append(Times::None, Some("a")), 1);
    assert_eq!(append(Times::Stamped, Some("a")), 2);
}

#[test]
fn a_segment_whose_file_could_not_be_locked_is_never_continued() {
    let test = TestRun::new();
    let judge = |call, _| match call {
        Call::Lock => Verdict::Fail(Errno::NOLCK.raw_os_error()),
        _ => Verdict::Pass,
    };
    let storage = Arc::new(FaultyStorage::new(judge));
    let lockless = Writer::with_storage(test.run.clone(), test.options(), storage);
    let first = lockless.append(note("a")).expect("appended");
    let second = test.writer().append(note("b")).expect("appended");
    assert_ne!(first.segment, second.segment);
    assert_eq!(lockless.append(note("c")).expect("appended").seq, 2);
}

#[test]
fn stamps_go_on_behind_those_of_a_continued_segment() {
    let test = TestRun::new();
    test.append_once("a");
    test.clock.jump_to(at("2024-12-03T14:00:00Z"));
    let segment = test.append_once("b").segment;
    let expected = ["2024-12-03T14:30:22Z"; 3];
    assert_eq!(stamps(&test.path(&segment)), expected.map(at));
}

#[test]
fn a_segment_that_is_replaced_before_it_is_locked_is_not_continued() {
    let test = TestRun::new();
    let path = test.path(&test.append_once("a").segment);
    let replaced = path.clone();
    let storage = FaultyStorage::new(move |call, _| {
        let away = replaced.with_extension("away");
        if call == Call::Lock && !away.exists() {
            std::fs::rename(&replaced, &away).expect("renamed");
            std::fs::copy(&away, &replaced).expect("copied");
        }
        Verdict::Pass
    });
    let writer = Writer::with_storage(test.run.clone(), test.options(), Arc::new(storage));
    let appended = writer.append(note("b")).expect("appended");
    assert_ne!(test.path(&appended.segment), path);
    assert_eq!(lines(&path), ["0 segment.opened", "1 a"]);
}

#[test]
fn many_files_of_others_keep_nobody_from_continuing_a_segment() {
    let test = TestRun::new();
    let segment = test.append_once("a").segment;
    let folder = test.path(&segment);
    let folder = folder.parent().expect("a folder");
    for number in 0..100 {
        std::fs::write(folder.join(format!("host-{number}.jsonl")), "{}\n").expect("written");
    }
    assert_eq!(test.append_once("b").segment, segment);
}

#[test]
#[expect(clippy::print_stderr, reason = "says why nothing was tested")]
fn the_segment_of_another_user_is_not_continued() {
    let test = TestRun::new();
    let first = test.append_once("a").segment;
    let nobody = Some(65534);
    if std::os::unix::fs::chown(test.path(&first), nobody, nobody).is_err() {
        eprintln!("skipped: only root can give a file away");
        return;
    }
    assert_ne!(test.append_once("b").segment, first);
}
