use crate::guarantees::terminal::{Input, run_on_terminal};
use crate::support::Sandbox;
use insta::assert_snapshot;
use serde_json::Value;
use std::process::Stdio;

const RUN: &str = "run_20241203_143022_project_168";

fn worked() -> Sandbox {
    let sandbox = Sandbox::new();
    let at = |second: u32, words: &[&str]| {
        sandbox.run_at(&format!("2024-12-03T14:30:{second}Z"), words);
    };
    at(22, &["start", "--project", "168"]);
    at(23, &["append", RUN, "issue.started", "issue=1"]);
    at(
        24,
        &["append", RUN, "issue.finished", "issue=1", "status=failed"],
    );
    at(25, &["append", RUN, "run.scored", "success=true"]);
    at(26, &["finish", RUN]);
    sandbox
}

/// Returns what some keys of each step hold.
fn steps(shown: &str) -> String {
    let step = |line: &str| {
        let step: Value = serde_json::from_str(line).expect("each line is JSON");
        let keys = [
            "/ts",
            "/type",
            "/seq",
            "/issue",
            "/run/status",
            "/issue_metrics/status",
        ];
        let values = keys.map(|key| step.pointer(key).unwrap_or(&Value::Null).to_string());
        values.join(" ") + "\n"
    };
    shown.lines().map(step).collect()
}

#[test]
fn each_event_is_a_line_with_the_state_that_it_led_to() {
    let sandbox = worked();
    assert_snapshot!(steps(&sandbox.run(&["replay", RUN])), @r#"
    "2024-12-03T14:30:22.000000Z" "run.started" 1 null "running" null
    "2024-12-03T14:30:23.000000Z" "issue.started" 2 1 "running" "in_progress"
    "2024-12-03T14:30:24.000000Z" "issue.finished" 3 1 "running" "failed"
    "2024-12-03T14:30:25.000000Z" "run.scored" 4 null "running" null
    "2024-12-03T14:30:26.000000Z" "run.finished" 5 null "completed" null
    "#);
    let shown = sandbox.run(&["replay", RUN, "--as-of", "2024-12-03T14:30:23Z"]);
    assert_snapshot!(steps(&shown), @r#"
    "2024-12-03T14:30:22.000000Z" "run.started" 1 null "running" null
    "2024-12-03T14:30:23.000000Z" "issue.started" 2 1 "running" "in_progress"
    "#);
    let last = |shown: &str| {
        let line = shown.lines().last().expect("a step").to_owned();
        serde_json::from_str::<Value>(&line).expect("JSON")["run"].clone()
    };
    let report = sandbox.run(&[
        "report",
        RUN,
        "--as-of",
        "2024-12-03T14:30:23Z",
        "--format",
        "json",
    ]);
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(last(&shown), report, "as of a time, a report says the same");
}

#[test]
fn what_replay_cannot_do_is_said() {
    let sandbox = worked();
    assert_snapshot!(sandbox.run(&["replay", RUN, "--speed", "0"]), @"
    exit 2
    --- stderr
    error: invalid value '0' for '--speed <X>': want a number from 0.015625 to 1000000, or `max`

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["replay", RUN, "--format", "csv"]), @"
    exit 2
    --- stderr
    error: invalid value 'csv' for '--format <FORMAT>'
      [possible values: jsonl]

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["replay", RUN, "--as-of", "x:1"]), @"
    exit 3
    --- stderr
    error: 0 segments have an id that begins with `x` (want one)
    ");
    let segments = sandbox.files(&format!("logs/runs/{RUN}/events"));
    let segment = segments[0].0.trim_end_matches(".jsonl");
    let shown = sandbox.run(&["replay", RUN, "--as-of", &format!("{segment}:99")]);
    assert_snapshot!(shown.replace(segment, "…"), @"
    exit 3
    --- stderr
    error: segment `…` has no sound line with seq 99
    ");
    let shown = sandbox.run(&["replay", RUN, "--as-of", &format!("{segment}:2")]);
    assert_eq!(shown.lines().count(), 2);
    assert_snapshot!(sandbox.run(&["watch", RUN, "--view"]), @"
    exit 2
    --- stderr
    error: --view needs a terminal
    ");
    assert_snapshot!(sandbox.run(&["watch", "--view"]), @"
    exit 2
    --- stderr
    error: --view shows one run (name one)
    ");
}

#[test]
fn lines_for_machines_are_harmless_on_a_terminal() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&["start", "--project", "1", "--mode", "\u{9b}31m\u{202e}"]);
    let mut command = sandbox.command();
    command.args(["replay", "--format", "jsonl", run.trim_end()]);
    let (_, shown) = run_on_terminal(command, Input::From(Stdio::null()));
    assert!(
        shown.contains(r#""execution_mode":"\u009b31m\u202e""#),
        "{shown}"
    );
}
