use crate::support::Sandbox;
use insta::assert_snapshot;

const RUN: &str = "run_20241203_143022_project_168";

fn started() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "168"]);
    sandbox
}

#[test]
fn append_types_values_by_the_schema_of_the_event() {
    let sandbox = started();
    sandbox.run(&[
        "append",
        RUN,
        "issue.started",
        "issue=123",
        "title=Login fails",
    ]);
    sandbox.run(&[
        "append",
        "latest",
        "agent.finished",
        "issue=PROJ-7",
        "agent=7",
        "success=true",
    ]);
    sandbox.run(&[
        "append",
        "run_2024",
        "llm.called",
        "model=m",
        "input_tokens=12",
        "cost_usd=0.10",
    ]);
    sandbox.run(&[
        "append",
        RUN,
        "pipeline.recorded",
        "pipeline_id=1",
        "status=failed",
        "failed_jobs:=[\"test\"]",
    ]);
    sandbox.run(&[
        "append",
        RUN,
        "my.event",
        "issue=1",
        "n:=[1, 2.50]",
        "key=once",
    ]);
    assert_snapshot!(sandbox.events(RUN), @r#"
    {"seq":1,"ts":"2024-12-03T14:30:22.000000Z","type":"run.started","project_id":"168"
    {"seq":2,"ts":"2024-12-03T14:30:22.000000Z","type":"issue.started","issue":123,"title":"Login fails"
    {"seq":3,"ts":"2024-12-03T14:30:22.000000Z","type":"agent.finished","issue":"PROJ-7","agent":"7","success":true
    {"seq":4,"ts":"2024-12-03T14:30:22.000000Z","type":"llm.called","model":"m","input_tokens":12,"cost_usd":0.1
    {"seq":5,"ts":"2024-12-03T14:30:22.000000Z","type":"pipeline.recorded","pipeline_id":"1","status":"failed","failed_jobs":["test"]
    {"seq":6,"ts":"2024-12-03T14:30:22.000000Z","type":"my.event","key":"once","issue":"1","n":[1,2.50]
    "#);
}

#[test]
fn append_continues_one_segment_and_starts_another_for_given_times() {
    let sandbox = started();
    sandbox.run(&["append", RUN, "note.added", "text=one"]);
    sandbox.run(&["append", RUN, "note.added", "text=two"]);
    assert_eq!(sandbox.files("logs/runs").len(), 1);
    sandbox.run(&[
        "append",
        RUN,
        "note.added",
        "text=three",
        "ts=2020-01-01T00:00:00Z",
    ]);
    assert_eq!(sandbox.files("logs/runs").len(), 2);
}

#[test]
fn append_reads_json_lines_and_names_those_that_are_no_events() {
    let sandbox = started();
    let input = concat!(
        "{\"type\":\"issue.started\",\"issue\":1,\"seq\":7,\"crc\":\"no\"}\n",
        "\n",
        "nonsense\n",
        "{\"type\":\"issue.finished\",\"issue\":1,\"status\":\"done\"}\n",
        "{\"type\":\"issue.finished\",\"issue\":1,\"status\":\"failed\"}",
    );
    assert_snapshot!(sandbox.run_with_input(&["append", RUN], input), @r#"
    exit 3
    --- stderr
    error: line 3 of stdin is not appended: not a JSON object: expected ident at line 1 column 2
    error: line 4 of stdin is not appended: `status` is "done" (want one of completed, failed, skipped)
    error: 2 of 5 lines of stdin were not appended (mend and append those again)
    "#);
    assert_snapshot!(sandbox.events(RUN), @r#"
    {"seq":1,"ts":"2024-12-03T14:30:22.000000Z","type":"run.started","project_id":"168"
    {"seq":2,"ts":"2024-12-03T14:30:22.000000Z","type":"issue.started","issue":1
    {"seq":3,"ts":"2024-12-03T14:30:22.000000Z","type":"issue.finished","issue":1,"status":"failed"
    "#);
}

#[test]
fn append_passes_over_byte_order_marks_before_lines() {
    let sandbox = started();
    let line = "{\"type\":\"note.added\",\"text\":\"\u{feff}one\"}\n";
    let input = format!("\u{feff}{line}{line}\u{feff}{line}");
    assert_eq!(sandbox.run_with_input(&["append", RUN], &input), "");
    assert_eq!(sandbox.events(RUN).matches("\u{feff}one").count(), 3);
}

#[test]
fn append_takes_the_run_from_the_environment() {
    let sandbox = started();
    let mut command = sandbox.command();
    command.env("RETALLY_RUN", RUN);
    sandbox.run_in(
        &mut command,
        &["append", "note.added", "text=from the environment"],
        "",
    );
    assert!(sandbox.events(RUN).contains("from the environment"));
}

#[test]
fn append_refuses_what_readers_would_call_a_misfit() {
    let sandbox = started();
    let append = |words: &[&str]| sandbox.run(&[&["append", RUN], words].concat());
    assert_snapshot!(append(&["issue.finished", "issue=1", "status=done"]), @r#"
    exit 2
    --- stderr
    error: `issue.finished` is not appended: `status` is "done" (want one of completed, failed, skipped)
    "#);
    assert_snapshot!(append(&["issue.finished", "issue=1"]), @"
    exit 2
    --- stderr
    error: `issue.finished` is not appended: `status` is missing (want one of completed, failed, skipped)
    ");
    assert_snapshot!(append(&["llm.called", "model=m", "input_tokens=-1"]), @"
    exit 2
    --- stderr
    error: `llm.called` is not appended: `input_tokens` is -1 (want an integer from 0 to 9007199254740991)
    ");
    assert_snapshot!(append(&["note.added", "text"]), @"
    exit 2
    --- stderr
    error: `text` is no field, want KEY=VALUE or KEY:=JSON
    ");
    assert_snapshot!(append(&["note.added", "text=a", "text=b"]), @"
    exit 2
    --- stderr
    error: `note.added` is not appended: not a JSON object: the same key twice: `text` at line 1 column 43
    ");
    assert_snapshot!(append(&["note.added", "text:={"]), @"
    exit 2
    --- stderr
    error: `text` is `{`, want JSON: EOF while parsing an object at line 1 column 1
    ");
    assert_snapshot!(sandbox.run(&["append"]), @"
    exit 2
    --- stderr
    error: no run is named (name one, or `latest`, or set RETALLY_RUN)
    ");
    assert_snapshot!(sandbox.run(&["append", "nowhere", "note.added", "text=a"]), @"
    exit 3
    --- stderr
    error: no run in `logs/runs` is or begins with `nowhere` (list them with `retally runs`)
    ");
    assert_snapshot!(sandbox.run(&["append", "../..", "note.added", "text=a"]), @"
    exit 3
    --- stderr
    error: no run in `logs/runs` is or begins with `../..` (list them with `retally runs`)
    ");
}

#[test]
fn append_cuts_a_text_that_is_too_long_for_a_line_with_a_mark() {
    let sandbox = started();
    let text = "x".repeat(3 << 20);
    let input = format!("{{\"type\":\"note.added\",\"text\":\"{text}\"}}\n");
    assert_eq!(sandbox.run_with_input(&["append", RUN], &input), "");
    assert!(sandbox.events(RUN).contains("x… [2883584 bytes cut]"));
}

#[test]
fn options_may_stand_behind_the_run_and_never_become_an_event() {
    let sandbox = started();
    let before = sandbox.events(RUN);
    assert!(
        sandbox
            .run(&["append", RUN, "--help"])
            .contains("Usage: retally append")
    );
    assert_snapshot!(sandbox.run(&["append", RUN, "--nonsense"]), @"
    exit 2
    --- stderr
    error: unexpected argument '--nonsense' found

      tip: to pass '--nonsense' as a value, use '-- --nonsense'

    Usage: retally append [OPTIONS] [RUN] [TYPE [KEY=VALUE]...]

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["append", RUN, "--root", "nowhere", "note.added", "text=x"]), @"
    exit 3
    --- stderr
    error: no run in `nowhere` is or begins with `run_20241203_143022_project_168` (list them with `retally runs`)
    ");
    assert_eq!(sandbox.events(RUN), before);
    sandbox.run(&["append", RUN, "note.added", "text=--x", "--sync", "--quiet"]);
    assert!(sandbox.events(RUN).ends_with("\"text\":\"--x\"\n"));
}

#[test]
fn what_is_probably_a_slip_is_refused_or_mentioned() {
    let sandbox = started();
    let append = |words: &[&str]| sandbox.run(&[&["append", RUN], words].concat());
    assert_snapshot!(append(&["issue=3"]), @"
    exit 2
    --- stderr
    error: `issue=3` is no event type (want RUN TYPE KEY=VALUE..., as in `retally append latest issue.started issue=123`)
    ");
    assert_snapshot!(append(&[""]), @"
    exit 2
    --- stderr
    error: `` is no event type (want RUN TYPE KEY=VALUE..., as in `retally append latest issue.started issue=123`)
    ");
    assert_snapshot!(append(&["a b", "x=1"]), @"
    exit 2
    --- stderr
    error: `a b` is no event type (want RUN TYPE KEY=VALUE..., as in `retally append latest issue.started issue=123`)
    ");
    assert_snapshot!(append(&["note.added", "text=x", "seq=9"]), @"
    exit 2
    --- stderr
    error: `seq` is set by retally itself (leave it out)
    ");
    assert_snapshot!(append(&["issue.finshed", "issue=1", "status=completed"]), @"
    --- stderr
    note: `issue.finshed` is not a type that retally knows (`issue.finished`?); appended as it is
    ");
    assert_snapshot!(append(&["issue.started", "issue=1", "titel=x"]), @"
    --- stderr
    note: `issue.started` has no field `titel` (`title`?); appended as it is
    ");
    assert_snapshot!(append(&["my.event", "--quiet"]), @"");
    assert_snapshot!(append(&["issue.started", "issue="]), @"
    exit 2
    --- stderr
    error: `issue` is empty (an unset variable?)
    ");
    assert_snapshot!(sandbox.run(&["start", "--project", ""]), @"
    exit 2
    --- stderr
    error: --project is empty (an unset variable?)
    ");
    assert_snapshot!(sandbox.run(&["append", "", "note.added", "text=x"]), @"
    exit 2
    --- stderr
    error: no run is named (name one, or `latest`, or set RETALLY_RUN)
    ");
    assert_snapshot!(sandbox.run(&["finish", ""]), @"
    exit 2
    --- stderr
    error: no run is named (name one, or `latest`, or set RETALLY_RUN)
    ");
    assert_snapshot!(sandbox.run(&["finish"]), @"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      <RUN>

    Usage: retally finish <RUN>

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.events(RUN), @r#"
    {"seq":1,"ts":"2024-12-03T14:30:22.000000Z","type":"run.started","project_id":"168"
    {"seq":2,"ts":"2024-12-03T14:30:22.000000Z","type":"issue.finshed","issue":"1","status":"completed"
    {"seq":3,"ts":"2024-12-03T14:30:22.000000Z","type":"issue.started","issue":1,"titel":"x"
    {"seq":4,"ts":"2024-12-03T14:30:22.000000Z","type":"my.event"
    "#);
}
