use super::*;
use crate::test_helpers::{parse as parse_as, sample_days, shown};

/// A workflow run as dumps have it, its members to be replaced or added by `overrides`.
fn run_with(overrides: &str) -> String {
    let mut run = match retally_log::Json::parse(
        r#"{"id":7,"name":"Build","head_branch":"main","conclusion":"success","run_attempt":1,
            "run_started_at":"2026-08-04T20:00:00Z","updated_at":"2026-08-04T20:10:00Z"}"#,
    ) {
        Ok(retally_log::Json::Object(run)) => run,
        other => panic!("{other:?}"),
    };
    run.extend(parse_object(overrides).expect("an object"));
    serde_json::to_string(&run).expect("free JSON is writable")
}

fn dump(runs: &[String]) -> String {
    format!(r#"{{"repo":"owner/app","runs":[{}]}}"#, runs.join(","))
}

/// Shows what becomes of a file: the events of each run but the start of the first, and problems.
fn outcome(text: &str) -> String {
    match parse_as(NAME, text.as_bytes()) {
        Ok(parsed) => {
            let drafts = parsed.runs.iter().flat_map(|run| &run.drafts).skip(1);
            let problems = parsed.problems.iter().map(ToString::to_string);
            let lines: Vec<_> = drafts.map(shown).chain(problems).collect();
            lines.join("\n")
        }
        Err(error) => format!("error: {error}"),
    }
}

/// Checks the lines of one pipeline that begin with one of `fields`.
fn check(overrides: &str, fields: &[&str], expected: &str) {
    let shown = outcome(&dump(&[run_with(overrides)]));
    let is_asked = |line: &&str| {
        let name = line.trim_start().split(':').next();
        fields.is_empty()
            || name.is_some_and(|name| fields.contains(&name) || name.starts_with("record"))
    };
    let actual: Vec<_> = shown.lines().filter(is_asked).map(str::trim).collect();
    assert_eq!(actual.join("; "), expected, "{overrides}");
}

#[test]
fn a_repository_becomes_one_run_that_starts_with_its_project() {
    let text = dump(&[run_with("{}")]);
    let parsed = parse_as(NAME, text.as_bytes()).expect("a dump");
    let [run] = &parsed.runs[..] else {
        panic!("{parsed:?}")
    };
    assert_eq!(run.id, RunId::for_import("github-actions", "owner/app"));
    assert_eq!(run.times, Times::Given);
    let events: Vec<_> = run.drafts.iter().map(shown).collect();
    let expected = r#"run.started
  ts: 2026-08-04T20:10:00.000000Z
  key: github-actions:run.started:2026-08-04T20:10:00.000000Z
  project_id: owner/app
  tags: {"source": "github-actions"}
pipeline.recorded
  ts: 2026-08-04T20:10:00.000000Z
  key: github-actions:7:1:success
  issue: main
  pipeline_id: 7
  status: success
  name: Build
  ref: main
  attempt: 1
  started_at: 2026-08-04T20:00:00.000000Z"#;
    assert_eq!(events.join("\n"), expected);
}

#[test]
fn an_answer_of_the_rest_api_is_read_page_by_page() {
    let run = |repo: &str, id: u32| {
        format!(
            r#"{{"id":{id},"name":"CI","node_id":"WFR_x","head_branch":"fix/issue-12-x",
            "head_sha":"0f3a","event":"push","status":"completed","conclusion":"failure",
            "html_url":"https://github.com/{repo}/actions/runs/{id}","pull_requests":[],
            "created_at":"2026-08-04T20:00:00Z","updated_at":"2026-08-04T20:10:00Z",
            "actor":{{"login":"ann"}},"run_attempt":1,"run_started_at":"2026-08-04T20:00:01Z",
            "triggering_actor":{{"login":"bob"}},"repository":{{"id":1,"full_name":"{repo}"}}}}"#
        )
    };
    let page = |runs: &[String]| {
        format!(
            r#"{{"total_count":3,"workflow_runs":[{}]}}"#,
            runs.join(",")
        )
    };
    let (first, second) = (
        page(&[run("a/b", 1), run("c/d", 2)]),
        page(&[run("a/b", 3)]),
    );
    let streamed = format!("{first}\n{second}");
    let slurped = format!("[{first},\n {second}]");
    assert_eq!(outcome(&streamed), outcome(&slurped));
    let parsed = parse_as(NAME, streamed.as_bytes()).expect("pages");
    assert_eq!(parsed.runs.len(), 2);
    let of_ab = &parsed.runs[0].drafts;
    assert_eq!(of_ab.len(), 3);
    let expected = "pipeline.recorded
  ts: 2026-08-04T20:10:00.000000Z
  key: github-actions:1:1:failed
  issue: 12
  pipeline_id: 1
  status: failed
  commit_sha: 0f3a
  name: CI
  ref: fix/issue-12-x
  attempt: 1
  started_at: 2026-08-04T20:00:01.000000Z
  triggered_by: bob
  url: https://github.com/a/b/actions/runs/1";
    assert_eq!(shown(&of_ab[1]), expected);
}

