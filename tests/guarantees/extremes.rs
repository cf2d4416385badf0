//! Lines that were made to break a reader, and how much memory they cost.

use super::child::{Child, End};
use super::folded_run::FoldedRun;
use super::{proved, quick_or_soak};
use retally_log::{Content, Damage, Entry, LogReader};
use std::io::{Seek as _, SeekFrom, Write as _};

/// What a line must be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Event,
    Misfit,
    Damage,
}

fn event(payload: &str) -> String {
    format!(r#"{{"ts":"2024-12-03T14:00:00Z",{payload}}}"#)
}

fn note(text: &str) -> String {
    event(&format!(r#""type":"note.added","text":{text}"#))
}

fn tokens(count: &str) -> String {
    event(&format!(
        r#""type":"llm.called","model":"m","input_tokens":{count}"#
    ))
}

fn extra(value: &str) -> String {
    event(&format!(
        r#""type":"note.added","text":"t","extra":{value}"#
    ))
}

/// Returns what the lines are read as, and checks that each byte is accounted for.
fn verdicts(run: &FoldedRun) -> Vec<Verdict> {
    let mut log = LogReader::open(run.run.events_path()).expect("readable");
    let (mut found, mut bytes) = (Vec::new(), 0);
    let mut visit = |entry: Entry<'_>| {
        let Entry::Stretch(place, content) = entry else {
            panic!("nobody writes");
        };
        bytes += place.length;
        found.push(match content {
            Content::Event(_) => Verdict::Event,
            Content::Misfit(_) => Verdict::Misfit,
            Content::Damage(_) => Verdict::Damage,
            other => panic!("{other:?}"),
        });
    };
    while log.next(&mut visit).expect("readable").is_some() {}
    let sizes = run.run.segment_bytes().expect("readable");
    assert_eq!(bytes, sizes.values().sum::<u64>());
    found
}

#[test]
fn hostile_lines_are_read_as_what_they_are_and_cost_only_themselves() {
    let brackets = |open: &str, close: &str, count: usize| {
        extra(&format!("{}{}", open.repeat(count), close.repeat(count)))
    };
    let keys: Vec<_> = (0..70_000).map(|key| format!(r#""{key}":1"#)).collect();
    let twice = [keys.clone(), vec![r#""0":2"#.to_owned()]].concat();
    let cases = [
        (tokens("9007199254740991"), Verdict::Event),
        (tokens("9007199254740992"), Verdict::Misfit),
        (tokens("9223372036854775807"), Verdict::Misfit),
        (tokens("18446744073709551615"), Verdict::Misfit),
        (tokens("18446744073709551616"), Verdict::Misfit),
        (tokens("-1"), Verdict::Misfit),
        (tokens("-9223372036854775808"), Verdict::Misfit),
        (tokens("1.5"), Verdict::Misfit),
        (tokens("1e400"), Verdict::Misfit),
        (tokens(&"9".repeat(100_000)), Verdict::Misfit),
        (tokens("NaN"), Verdict::Damage),
        (tokens("Infinity"), Verdict::Damage),
        (tokens("-Infinity"), Verdict::Damage),
        (extra("NaN"), Verdict::Damage),
        (extra("[1e400,-1e400,1e-400]"), Verdict::Event),
        (extra("+1"), Verdict::Damage),
        (extra("01"), Verdict::Damage),
        (note(r#""\ud800""#), Verdict::Misfit),
        (note(r#""\udc00\ud800""#), Verdict::Misfit),
        (note(r#""\ud83d\ude00""#), Verdict::Event),
        (note(r#""\u0000""#), Verdict::Event),
        (extra(r#"{"x":"\ud800"}"#), Verdict::Damage),
        (note("\"a\",\"text\":\"b\""), Verdict::Damage),
        (extra(r#"{"x":1,"x":1}"#), Verdict::Damage),
        (extra(r#"{"x":1,"\u0078":1}"#), Verdict::Damage),
        (extra(r#"[{"x":{"y":1,"y":2}}]"#), Verdict::Damage),
        (extra(&format!("{{{}}}", keys.join(","))), Verdict::Event),
        (extra(&format!("{{{}}}", twice.join(","))), Verdict::Damage),
        (
            event(&format!(r#""type":"x.y",{}"#, keys.join(","))),
            Verdict::Event,
        ),
        (brackets("[", "]", 63), Verdict::Event),
        (brackets("[", "]", 64), Verdict::Damage),
        (brackets("[", "]", 500_000), Verdict::Damage),
        (brackets("[", "", 1_000_000), Verdict::Damage),
        (brackets(r#"{"a":"#, "}", 100_000), Verdict::Damage),
        ("[".repeat(1_000_000), Verdict::Damage),
        ("{\"".repeat(500_000), Verdict::Damage),
        ("\\".repeat(1_000_000), Verdict::Damage),
        (
            note(&format!("\"{}\"", "x".repeat((1 << 20) - 68))),
            Verdict::Event,
        ),
        (
            note(&format!("\"{}\"", "x".repeat(1 << 20))),
            Verdict::Damage,
        ),
        ("{}".to_owned(), Verdict::Misfit),
        ("null".to_owned(), Verdict::Damage),
    ];
    for (line, verdict) in &cases {
        let run = FoldedRun::new();
        let (before, after) = (note("\"before\""), note("\"after\""));
        run.write("s.jsonl", format!("{before}\n{line}\n{after}\n").as_bytes());
        let expected = [Verdict::Event, *verdict, Verdict::Event];
        assert_eq!(verdicts(&run), expected, "{}", &line[..line.len().min(200)]);
        run.reports();
    }
    proved("T10", &format!("{} hostile lines", cases.len()));
}

#[test]
fn numbers_in_free_objects_stand_in_reports_as_they_stood() {
    let numbers = [
        "0.1",
        "0.30000000000000004",
        "1.7976931348623157e308",
        "5e-324",
        "2.2250738585072011e-308",
        "-0.0",
        "1E2",
        "1e-7",
        "9007199254740993",
        "18446744073709551615",
        "-9223372036854775808",
        "123456789012345678901234567890.5",
    ];
    let members: Vec<_> = numbers
        .iter()
        .enumerate()
        .map(|(at, it)| format!(r#""k{at}":{it}"#))
        .collect();
    let members = members.join(",");
    let run = FoldedRun::new();
    let line = event(&format!(
        r#""type":"run.started","project_id":1,"config":{{{members}}}"#
    ));
    run.write("s.jsonl", format!("{line}\n").as_bytes());
    let reports = run.reports();
    for (at, number) in numbers.iter().enumerate() {
        let stands = reports
            .lines()
            .any(|line| line.trim().trim_end_matches(',') == format!(r#""k{at}": {number}"#));
        assert!(stands, "{number} in {reports}");
    }
    proved("T10", &format!("{} numbers as they stood", numbers.len()));
}

/// Returns the most memory that this process ever had, in bytes.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    kib.expect("a peak").parse::<u64>().expect("a number") << 10
}

/// Does something in a process of its own, and returns by how much its memory grew, in bytes.
fn growth(work: impl FnOnce()) -> u64 {
    let mut child = Child::fork(|reporter| {
        // What the parent once had does not count.
        std::fs::write("/proc/self/clear_refs", "5").expect("the peak is forgotten");
        let before = peak_bytes();
        work();
        let grown = (peak_bytes() - before) >> 10;
        reporter.report(u32::try_from(grown).expect("few"));
    });
    let grown = child.next_report().expect("it does not fail");
    assert_eq!(child.wait(), End::Exited(0));
    u64::from(grown) << 10
}

#[test]
#[ignore = "a line of 1 GiB: `just guarantees` runs it"]
fn a_line_of_a_gibibyte_costs_bounded_memory_and_only_itself() {
    const LINE_BYTES: u64 = 1 << 30;
    let run = FoldedRun::new();
    // Zeros that take no room.
    let mut file = std::fs::File::create(run.path("s.jsonl")).expect("created");
    file.write_all(br#"{"ts":"#).expect("written");
    file.seek(SeekFrom::Start(LINE_BYTES)).expect("seekable");
    let end = format!("\n{}\n", note("\"after\""));
    file.write_all(end.as_bytes()).expect("written");
    drop(file);
    let grown = growth(|| {
        let mut log = LogReader::open(run.run.events_path()).expect("readable");
        let first = log.next(|entry| {
            let Entry::Stretch(place, Content::Damage(Damage::TooLong)) = entry else {
                panic!("{entry:?}");
            };
            assert_eq!(place.length, LINE_BYTES + 1);
        });
        assert!(first.expect("readable").is_some());
        let second = log.next(|entry| matches!(entry, Entry::Stretch(_, Content::Event(_))));
        assert_eq!(second.expect("readable"), Some(true));
    });
    assert!(grown < 16 << 20, "{grown} bytes");
    proved(
        "T10",
        &format!("a line of 1 GiB, read with {} KiB of memory", grown >> 10),
    );
}

#[test]
#[ignore = "a million issues and agents: `just guarantees` runs it"]
fn memory_grows_with_distinct_names_only() {
    const KINDS: [&str; 3] = ["issues", "agents of one issue", "notes of one issue"];
    let count = quick_or_soak(100_000, 1_000_000);
    for kind in KINDS {
        let run = FoldedRun::new();
        let mut text = Vec::new();
        for name in 0..count {
            let payload = match kind {
                "issues" => format!(r#""type":"agent.started","issue":{name},"agent":"a""#),
                "agents of one issue" => {
                    format!(r#""type":"agent.started","issue":0,"agent":"a{name}""#)
                }
                _ => format!(r#""type":"note.added","issue":0,"text":"note {name}""#),
            };
            text.extend(event(&payload).as_bytes());
            text.push(b'\n');
        }
        run.write("s.jsonl", &text);
        drop(text);
        let grown = growth(|| {
            let mut fold = run.fold();
            fold.catch_up().expect("readable");
            assert_eq!(fold.entries(), count);
        });
        let bytes_each = if kind == KINDS[2] { 0 } else { 8192 };
        assert!(grown < count * bytes_each + (16 << 20), "{grown} bytes");
        let counts = format!("{count} {kind}, {} bytes of memory each", grown / count);
        proved("T14", &counts);
    }
}
