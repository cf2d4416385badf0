use crate::support::Sandbox;
use insta::assert_snapshot;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

const RUN: &str = "run_20241203_143022_project_168";

fn worked() -> Sandbox {
    let sandbox = Sandbox::new();
    let at = |second: u32, words: &[&str]| {
        sandbox.run_at(&format!("2024-12-03T14:30:{second}Z"), words);
    };
    at(22, &["start", "--project", "168", "--model", "m"]);
    at(
        23,
        &[
            "append",
            RUN,
            "issue.started",
            "issue=1",
            "title=Login \u{1b}[31mfails",
        ],
    );
    at(
        24,
        &[
            "append",
            RUN,
            "agent.finished",
            "issue=1",
            "agent=coding",
            "success=false",
        ],
    );
    at(
        25,
        &[
            "append",
            RUN,
            "pipeline.recorded",
            "issue=1",
            "pipeline_id=9",
            "status=success",
        ],
    );
    at(26, &["append", RUN, "deploy.done", "issue=2", "stage=live"]);
    at(
        27,
        &[
            "append",
            RUN,
            "issue.finished",
            "issue=1",
            "status=completed",
        ],
    );
    sandbox
}

/// Segments have random names.
fn without_segment(shown: &str) -> String {
    let mut parts = shown.split("\"segment\":\"");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.split_once('"').map_or("", |(_, rest)| rest);
        format!("{text}\"segment\":\"…\"{rest}")
    })
}

