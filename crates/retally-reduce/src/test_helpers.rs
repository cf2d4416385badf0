//! Logs as short texts, and what is expected of their reports.

use crate::{PriceBook, RunState, to_json_bytes};
use proptest::prelude::*;
use retally_log::{Draft, Envelope, IssueId, Position, RunId, SegmentId, Times, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An event with its place, its line as it was written in the test.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) position: Position,
    pub(crate) times: Times,
    ts: Timestamp,
    json: String,
}

/// Reads lines such as `12.5 "issue.started","issue":1`: the seconds since noon, then the event
/// as a line of JSON without its `"type":`. `12 b …` puts it into segment `b` instead of `a`; the
/// segment `none` has no times.
pub(crate) fn log(lines: &[&str]) -> Vec<Line> {
    let mut last: BTreeMap<String, (Timestamp, u64)> = BTreeMap::new();
    let line = |text: &&str| {
        let (place, event) = text.split_once('"').expect("an event");
        let mut place = place.split_whitespace();
        let seconds = place.next().expect("a time");
        let segment = place.next().unwrap_or("a");
        let ts = noon_plus(seconds);
        let (time, index) = match last.get(segment) {
            Some((time, index)) => (ts.max(*time), index + 1),
            None => (ts, 0),
        };
        last.insert(segment.to_owned(), (time, index));
        Line {
            position: Position {
                time,
                segment: SegmentId::new(segment),
                index,
            },
            times: if segment == "none" {
                Times::None
            } else {
                Times::Given
            },
            ts,
            json: format!("{{\"type\":\"{event}}}"),
        }
    };
    lines.iter().map(line).collect()
}

fn noon_plus(seconds: &str) -> Timestamp {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let whole: i64 = whole.parse().expect("whole seconds");
    let micros: i64 = format!("{fraction:0<6}").parse().expect("a fraction");
    let noon: Timestamp = "2024-12-03T12:00:00Z".parse().expect("a time");
    noon.saturating_add_micros(whole * 1_000_000 + micros)
}

/// Begins a state with a price book in which a million tokens of `m` cost 1 USD in, 2 USD out.
pub(crate) fn new_state() -> RunState {
    let book = "[[price]]\nmodel = 'm'\ninput = 1\noutput = 2\n";
    let prices = PriceBook::parse(book, "test").expect("a price book");
    RunState::new(RunId::new("run_1").expect("an id"), Arc::new(prices))
}

/// Applies an event.
pub(crate) fn apply(state: &mut RunState, line: &Line) {
    let draft = Draft::from_json(line.json.as_bytes()).expect(&line.json);
    let envelope = Envelope {
        seq: None,
        ts: line.ts,
        key: draft.key,
        event: draft.event,
        extra: draft.extra,
    };
    state.apply(&line.position, line.times, &envelope);
}

/// Applies events in the order in which they are given.
pub(crate) fn fold(lines: &[Line]) -> RunState {
    let mut state = new_state();
    for line in lines {
        apply(&mut state, line);
    }
    state
}

/// Returns all reports of a state as one text.
pub(crate) fn reports(state: &RunState) -> String {
    let mut bytes = to_json_bytes(&state.metadata());
    bytes.extend(to_json_bytes(&state.run_report()));
    for id in state.issue_ids() {
        bytes.extend(to_json_bytes(&state.issue_report(id)));
    }
    String::from_utf8(bytes).expect("reports are UTF-8")
}

/// Folds a log, in log order, and compares values in its reports with JSON texts.
///
/// A value is named by its report and a JSON pointer: `final/status`, `metadata/status`, and
/// `1/status` for issue 1. A log out of order is sorted first.
pub(crate) fn check(lines: &[&str], expected: &[(&str, &str)]) {
    let mut log = log(lines);
    log.sort_by(|left, right| left.position.cmp(&right.position));
    let state = fold(&log);
    assert!(!state.is_stale(), "{lines:#?}");
    for (name, expected) in expected {
        let expected: Value = serde_json::from_str(expected).expect(expected);
        assert_eq!(value(&state, name), expected, "{name} of {lines:#?}");
    }
}

