use crate::test_helpers::{check, fold, log};

#[test]
fn a_run_lasts_from_its_first_start_to_its_last_end() {
    check(
        &[
            r#"5 "note.added","text":"before""#,
            r#"10 "run.started","project_id":168,"mode":"implement_all","specific_issue":"PROJ-7""#,
            r#"20 "run.started","project_id":"other""#,
            r#"30 "run.finished","status":"failed""#,
            r#"50.25 "run.finished","status":"completed""#,
            r#"60 "note.added","text":"after""#,
        ],
        &[
            ("final/project_id", r#""168""#),
            ("final/duration_seconds", "40.25"),
            ("final/status", r#""completed""#),
            ("final/started_at", r#""2024-12-03T12:00:10.000000Z""#),
            ("final/ended_at", r#""2024-12-03T12:00:50.250000Z""#),
            ("final/execution_mode", r#""implement_all""#),
            ("final/specific_issue", r#""PROJ-7""#),
            ("final/llm_configuration", "null"),
        ],
    );
}

#[test]
fn a_run_without_an_end_is_running_and_lasts_to_its_last_event() {
    check(
        &[
            r#"10 "run.started","project_id":"p""#,
            r#"40 "note.added","issue":1,"text":"t""#,
            r#"30 b "note.added","text":"t""#,
        ],
        &[
            ("final/status", r#""running""#),
            ("final/duration_seconds", "30.0"),
            ("final/ended_at", "null"),
            (
                "metadata/issues_by_status",
                r#"{"completed":0,"failed":0,"skipped":0,"abandoned":0,"in_progress":1}"#,
            ),
        ],
    );
}

#[test]
fn without_a_start_a_run_lasts_from_its_first_event() {
    let note = r#"10 "note.added","text":"t""#;
    let last = r#"25 "note.added","text":"t""#;
    let expected = [
        ("final/duration_seconds", "15.0"),
        ("final/started_at", r#""2024-12-03T12:00:10.000000Z""#),
        ("final/project_id", "null"),
        ("final/llm_configuration", "null"),
        ("metadata/config", "{}"),
        ("metadata/tags", "{}"),
    ];
    check(&[note, last], &expected);
    check(
        &[
            note,
            r#"25 "run.finished","status":"stopped""#,
            r#"30 "note.added","text":"t""#,
        ],
        &expected,
    );
}

#[test]
fn a_run_that_ends_before_it_starts_lasted_0() {
    check(
        &[
            r#"20 "run.started","project_id":"p""#,
            r#"10 "run.finished","status":"failed""#,
        ],
        &[
            ("final/duration_seconds", "0.0"),
            (
                "final/anomalies",
                r#"[{"kind":"run_end_before_start","at":"2024-12-03T12:00:10.000000Z"}]"#,
            ),
            ("metadata/anomalies", "1"),
        ],
    );
}

#[test]
fn a_run_without_times_has_no_duration() {
    check(
        &[
            r#"10 none "run.started","project_id":"p""#,
            r#"20 none "run.finished","status":"completed""#,
        ],
        &[
            ("final/duration_seconds", "null"),
            ("final/started_at", "null"),
            ("final/ended_at", "null"),
            ("final/status", r#""completed""#),
        ],
    );
}

fn ended(issue: u32, status: &str) -> String {
    format!(r#"1 "issue.finished","issue":{issue},"status":"{status}""#)
}

#[test]
fn the_success_rate_is_of_the_issues_that_ended() {
    let lines = [
        ended(1, "completed"),
        ended(2, "failed"),
        ended(3, "skipped"),
        r#"1 "issue.started","issue":4"#.to_owned(),
    ];
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let counts = [("final/total_successes", "1"), ("final/total_errors", "1")];
    check(
        &lines,
        &[&counts[..], &[("final/success_rate", "33.33")]].concat(),
    );
    lines.push(r#"2 "run.finished","status":"completed""#);
    check(
        &lines,
        &[&counts[..], &[("final/success_rate", "25.0")]].concat(),
    );
    check(&lines[3..4], &[("final/success_rate", "null")]);
}

#[test]
fn scores_win_over_the_issues_outcomes() {
    let lines = [
        ended(1, "failed"),
        ended(2, "failed"),
        r#"2 "run.scored","success":true"#.to_owned(),
        r#"2 "run.scored","success":false"#.to_owned(),
        r#"2 "run.scored","success":false"#.to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    check(
        &lines,
        &[
            ("final/total_successes", "1"),
            ("final/total_errors", "2"),
            ("final/success_rate", "50.0"),
            ("final/anomalies", "[]"),
        ],
    );
    let only_an_error = [lines[0], lines[3]];
    check(
        &only_an_error,
        &[("final/total_successes", "0"), ("final/total_errors", "1")],
    );
}

#[test]
fn the_success_rate_stops_at_100() {
    let score = r#"2 "run.scored","success":true"#;
    check(
        &[&ended(1, "failed"), score, score],
        &[
            ("final/total_successes", "2"),
            ("final/success_rate", "100.0"),
            (
                "final/anomalies",
                r#"[{"kind":"more_successes_than_issues","at":null}]"#,
            ),
            ("metadata/anomalies", "1"),
        ],
    );
    check(
        &[score],
        &[("final/success_rate", "null"), ("metadata/anomalies", "1")],
    );
}

#[test]
fn issues_stand_in_order_of_first_appearance() {
    check(
        &[
            r#"1 "note.added","issue":"PROJ-7","text":"t""#,
            r#"2 "issue.started","issue":123"#,
            r#"3 "issue.started","issue":"007""#,
            r#"4 "issue.started","issue":"123""#,
            r#"5 "issue.started","issue_iid":-5"#,
            r#"6 "issue.started","issue":123456789012345678901234567890"#,
        ],
        &[
            (
                "final/issues_processed",
                r#"["PROJ-7",123,"007",-5,123456789012345678901234567890]"#,
            ),
            ("final/total_issues", "5"),
            ("123/issue_id", "123"),
            ("007/issue_id", r#""007""#),
        ],
    );
}

#[test]
fn the_configuration_is_printed_as_it_stood() {
    let state = fold(&log(&[
        r#"1 "run.started","project_id":"p","llm":{"temperature":0.70,"z":1e2,"model":"m","a":[1.0]},"config":{"b":1.50,"a":{"d":null,"c":-0}},"tags":{"b":"2","a":"1"}"#,
    ]));
    let text = String::from_utf8(crate::to_json_bytes(&state.metadata())).expect("UTF-8");
    let squeezed: String = text.split_whitespace().collect();
    for expected in [
        r#""llm_configuration":{"provider":null,"model":"m","temperature":0.70,"a":[1.0],"z":1e2}"#,
        r#""config":{"a":{"c":-0,"d":null},"b":1.50},"tags":{"a":"1","b":"2"}"#,
    ] {
        assert!(squeezed.contains(expected), "{expected} in {squeezed}");
    }
}

#[test]
fn the_runs_errors_are_those_without_an_issue() {
    check(
        &[
            r#"1 "error.recorded","error_type":"e","message":"m","severity":"high","agent":"a""#,
            r#"2 "error.recorded","issue":1,"error_type":"f","message":"n""#,
        ],
        &[
            (
                "final/errors",
                r#"[{"error_type":"e","message":"m","severity":"high","agent":"a",
                    "recorded_at":"2024-12-03T12:00:01.000000Z"}]"#,
            ),
            ("metadata/errors", "1"),
            ("final/total_errors", "0"),
            ("1/total_errors", "1"),
            ("1/errors/0/severity", "null"),
            ("final/retries_by_agent", "{}"),
        ],
    );
}

#[test]
fn lists_are_cut_after_a_thousand_entries() {
    let error = r#"1 "error.recorded","error_type":"e","message":"m""#;
    let anomaly = r#"1 "debug.attempted","issue":1"#;
    let lines = [[error; 1_001], [anomaly; 1_001]].concat();
    check(
        &lines,
        &[
            ("final/omitted", r#"{"anomalies":1,"errors":1}"#),
            ("1/omitted", r#"{"anomalies":1}"#),
            ("metadata/anomalies", "1001"),
        ],
    );
    let report = fold(&log(&lines)).run_report();
    assert_eq!(
        (report.errors.len(), report.anomalies.len()),
        (1_000, 1_000)
    );
}

#[test]
fn lines_that_were_set_aside_are_counted() {
    let mut state = fold(&log(&[r#"1 "note.added","text":"t""#]));
    state.set_aside(3, 2);
    let (report, metadata) = (state.run_report(), state.metadata());
    assert_eq!((report.damaged_lines, report.misfit_lines), (3, 2));
    assert_eq!((metadata.damaged_lines, metadata.misfit_lines), (3, 2));
}

/// The seed's first example, which every key of ours follows.
#[test]
fn the_report_begins_as_the_seed_shows_it() {
    let state = fold(&log(&[
        r#"0 "run.started","project_id":"168","llm":{"provider":"deepseek","model":"deepseek-chat","temperature":0.0}"#,
        r#"1 "issue.finished","issue":123,"status":"completed""#,
        r#"2 "issue.finished","issue":124,"status":"completed""#,
        r#"3 "issue.finished","issue":125,"status":"failed""#,
        r#"1847.3 "run.finished","status":"completed""#,
    ]));
    let text = String::from_utf8(crate::to_json_bytes(&state.run_report())).expect("UTF-8");
    let expected = r#"{
  "run_id": "run_1",
  "project_id": "168",
  "llm_configuration": {
    "provider": "deepseek",
    "model": "deepseek-chat",
    "temperature": 0.0
  },
  "duration_seconds": 1847.3,
  "issues_processed": [
    123,
    124,
    125
  ],
  "total_successes": 2,
  "total_errors": 1,
  "success_rate": 66.67,
  "status": "completed",
  "started_at": "2024-12-03T12:00:00.000000Z",
  "ended_at": "2024-12-03T12:30:47.300000Z",
  "execution_mode": null,
  "specific_issue": null,
  "total_issues": 3,
  "issues_by_status": {
    "completed": 2,
    "failed": 1,
    "skipped": 0,
    "abandoned": 0,
    "in_progress": 0
  },
  "pipeline_attempts": 0,
  "succeeded_pipelines": 0,
  "failed_pipelines": 0,
  "pipeline_success_rate": null,
  "first_pass_pipelines": 0,
  "first_pass_base": 0,
  "first_pass_rate": null,
  "debugging_cycles": 0,
  "resolved_cycles": 0,
  "retries_by_agent": {},
  "llm_calls": 0,
  "tool_calls": 0,
  "input_tokens": null,
  "output_tokens": null,
  "cache_read_tokens": null,
  "cache_write_tokens": null,
  "reasoning_tokens": null,
  "cost_usd": null,
  "calls_without_cost": 0,
  "errors": [],
  "anomalies": [],
  "damaged_lines": 0,
  "misfit_lines": 0,
  "unknown_types": {},
  "omitted": {}
}
"#;
    assert_eq!(text, expected);
}