#[test]
fn the_last_events_are_printed_as_lines() {
    let sandbox = worked();
    assert_snapshot!(sandbox.run(&["tail", RUN]), @r#"
    2024-12-03 UTC
    14:30:22.000  –                   run started: project 168/m
    14:30:23.000  1                   issue started: Login \u{1b}[31mfails
    14:30:24.000  1       coding      agent finished: failure
    14:30:25.000  1                   pipeline 9: success
    14:30:26.000  2                   deploy.done stage="live"
    14:30:27.000  1                   issue finished: completed
    "#);
    assert_snapshot!(sandbox.run(&["tail", "-n", "2"]), @r#"
    2024-12-03 UTC
    14:30:26.000  run_20241203_143022_project_168  2                   deploy.done stage="live"
    14:30:27.000  run_20241203_143022_project_168  1                   issue finished: completed
    "#);
    assert_snapshot!(sandbox.run(&["tail", "-n", "all", RUN, "--issue", "1", "--type", "agent", "--type", "issue.finished"]), @"
    2024-12-03 UTC
    14:30:24.000  1       coding      agent finished: failure
    14:30:27.000  1                   issue finished: completed
    ");
    assert_snapshot!(sandbox.run(&["tail", RUN, "--agent", "coding", "--color", "always"]), @"
    [1m2024-12-03 UTC[0m
    14:30:24.000  [1m1[0m       coding      agent finished: [31mfailure[0m
    ");
    assert_snapshot!(sandbox.run(&["tail", "-n", "0"]), @"");
}

#[test]
fn events_are_printed_for_machines_as_they_stand() {
    let sandbox = worked();
    let shown = sandbox.run(&["tail", "-n", "2", "--format", "jsonl"]);
    assert_snapshot!(without_segment(&shown), @r#"
    {"run":"run_20241203_143022_project_168","segment":"…","seq":5,"ts":"2024-12-03T14:30:26.000000Z","type":"deploy.done","issue":"2","stage":"live"}
    {"run":"run_20241203_143022_project_168","segment":"…","seq":6,"ts":"2024-12-03T14:30:27.000000Z","type":"issue.finished","issue":1,"status":"completed"}
    "#);
}

#[test]
fn what_is_wrong_in_a_log_is_shown_unless_something_else_is_looked_for() {
    let sandbox = worked();
    let segment = sandbox.path(&format!("logs/runs/{RUN}/events/foreign.jsonl"));
    let lines = "{\"ts\":\"2024-12-03T14:30:28Z\",\"type\":\"issue.finished\"}\nnot json\n";
    std::fs::write(segment, lines).expect("written");
    assert_snapshot!(sandbox.run(&["tail", "-n", "3", RUN]), @"
    2024-12-03 UTC
    14:30:27.000  1                   issue finished: completed
                  misfit: `issue` is missing (want a string or an integer) (foreign.jsonl at byte 0)
                  damaged line: not a JSON object: expected ident at line 1 column 2 (foreign.jsonl at byte 54)
    ");
    assert_snapshot!(sandbox.run(&["tail", "-n", "1", RUN, "--type", "issue"]), @"
    2024-12-03 UTC
    14:30:27.000  1                   issue finished: completed
    ");
}

#[test]
fn events_of_all_runs_are_merged_by_their_times() {
    let sandbox = worked();
    let other = RUN.replace("168", "169");
    sandbox.run_at("2024-12-03T14:30:22Z", &["start", "--project", "169"]);
    sandbox.run_at(
        "2024-12-03T14:30:25.5Z",
        &["append", &other, "note.added", "text=between"],
    );
    assert_snapshot!(sandbox.run(&["tail", "-n", "4"]), @r#"
    2024-12-03 UTC
    14:30:25.000  run_20241203_143022_project_168  1                   pipeline 9: success
    14:30:25.500  run_20241203_143022_project_169  –                   note: between
    14:30:26.000  run_20241203_143022_project_168  2                   deploy.done stage="live"
    14:30:27.000  run_20241203_143022_project_168  1                   issue finished: completed
    "#);
}

#[test]
fn what_tail_cannot_do_is_said() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.run(&["tail"]), @"
    --- stderr
    no runs in `logs/runs` (start one with `retally start --project P`)
    ");
    assert_snapshot!(sandbox.run(&["tail", "nothing"]), @"
    exit 3
    --- stderr
    error: no run in `logs/runs` is or begins with `nothing` (list them with `retally runs`)
    ");
    assert_snapshot!(sandbox.run(&["tail", "-n", "-1"]), @"
    exit 2
    --- stderr
    error: unexpected argument '-1' found

      tip: to pass '-1' as a value, use '-- -1'

    Usage: retally tail [OPTIONS] [RUN]

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["tail", "--issue", ""]), @"
    exit 2
    --- stderr
    error: an empty type, issue or agent takes nothing
    ");
    assert_snapshot!(sandbox.run(&["tail", "--format", "csv"]), @"
    exit 2
    --- stderr
    error: invalid value 'csv' for '--format <FORMAT>'
      [possible values: table, jsonl]

    For more information, try '--help'.
    ");
}

/// A `retally tail -f` in the background.
struct Tailing {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Tailing {
    fn start(sandbox: &Sandbox, words: &[&str]) -> Self {
        let mut child = sandbox
            .command()
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Self { child, lines }
    }

    /// Waits for the next line; blocks for ever where none comes.
    fn next(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("lines are UTF-8");
        line
    }
}

#[test]
fn what_others_append_is_printed_at_once_in_new_segments_and_runs_too() {
    let sandbox = worked();
    let mut tailing = Tailing::start(&sandbox, &["tail", "-f", "-n", "1"]);
    assert!(tailing.next().starts_with("2024-12-03 UTC"));
    assert!(tailing.next().contains("issue finished: completed"));
    sandbox.run(&["append", RUN, "note.added", "text=one"]);
    assert!(tailing.next().ends_with("note: one\n"));
    let foreign = sandbox.path(&format!("logs/runs/{RUN}/events/foreign.jsonl"));
    let line = "{\"ts\":\"2024-12-03T14:30:28Z\",\"type\":\"note.added\",\"text\":\"two\"}\n";
    std::fs::write(foreign, line).expect("written");
    assert!(tailing.next().ends_with("note: two\n"));
    sandbox.run(&["start", "--project", "169"]);
    assert!(tailing.next().contains("run started: project 169"));
    let pid = tailing.child.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(killed.expect("kill starts").success());
    assert_eq!(tailing.next(), "");
    assert!(tailing.child.wait().expect("it ends").success());
}

#[test]
fn following_ends_when_nobody_reads() {
    let sandbox = worked();
    let mut tailing = Tailing::start(&sandbox, &["tail", "-f", RUN]);
    tailing.next();
    drop(tailing.lines);
    assert!(tailing.child.wait().expect("it ends").success());
}

/// Writes a segment of notes that are a second apart.
fn write_notes(sandbox: &Sandbox, name: &str, hour: u32, notes: u32, text_bytes: usize) {
    let padding = "x".repeat(text_bytes);
    let lines = (0..notes).map(|note| {
        let (hour, minute, second) = (hour + note / 3600, note / 60 % 60, note % 60);
        format!("{{\"ts\":\"2024-12-03T{hour:02}:{minute:02}:{second:02}Z\",\"type\":\"note.added\",\"text\":\"{name} {note} {padding}\"}}\n")
    });
    let path = sandbox.path(&format!("logs/runs/{RUN}/events/{name}.jsonl"));
    std::fs::write(path, lines.collect::<String>()).expect("written");
}

#[test]
fn the_last_events_are_the_last_of_all_segments() {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "168"]);
    write_notes(&sandbox, "early", 20, 100, 10);
    write_notes(&sandbox, "late", 21, 40, 30_000);
    write_notes(&sandbox, "mixed", 20, 4_000, 100);
    let all = sandbox.run(&["tail", RUN, "-n", "all"]);
    let is_event = |line: &&str| !line.ends_with(" UTC");
    let all: Vec<&str> = all.lines().filter(is_event).collect();
    for count in [1, 10, 39, 45, 1_000] {
        let shown = sandbox.run(&["tail", RUN, "-n", &count.to_string()]);
        let shown: Vec<&str> = shown.lines().filter(is_event).collect();
        let cut = |line: &&str| line.chars().take(40).collect::<String>();
        let expected: Vec<_> = all[all.len() - count..].iter().map(cut).collect();
        assert_eq!(
            shown.iter().map(cut).collect::<Vec<_>>(),
            expected,
            "{count}"
        );
    }
}

#[test]
fn a_run_that_cannot_be_read_is_a_failure_and_problems_are_no_json() {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "168"]);
    let path = sandbox.path(&format!("logs/runs/{RUN}/events/foreign.jsonl"));
    std::fs::write(&path, "broken\n").expect("written");
    let shown = sandbox.run(&["tail", "all", "-n", "2", "--format", "jsonl"]);
    let (data, errors) = shown.split_once("--- stderr\n").expect("both");
    assert!(data.starts_with('{') && data.lines().count() == 1, "{data}");
    assert!(errors.contains("foreign.jsonl at byte 0"), "{errors}");
    std::fs::write(
        &path,
        "{\"ts\":\"2024-12-03T14:30:22Z\",\"type\":\"segment.opened\",\"format\":9}\n",
    )
    .expect("written");
    assert_snapshot!(sandbox.run(&["tail", RUN]), @"
    exit 3
    --- stderr
    error: run `run_20241203_143022_project_168`: segment `logs/runs/run_20241203_143022_project_168/events/foreign.jsonl` has format version 9, this retally reads up to 1 (upgrade retally)
    error: 1 of 1 runs could not be read
    ");
}