fn value(state: &RunState, name: &str) -> Value {
    let at = name.find('/').expect("a pointer");
    let bytes = match &name[..at] {
        "final" => to_json_bytes(&state.run_report()),
        "metadata" => to_json_bytes(&state.metadata()),
        issue => to_json_bytes(&state.issue_report(&IssueId::from(issue))),
    };
    let report: Value = serde_json::from_slice(&bytes).expect("a report is JSON");
    let found = report.pointer(&name[at..]);
    found.unwrap_or_else(|| panic!("no {name}")).clone()
}

/// Events that only add, and those of the run, as [`log`] takes them behind their place.
pub(crate) fn additive_event() -> impl Strategy<Value = String> {
    let issue = prop_oneof![
        Just(""),
        Just(r#","issue":1"#),
        Just(r#","issue":2"#),
        Just(r#","issue":"X-1""#)
    ];
    let agent = prop_oneof![Just(""), Just(r#","agent":"a""#), Just(r#","agent":"b""#)];
    let event = prop_oneof![
        (0..3_u64, 0..2_000_000_u64).prop_map(|(calls, tokens)| format!(
            r#""llm.called","model":"m","input_tokens":{tokens},"calls":{calls}"#
        )),
        (0..99_u64).prop_map(|cost| format!(r#""llm.called","model":"x","cost_usd":0.{cost}"#)),
        Just(r#""llm.called","model":"x""#.to_owned()),
        (0..9_000_u64, any::<bool>()).prop_map(|(millis, success)| format!(
            r#""tool.called","tool":"t","duration_ms":{millis},"success":{success}"#
        )),
        (0..9_u64).prop_map(|n| format!(r#""error.recorded","error_type":"e{n}","message":"m""#)),
        (0..9_u64).prop_map(|n| format!(r#""note.added","text":"n{n}""#)),
        Just(r#""code.changed","issue":3,"lines_added":7,"test_coverage_percent":50.5"#.to_owned()),
        any::<bool>().prop_map(|success| format!(r#""run.scored","success":{success}"#)),
        Just(r#""run.started","project_id":"p","mode":"first""#.to_owned()),
        Just(r#""run.started","project_id":"q""#.to_owned()),
        Just(r#""run.finished","status":"stopped""#.to_owned()),
        Just(r#""something.new""#.to_owned()),
    ];
    (event, issue, agent).prop_map(|(event, issue, agent)| {
        if event.contains("run.") || event.contains("code.") {
            event
        } else {
            format!("{event}{issue}{agent}")
        }
    })
}

/// Events of issues whose order matters.
pub(crate) fn ordered_event() -> impl Strategy<Value = String> {
    let issue = 1..4_u32;
    let agent = prop_oneof![Just("a"), Just("b")];
    let span = prop_oneof![Just(""), Just(r#","span":"s""#), Just(r#","span":"t""#)];
    let event = prop_oneof![
        Just(r#""issue.started""#),
        Just(r#""issue.finished","status":"completed""#),
        Just(r#""issue.finished","status":"failed""#),
        Just(r#""agent.started""#),
        Just(r#""agent.finished","success":true"#),
        Just(r#""agent.finished","success":false"#),
        Just(r#""debug.started","error_type":"e","error_message":"m""#),
        Just(r#""debug.attempted""#),
        Just(r#""debug.finished","resolved":true"#),
        Just(r#""pipeline.recorded","pipeline_id":1,"status":"failed""#),
        Just(r#""pipeline.recorded","pipeline_id":1,"status":"running""#),
        Just(r#""pipeline.recorded","pipeline_id":2,"status":"success""#),
    ];
    (event, issue, agent, span).prop_map(|(event, issue, agent, span)| {
        format!(r#"{event},"issue":{issue},"agent":"{agent}"{span}"#)
    })
}

/// Events of all kinds.
pub(crate) fn any_event() -> impl Strategy<Value = String> {
    prop_oneof![additive_event(), ordered_event()]
}