#[test]
fn the_issue_is_the_number_that_a_part_of_the_branch_begins_with() {
    let check = |branch: &str, expected: &str| {
        assert_eq!(issue_of(branch).as_str(), expected, "{branch}");
    };
    check("issue-2747-unbounded-message-warning", "2747");
    check("fix/issue-3765-bedrock-adaptive-thinking", "3765");
    check("issue-5", "5");
    check("a/b/issue-12x", "12");
    check("issue-1/issue-2", "1");
    check("issue-x/issue-2", "2");
    check("issue-007", "7");
    check("issue-000", "0");
    check("issue-12345678901234567890123", "12345678901234567890123");
    for branch in [
        "main",
        "tissue-5",
        "my-issue-5",
        "issue-",
        "issue--5",
        "issue-x5",
        "issue5",
        "issues-5",
        "Issue-5",
        "fix/4742-numeric",
        "issue-٣",
        "/",
        "123",
    ] {
        check(branch, branch);
    }
    let absent = r#"{"head_branch":null}"#;
    super::tests::check(absent, &["issue", "ref"], "");
}

#[test]
fn a_completed_run_has_its_conclusion_as_status_and_another_its_status() {
    let status = |overrides: &str, expected: &str| check(overrides, &["status", "key"], expected);
    for (conclusion, expected) in [
        ("success", "success"),
        ("failure", "failed"),
        ("cancelled", "canceled"),
        ("timed_out", "timed_out"),
        ("action_required", "action_required"),
        ("startup_failure", "startup_failure"),
        ("yet_unknown", "yet_unknown"),
    ] {
        let expected = format!("key: github-actions:7:1:{expected}; status: {expected}");
        status(&format!(r#"{{"conclusion":"{conclusion}"}}"#), &expected);
        status(
            &format!(r#"{{"conclusion":"{conclusion}","status":"completed"}}"#),
            &expected,
        );
    }
    for (word, expected) in [
        ("in_progress", "running"),
        ("requested", "running"),
        ("queued", "queued"),
        ("waiting", "waiting"),
    ] {
        let expected = format!("key: github-actions:7:1:{expected}; status: {expected}");
        status(
            &format!(r#"{{"conclusion":null,"status":"{word}"}}"#),
            &expected,
        );
    }
    let unknown = "record 1 at byte 28: `conclusion` is missing \
                   (want how the run ended, or a `status` before its end)";
    status(r#"{"conclusion":null,"status":"completed"}"#, unknown);
    status(r#"{"conclusion":""}"#, unknown);
}

#[test]
fn the_first_attempt_is_the_one_that_is_not_numbered() {
    let fields = &["key", "attempt", "started_at"];
    let created = r#""run_started_at":null,"created_at":"2026-08-04T19:00:00Z""#;
    check(
        &format!(r#"{{"run_attempt":null,{created}}}"#),
        fields,
        "key: github-actions:7:1:success; started_at: 2026-08-04T19:00:00.000000Z",
    );
    // A second attempt began when somebody asked for it, not when the run was created.
    check(
        &format!(r#"{{"run_attempt":2,{created}}}"#),
        fields,
        "key: github-actions:7:2:success; attempt: 2",
    );
}

#[test]
fn the_trigger_is_the_person_else_the_event() {
    let trigger = |overrides, expected| check(overrides, &["triggered_by"], expected);
    trigger(
        r#"{"triggering_actor":{"login":"bob"},"actor":{"login":"ann"},"event":"push"}"#,
        "triggered_by: bob",
    );
    trigger(
        r#"{"triggering_actor":null,"actor":{"login":"ann"}}"#,
        "triggered_by: ann",
    );
    trigger(
        r#"{"actor":{},"event":"schedule"}"#,
        "triggered_by: schedule",
    );
    trigger("{}", "");
}

#[test]
fn the_jobs_prove_queue_and_run_time() {
    let times = |jobs: &str, expected: &str| {
        check(
            &format!(r#"{{"jobs":[{jobs}]}}"#),
            &["queue_ms", "duration_ms"],
            expected,
        );
    };
    let job = |conclusion: &str, minute: &str, more: &str| {
        format!(
            r#"{{"name":"j","conclusion":"{conclusion}","started_at":"2026-08-04T20:{minute}:00Z"{more}}}"#
        )
    };
    let late = job("success", "04", "");
    let with_late = |other: String| format!("{other},{late}");
    let from_late = "queue_ms: 240000; duration_ms: 360000";
    times("", "");
    times(&late, from_late);
    times(
        &with_late(job("failure", "01", "")),
        "queue_ms: 60000; duration_ms: 540000",
    );
    // Skipped jobs prove nothing.
    times(&job("skipped", "01", ""), "");
    times(&with_late(job("skipped", "01", "")), from_late);
    // A cancelled job without a runner may never have begun.
    times(&job("cancelled", "01", ""), "");
    times(
        &with_late(job("cancelled", "01", r#","runner_name":"""#)),
        "",
    );
    times(&with_late(job("cancelled", "05", "")), from_late);
    times(
        &with_late(job(
            "cancelled",
            "01",
            r#","runner_name":"GitHub Actions 3""#,
        )),
        "queue_ms: 60000; duration_ms: 540000",
    );
    // Jobs of an earlier attempt are carried over into the answer.
    times(
        &with_late(job("success", "01", r#","run_attempt":3"#)),
        from_late,
    );
    let before = r#"{"conclusion":"success","started_at":"2026-08-04T19:59:00Z"}"#;
    times(&with_late(before.to_owned()), from_late);
    let before = r#"{"conclusion":"cancelled","started_at":"2026-08-04T19:59:00Z"}"#;
    times(&with_late(before.to_owned()), from_late);
    // A job that ran without saying when may have been the first.
    times(&with_late(r#"{"conclusion":"success"}"#.to_owned()), "");
}

#[test]
fn a_run_that_has_not_ended_has_no_duration() {
    let jobs = |state: &str| {
        format!(
            r#"{{"conclusion":null,"status":"in_progress","jobs":[{{"status":"{state}","conclusion":null,"started_at":"2026-08-04T20:01:00Z"}}]}}"#
        )
    };
    let fields = &["queue_ms", "duration_ms"];
    check(&jobs("in_progress"), fields, "queue_ms: 60000");
    // GitHub gives a waiting job the time of its creation as its start.
    check(&jobs("queued"), fields, "");
}

#[test]
fn times_that_run_backwards_prove_no_duration() {
    let overrides = r#"{"updated_at":"2026-08-04T20:00:30Z","jobs":[{"conclusion":"success","started_at":"2026-08-04T20:01:00Z"}]}"#;
    check(overrides, &["queue_ms", "duration_ms"], "queue_ms: 60000");
}

#[test]
fn failed_jobs_are_named() {
    let jobs = r#"{"jobs":[{"name":"a","conclusion":"failure"},{"name":"b","conclusion":"success"},
        {"name":"c","conclusion":"timed_out"},{"name":"d","conclusion":"cancelled"}]}"#;
    check(jobs, &["failed_jobs"], "failed_jobs: a, c");
    check(
        r#"{"jobs":[{"conclusion":"success"}]}"#,
        &["failed_jobs"],
        "",
    );
    check(
        r#"{"jobs":[{"conclusion":"failure"}]}"#,
        &["failed_jobs"],
        "record 1 at byte 28: `jobs[0].name` is missing (want a string)",
    );
}

#[test]
fn a_record_that_cannot_be_used_is_named_and_the_others_count() {
    let problem = |overrides: &str, reason: &str| {
        let text = dump(&[run_with("{}"), run_with(overrides), run_with(r#"{"id":8}"#)]);
        let parsed = parse_as(NAME, text.as_bytes()).expect("a dump");
        assert_eq!(parsed.runs[0].drafts.len(), 3, "{overrides}");
        let [problem] = &parsed.problems[..] else {
            panic!("{overrides}: {:?}", parsed.problems)
        };
        assert_eq!(problem.record, 2);
        let offset = usize::try_from(problem.offset).expect("a small file");
        assert!(
            text[offset..].starts_with(&run_with(overrides)),
            "{overrides}"
        );
        assert_eq!(problem.reason, reason, "{overrides}");
    };
    problem(
        r#"{"id":null}"#,
        "`id` is missing (want a string or an integer)",
    );
    problem(r#"{"id":1.5}"#, "`id` is 1.5 (want a string or an integer)");
    problem(
        r#"{"id":1e400}"#,
        "`id` is 1e400 (want a string or an integer)",
    );
    problem(
        r#"{"run_attempt":0}"#,
        "`run_attempt` is 0 (want an integer from 1 to 9007199254740991)",
    );
    problem(
        r#"{"run_attempt":99999999999999999999}"#,
        "`run_attempt` is 99999999999999999999 (want an integer from 1 to 9007199254740991)",
    );
    problem(
        r#"{"updated_at":null}"#,
        "`updated_at` is missing (want an RFC 3339 time with a zone)",
    );
    problem(
        r#"{"updated_at":"2026-08-04T20:10:00"}"#,
        "`updated_at` is \"2026-08-04T20:10:00\" (want an RFC 3339 time with a zone)",
    );
    problem(
        r#"{"head_branch":["main"]}"#,
        "`head_branch` is [\"main\"] (want a string)",
    );
    problem(r#"{"jobs":{}}"#, "`jobs` is {} (want an array of objects)");
    problem(r#"{"jobs":[{},7]}"#, "`jobs[1]` is 7 (want an object)");
    problem(r#"{"actor":"ann"}"#, "`actor` is \"ann\" (want an object)");
    problem(
        r#"{"repository":{"full_name":7}}"#,
        "`repository.full_name` is 7 (want a string)",
    );
}

#[test]
fn runs_are_sorted_by_id_and_a_record_knows_its_repository_best() {
    let of = |repo: &str| run_with(&format!(r#"{{"repository":{{"full_name":"{repo}"}}}}"#));
    let text = dump(&[of("a/b"), of("a0"), run_with("{}")]);
    let parsed = parse_as(NAME, text.as_bytes()).expect("a dump");
    let ids: Vec<_> = parsed.runs.iter().map(|run| run.id.clone()).collect();
    let expected = ["a0", "a/b", "owner/app"].map(|repo| RunId::for_import(NAME, repo));
    assert_eq!(ids, expected);
}

#[test]
fn a_record_without_a_repository_belongs_to_none() {
    let text = format!(r#"{{"runs":[7,{}]}}"#, run_with("{}"));
    assert_eq!(
        outcome(&text),
        "record 1 at byte 9: it is 7 (want an object)\n\
         record 2 at byte 11: `repository.full_name` is missing (want a string)",
    );
}

#[test]
fn a_file_of_another_shape_is_an_error_that_names_the_place() {
    let check = |text: &str, expected: &str| assert_eq!(outcome(text), expected, "{text}");
    let want = "(want an object with `workflow_runs`, or with `repo` and `runs`)";
    let unlike = |got: &str, offset: u32| {
        format!("error: `some/dump.json` holds {got} at byte {offset} {want}")
    };
    let unread = |offset: u32| {
        format!(
            "error: `some/dump.json` cannot be read at byte {offset} \
             (is the file whole, and of this format?)"
        )
    };
    check("", &unlike("nothing", 0));
    check("[]", &unlike("nothing", 0));
    check("17", &unlike("17", 0));
    check(
        " {\n\"message\":\"Not Found\"}",
        &unlike("{ \"message\":\"Not Found\"}", 1),
    );
    check("[{\"runs\":[]}, null]", &unlike("null", 14));
    check("{\"runs\":null}", &unlike("{\"runs\":null}", 0));
    check("id,name\n7,Build\n", &unread(0));
    check("{\"runs\":{}}", &unread(7));
    check("{\"runs\":[],\"runs\":[]}", &unread(16));
    check("{\"repo\":7,\"runs\":[]}", &unread(8));
    check("{\"runs\":[{\"id\":NaN}]}", &unread(15));
    check("{\"runs\":[{\"id\":7", &unread(16));
    check("{\"repo\":\"a/b\",\"runs\":[]}", "");
}

#[test]
fn pipelines_stand_in_the_order_of_their_times_whatever_the_order_of_the_file() {
    let runs = [
        run_with(r#"{"id":1,"updated_at":"2026-08-04T20:30:00Z"}"#),
        run_with(r#"{"id":3,"updated_at":"2026-08-04T20:20:00Z"}"#),
        run_with(r#"{"id":2,"updated_at":"2026-08-04T20:20:00Z"}"#),
    ];
    let keys = |runs: &[String]| -> Vec<String> {
        let text = dump(runs);
        let parsed = parse_as(NAME, text.as_bytes()).expect("a dump");
        let key = |draft: &Draft<'_>| draft.key.clone().unwrap_or_default().into_owned();
        assert_eq!(parsed.runs[0].drafts[0].ts, parsed.runs[0].drafts[1].ts);
        parsed.runs[0].drafts[1..].iter().map(key).collect()
    };
    let expected = [2, 3, 1].map(|id| format!("github-actions:{id}:1:success"));
    assert_eq!(keys(&runs), expected);
    let reversed: Vec<_> = runs.into_iter().rev().collect();
    assert_eq!(keys(&reversed), expected);
}

#[test]
fn queue_and_run_time_of_the_sample_fill_the_time_from_start_to_end() {
    let mut proven = 0;
    for (_, bytes) in sample_days() {
        let parsed = parse_as(NAME, &bytes).expect("the fixture is of the format");
        assert_eq!(parsed.problems, []);
        for draft in &parsed.runs[0].drafts[1..] {
            let retally_log::Event::PipelineRecorded(pipeline) = &draft.event else {
                panic!("{draft:?}")
            };
            let (Some(began), Some(ended)) = (pipeline.started_at, draft.ts) else {
                panic!("{draft:?}")
            };
            if let (Some(queue), Some(duration)) = (pipeline.queue_ms, pipeline.duration_ms) {
                assert_eq!(milliseconds((began, ended)), Some(queue + duration));
                proven += 1;
            }
        }
    }
    assert_eq!(proven, 388);
}
