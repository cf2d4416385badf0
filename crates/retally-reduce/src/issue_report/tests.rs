use crate::test_helpers::{check, fold, log};
use retally_log::IssueId;

#[test]
fn first_time_right_is_completed_without_any_rework() {
    let started = r#"1 "agent.started","issue":1,"agent":"a""#;
    let right = r#"2 "agent.finished","issue":1,"agent":"a","success":true"#;
    let wrong = r#"2 "agent.finished","issue":1,"agent":"a","success":false"#;
    let named = r#"2 "note.added","issue":1,"agent":"b","text":"t""#;
    let passed = r#"2 "pipeline.recorded","issue":1,"pipeline_id":1,"status":"success""#;
    let canceled = r#"2 "pipeline.recorded","issue":1,"pipeline_id":2,"status":"canceled""#;
    let failed = r#"2 "pipeline.recorded","issue":1,"pipeline_id":3,"status":"timed_out""#;
    let cycle = r#"2 "debug.started","issue":1,"agent":"a","error_type":"e","error_message":"m""#;
    let error = r#"2 "error.recorded","issue":1,"error_type":"e","message":"m""#;
    let done = r#"9 "issue.finished","issue":1,"status":"completed""#;
    let skipped = r#"9 "issue.finished","issue":1,"status":"skipped""#;
    for (lines, expected) in [
        (
            &[started, right, named, passed, canceled, error, done][..],
            "true",
        ),
        (&[done], "true"),
        (&[started, right], "null"),
        (&[skipped], "false"),
        (&[started, wrong, done], "false"),
        (&[started, started, right, done], "false"),
        (&[failed, done], "false"),
        (&[cycle, done], "false"),
    ] {
        check(lines, &[("1/first_time_right", expected)]);
    }
}

#[test]
fn complexity_has_four_parts_of_at_most_25() {
    let start = r#"1 "agent.started","issue":1,"agent":"a""#;
    let other = r#"1 "agent.started","issue":1,"agent":"b""#;
    let named = r#"1 "note.added","issue":1,"agent":"c","text":"t""#;
    let failed = |id: u32| {
        format!(r#"2 "pipeline.recorded","issue":1,"pipeline_id":{id},"status":"failed""#)
    };
    let cycle = r#"2 "debug.started","issue":1,"agent":"a","error_type":"e","error_message":"m""#;
    let change = r#"2 "code.changed","issue":1,"files_created":1,"files_modified":8,"lines_added":20,"lines_deleted":30,"files_deleted":99,"commits":99"#;
    for (lines, expected) in [
        (vec![named], "0"),
        (vec![start, other, named], "0"),
        (vec![start, start, other], "5"),
        (vec![start; 99], "25"),
        (vec![&failed(1), &failed(2)], "20"),
        (vec![&failed(1), &failed(2), &failed(3)], "25"),
        (vec![cycle], "10"),
        (vec![cycle; 3], "25"),
        // 59 / 20, 118 / 20, 590 / 20
        (vec![change], "2"),
        (vec![change; 2], "5"),
        (vec![change; 10], "25"),
    ] {
        check(&lines, &[("1/complexity_score", expected)]);
    }
}

/// The seed's second example, which every key of ours follows.
#[test]
fn the_report_begins_as_the_seed_shows_it() {
    let state = fold(&log(&[
        r#"0 "issue.started","issue":123"#,
        r#"1 "agent.started","issue":123,"agent":"coding""#,
        r#"46.3 "agent.finished","issue":123,"agent":"coding","success":true"#,
        r#"50 "pipeline.recorded","issue":123,"pipeline_id":"4258","status":"failed","commit_sha":"abc123""#,
        r#"60 "agent.started","issue":123,"agent":"testing""#,
        r#"70 "debug.started","issue":123,"agent":"testing","error_type":"test_failure","error_message":"3 tests failed""#,
        r#"80 "debug.attempted","issue":123"#,
        r#"90 "pipeline.recorded","issue":123,"pipeline_id":"4259","status":"failed","commit_sha":"abc124""#,
        r#"100 "debug.attempted","issue":123"#,
        r#"110 "error.recorded","issue":123,"error_type":"timeout","message":"m""#,
        r#"200 "pipeline.recorded","issue":123,"pipeline_id":"4260","status":"success","commit_sha":"def456""#,
        r#"248.2 "debug.finished","issue":123,"resolved":true"#,
        r#"349.5 "agent.finished","issue":123,"agent":"testing","success":true"#,
        r#"350 "agent.started","issue":123,"agent":"review""#,
        r#"492.7 "agent.finished","issue":123,"agent":"review","success":true"#,
        r#"523.2 "issue.finished","issue":123,"status":"completed""#,
    ]));
    let report = state.issue_report(&IssueId::from("123"));
    let text = String::from_utf8(crate::to_json_bytes(&report)).expect("UTF-8");
    assert_eq!(text, include_str!("seed_example.json"));
}

#[test]
fn first_pass_counts_the_first_decided_attempt_of_each_name() {
    let pipeline = |id: u32, name: &str, status: &str| {
        format!(
            r#"{id} "pipeline.recorded","issue":1,"pipeline_id":{id},"name":"{name}","status":"{status}""#
        )
    };
    let lines = [
        r#"1 "issue.started","issue":2"#.to_owned(),
        pipeline(2, "unit", "canceled"),
        pipeline(3, "unit", "success"),
        pipeline(4, "lint", "failed"),
        pipeline(5, "lint", "success"),
    ];
    let state = fold(&log(&lines.each_ref().map(String::as_str)));
    let counts = |issue: &str| {
        let share = state.issue_first_pass(&IssueId::from(issue));
        share.map(|share| (share.numerator(), share.denominator()))
    };
    assert_eq!(counts("1"), Some((1, 2)));
    assert_eq!([counts("2"), counts("3")], [None, None]);
}
