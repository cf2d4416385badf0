use super::*;
use crate::test_helpers::{parse as parse_as, shown};

const STARTED: &str = r#"{"ts":"2024-12-03T14:30:22Z","type":"issue.started","issue":123}"#;

fn keys(text: &str) -> Vec<String> {
    let parsed = parse_as(NAME, text.as_bytes()).expect("lines are never an error");
    let drafts = parsed.runs.iter().flat_map(|run| &run.drafts);
    drafts
        .map(|draft| draft.key.clone().unwrap_or_default().into_owned())
        .collect()
}

#[test]
fn lines_become_events_of_the_run_that_is_named_for_the_file() {
    let text = format!(
        "{STARTED}\n\n  {{\"type\":\"deploy.done\",\"key\":\"k\",\"ts\":\"2024-12-03T15:30:23+01:00\",\"to\":\"x\"}} \r\n"
    );
    let parsed = parse_as(NAME, text.as_bytes()).expect("lines");
    assert_eq!(parsed.problems, []);
    let [run] = &parsed.runs[..] else {
        panic!("{parsed:?}")
    };
    assert_eq!(run.id.as_str(), "jsonl_dump");
    assert_eq!(run.times, Times::Given);
    let events: Vec<_> = run.drafts.iter().map(shown).collect();
    let expected = "issue.started
  ts: 2024-12-03T14:30:22.000000Z
  key: jsonl:322557241750766890a6a004d4ecb9c9:1
  issue: 123
deploy.done
  ts: 2024-12-03T14:30:23.000000Z
  key: k";
    assert_eq!(events.join("\n"), expected);
    assert_eq!(
        run.drafts[1].extra.iter().collect::<Vec<_>>(),
        [("to", "\"x\"")]
    );
}

#[test]
fn a_file_without_an_event_has_no_run() {
    for text in ["", "\n", " \r\n\n"] {
        let parsed = parse_as(NAME, text.as_bytes()).expect("lines");
        assert_eq!(parsed, Parsed::default(), "{text:?}");
    }
}

#[test]
fn equal_lines_are_separate_events_with_the_same_keys_at_each_import() {
    let twice = keys(&format!("{STARTED}\n{STARTED}"));
    assert_eq!(twice.len(), 2);
    assert!(
        twice[0].ends_with(":1") && twice[1].ends_with(":2"),
        "{twice:?}"
    );
    assert_eq!(twice[0][..38], twice[1][..38]);
    let grown = keys(&format!("{STARTED}\n{STARTED}\n{STARTED}\n"));
    assert_eq!(grown[..2], twice);
}

#[test]
fn another_spelling_of_a_line_has_the_same_key() {
    let expected = keys(STARTED);
    for text in [
        r#"{"type":"issue.started","issue":123,"ts":"2024-12-03T14:30:22Z"}"#,
        r#" { "ts": "2024-12-03T14:30:22Z", "type": "issue.started", "issue": 123 } "#,
        r#"{"seq":5,"ts":"2024-12-03T14:30:22Z","type":"issue.started","issue":123,"crc":"00000000"}"#,
        "\u{feff}{\"ts\":\"2024-12-03T14:30:22Z\",\"type\":\"issue.started\",\"issue\":123}",
    ] {
        assert_eq!(keys(text), expected, "{text}");
    }
    assert_ne!(keys(&STARTED.replace("123", "124")), expected);
}

#[test]
fn a_line_that_is_no_event_is_named_and_the_others_count() {
    let check = |line: &[u8], expected: &str| {
        let text = [STARTED.as_bytes(), b"\n", line, b"\n", STARTED.as_bytes()].concat();
        let parsed = parse_as(NAME, &text).expect("lines are never an error");
        assert_eq!(parsed.runs[0].drafts.len(), 2, "{expected}");
        let problems: Vec<_> = parsed.problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, [format!("record 2 at byte 65: {expected}")]);
    };
    check(
        br#"{"type":"run.scored","success":true}"#,
        "`ts` is missing (want an RFC 3339 time with a zone)",
    );
    check(
        br#"{"ts":null,"type":"run.scored","success":true}"#,
        "`ts` is missing (want an RFC 3339 time with a zone)",
    );
    check(
        br#"{"ts":"2024-12-03T14:30:22","type":"x"}"#,
        "`ts` is \"2024-12-03T14:30:22\" (want a time with a zone: `Z` or an offset)",
    );
    check(
        br#"{"ts":"2024-12-03T14:30:22Z"}"#,
        "`type` is missing (want a string)",
    );
    check(
        br#"{"ts":"2024-12-03T14:30:22Z","type":"run.scored"}"#,
        "`success` is missing (want true or false)",
    );
    check(
        br#"{"ts":"2024-12-03T14:30:22Z","type":"llm.called","model":"m","input_tokens":NaN}"#,
        "not a JSON object: expected value at line 1 column 77",
    );
    check(
        br#"{"ts":"2024-12-03T14:30:22Z","type":"x","#,
        "torn: the write of this line was cut short",
    );
    check(
        br#"{"ts":"2024-12-03T14:30:22Z","type":"segment.opened"}"#,
        "`segment.opened` describes a file and is no event \
         (copy files of retally into the run's `events/` folder)",
    );
    check(
        br#"{"ts":"2024-12-03T14:30:22Z","type":"x","a":["\ud800"]}"#,
        "it is not sound JSON: unexpected end of hex escape at line 1 column 8",
    );
    check(
        b"nonsense",
        "not a JSON object: expected ident at line 1 column 2",
    );
    check(b"\xff", "not UTF-8 from byte 0 of the line on");
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(LINE_BYTES_MAX));
    check(
        long.as_bytes(),
        "the line is 1048584 bytes long (want at most 1048576)",
    );
}
