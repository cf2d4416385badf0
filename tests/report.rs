use crate::support::Sandbox;
use insta::assert_snapshot;

const RUN: &str = "run_20241203_143022_project_168";

/// A run as an orchestrator leaves it, a minute a step.
fn worked() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&[
        "start",
        "--project",
        "168",
        "--provider",
        "deepseek",
        "--model",
        "chat",
    ]);
    let steps: [&[&str]; 11] = [
        &["issue.started", "issue=123", "title=Login fails"],
        &["agent.started", "issue=123", "agent=coding"],
        &[
            "agent.finished",
            "issue=123",
            "agent=coding",
            "success=true",
        ],
        &[
            "pipeline.recorded",
            "issue=123",
            "pipeline_id=4259",
            "status=failed",
            "failed_jobs:=[\"test\"]",
        ],
        &[
            "debug.started",
            "issue=123",
            "agent=testing",
            "error_type=test_failure",
            "error_message=3 tests \u{1b}[31mfailed",
        ],
        &["debug.attempted", "issue=123"],
        &["debug.finished", "issue=123", "resolved=true"],
        &[
            "pipeline.recorded",
            "issue=123",
            "pipeline_id=4260",
            "status=success",
            "commit_sha=def456",
        ],
        &[
            "llm.called",
            "issue=123",
            "model=chat",
            "input_tokens=5200",
            "output_tokens=810",
            "cost_usd=0.0125",
        ],
        &["issue.finished", "issue=123", "status=completed"],
        &["issue.started", "issue=PROJ-7"],
    ];
    for (minute, step) in steps.iter().enumerate() {
        let now = format!("2024-12-03T14:{}:22Z", 31 + minute);
        sandbox.run_at(&now, &[&["append", RUN], *step].concat());
    }
    sandbox
}

#[test]
fn a_run_and_its_issues_are_reported_for_people() {
    let sandbox = worked();
    assert_snapshot!(sandbox.run(&["report"]), @"
    Run        run_20241203_143022_project_168
    Project    168
    Status     running
    Model      deepseek/chat
    Time       2024-12-03 14:30:22 UTC, 11m 00s
    Issues     2: 1 completed, 1 in progress; success rate 100.0 %
    Pipelines  2 attempts: 1 succeeded, 1 failed (50.0 %); first pass 0 of 1 (0.0 %)
    Debugging  1 cycle, 1 resolved
    Calls      1 of models, 0 of tools; 5200 tokens in, 810 out; 0.0125 USD

     Issue    Status        Seconds   Attempts   Retries   Pipelines   Failed   Cycles   Errors      USD
    ─────────────────────────────────────────────────────────────────────────────────────────────────────
     123      completed       540.0          1         1           2        1        1        1   0.0125
     PROJ-7   in_progress       0.0          0         0           0        0        0        0        –
    ");
    assert_snapshot!(sandbox.run(&["report", "latest", "--issue", "123"]), @r"
    Issue          123
    Title          Login fails
    Run            run_20241203_143022_project_168
    Status         completed
    Time           2024-12-03 14:31:22 UTC, 9m 00s
    Right at once  no; complexity 20 of 100
    Pipelines      2 attempts: 1 succeeded, 1 failed (50.0 %)
    Debugging      1 cycle, 1 resolved; 1 error
    Calls          1 of models, 0 of tools; 5200 tokens in, 810 out; 0.0125 USD

     Agent     Attempts   Successes   Failures   Retries   Seconds
    ───────────────────────────────────────────────────────────────
     coding           1           1          0         0      60.0
     testing          0           0          0         1       0.0

     Pipeline   Name   Attempt   Status    Commit   Seconds   Failed jobs
    ──────────────────────────────────────────────────────────────────────
     4259       –            1   failed    –              –   test
     4260       –            1   success   def456         –   –

     Debugging by   Error          Message                    Attempts   Resolved   Seconds
    ────────────────────────────────────────────────────────────────────────────────────────
     testing        test_failure   3 tests \u{1b}[31mfailed          1   yes          120.0
    ");
    sandbox.run_at(
        "2024-12-03T15:00:00Z",
        &["finish", RUN, "--status", "stopped"],
    );
    assert_snapshot!(sandbox.run(&["report", "--format", "md"]), @"
    - **Run**: run_20241203_143022_project_168
    - **Project**: 168
    - **Status**: stopped
    - **Model**: deepseek/chat
    - **Time**: 2024-12-03 14:30:22 UTC, 29m 38s
    - **Issues**: 2: 1 completed, 1 abandoned; success rate 50.0 %
    - **Pipelines**: 2 attempts: 1 succeeded, 1 failed (50.0 %); first pass 0 of 1 (0.0 %)
    - **Debugging**: 1 cycle, 1 resolved
    - **Calls**: 1 of models, 0 of tools; 5200 tokens in, 810 out; 0.0125 USD

    | Issue | Status | Seconds | Attempts | Retries | Pipelines | Failed | Cycles | Errors | USD |
    | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
    | 123 | completed | 540.0 | 1 | 1 | 2 | 1 | 1 | 1 | 0.0125 |
    | PROJ-7 | abandoned | 0.0 | 0 | 0 | 0 | 0 | 0 | 0 | – |
    ");
    assert_snapshot!(sandbox.run(&["runs", "--format", "csv"]), @"
    run,status,model,started_at,duration_seconds,issues,pipelines,success_rate
    run_20241203_143022_project_168,stopped,chat,2024-12-03T14:30:22Z,1778.0,2,2,50.0
    ");
}

#[test]
fn a_report_for_machines_is_the_report_file() {
    let sandbox = worked();
    sandbox.run(&["finish", RUN]);
    sandbox.run(&["rebuild"]);
    let file = |name: &str| {
        let path = sandbox.path(&format!("logs/runs/{RUN}/{name}"));
        std::fs::read_to_string(path).expect("the file is there")
    };
    let json = |words: &[&str]| sandbox.run(&[&["report", "--format", "json"], words].concat());
    assert_eq!(json(&[]), file(&format!("{RUN}_final.json")));
    let line = sandbox.run(&["report", "--format", "jsonl"]);
    assert!(
        line.starts_with(&format!("{{\"run_id\":\"{RUN}\",\"project_id\":")),
        "{line}"
    );
    assert_eq!(
        json(&["--issue", "123"]),
        file("issues/issue_123_report.json")
    );
    assert_eq!(
        file("issues/issue_123_report.json"),
        file("issues/issue_123_metrics.json")
    );
}

#[test]
fn a_report_can_be_as_of_a_time_or_a_line() {
    let sandbox = worked();
    let facts = |as_of: &str| {
        let report = sandbox.run(&[
            "report", "--format", "json", "--as-of", as_of, "--issue", "123",
        ]);
        let report: serde_json::Value = serde_json::from_str(&report).expect("the report is JSON");
        format!(
            "{} {} {}",
            report["status"], report["pipeline_attempts"], report["debugging_cycles"]
        )
    };
    assert_eq!(facts("2024-12-03T14:34:22Z"), "\"in_progress\" 1 0");
    assert_eq!(facts("2024-12-03T15:36:00+01:00"), "\"in_progress\" 1 1");
    assert_eq!(facts("2030-01-01T00:00:00Z"), "\"completed\" 2 1");
    let segments = sandbox.files(&format!("logs/runs/{RUN}/events"));
    let segment = segments[0].0.trim_end_matches(".jsonl");
    assert_eq!(facts(&format!("{segment}:5")), "\"in_progress\" 1 0");
    assert_eq!(
        facts(&format!("{}:6", &segment[..6])),
        "\"in_progress\" 1 1"
    );
    let early = "2024-12-03T14:30:21Z";
    assert_snapshot!(sandbox.run(&["report", "--as-of", early, "--format", "csv"]), @"
    issue,status,duration_seconds,agent_attempts,agent_retries,pipelines,failed_pipelines,debugging_cycles,errors,cost_usd
    --- stderr
    note: as of `2024-12-03T14:30:21Z` run `run_20241203_143022_project_168` had not started
    ");
    assert_snapshot!(sandbox.run(&["report", "--as-of", &format!("{segment}:0"), "--quiet", "--format", "csv"]), @"issue,status,duration_seconds,agent_attempts,agent_retries,pipelines,failed_pipelines,debugging_cycles,errors,cost_usd");
    assert_snapshot!(sandbox.run(&["report", "--as-of", "yesterday"]), @"
    exit 2
    --- stderr
    error: --as-of: `yesterday` is neither an RFC 3339 time with a zone nor SEGMENT:SEQ
    ");
    assert_snapshot!(sandbox.run(&["report", "--as-of", "x:1"]), @"
    exit 3
    --- stderr
    error: 0 segments have an id that begins with `x` (want one)
    ");
}

#[test]
fn a_report_of_what_is_not_there_says_so() {
    let sandbox = worked();
    assert_snapshot!(sandbox.run(&["report", "--issue", "7"]), @"
    exit 3
    --- stderr
    error: no event of run `run_20241203_143022_project_168` names issue `7` (see `retally report run_20241203_143022_project_168`)
    ");
    let long = "\u{1b}x".repeat(50_000);
    assert_snapshot!(sandbox.run(&["report", "--issue", &long]), @r"
    exit 3
    --- stderr
    error: no event of run `run_20241203_143022_project_168` names issue `\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\…` (see `retally report run_20241203_143022_project_168`)
    ");
    assert_snapshot!(sandbox.run(&["report", &long]), @r"
    exit 3
    --- stderr
    error: no run in `logs/runs` is or begins with `\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\u{1b}x\…` (list them with `retally runs`)
    ");
    assert_snapshot!(sandbox.run(&["report", "run_1999"]), @"
    exit 3
    --- stderr
    error: no run in `logs/runs` is or begins with `run_1999` (list them with `retally runs`)
    ");
    assert_snapshot!(sandbox.run(&["report", "--issue", "123", "--format", "csv"]), @"
    exit 2
    --- stderr
    error: the report of an issue is no table (use --format json)
    ");
    assert_snapshot!(Sandbox::new().run(&["report"]), @"
    exit 3
    --- stderr
    error: no run in `logs/runs` (start one with `retally start`, or name another root)
    ");
    assert_snapshot!(Sandbox::new().run(&["runs"]), @"
    --- stderr
    no runs in `logs/runs` (start one with `retally start --project P`)
    ");
}

#[test]
fn runs_that_cannot_be_read_do_not_hide_the_others() {
    let sandbox = worked();
    let broken = sandbox.path("logs/runs/a_broken/events");
    std::fs::create_dir_all(&broken).expect("created");
    let line = "{\"ts\":\"2024-12-03T14:30:22Z\",\"type\":\"segment.opened\",\"format\":9}\n";
    std::fs::write(broken.join("s.jsonl"), line).expect("written");
    assert_snapshot!(sandbox.run(&["runs"]), @"
    exit 3
     Run                               Status    Model   Started                Seconds   Issues   Pipelines   Success %
    ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     run_20241203_143022_project_168   running   chat    2024-12-03T14:30:22Z     660.0        2           2       100.0
    --- stderr
    error: run `a_broken`: segment `logs/runs/a_broken/events/s.jsonl` has format version 9, this retally reads up to 1 (upgrade retally)
    error: 1 of 2 runs could not be read
    ");
}

#[test]
fn csv_is_harmless_to_spreadsheets_unless_it_is_for_programs() {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "1"]);
    sandbox.run(&["append", "latest", "issue.started", "issue==1+1"]);
    assert_snapshot!(sandbox.run(&["report", "latest", "--format", "csv"]), @"
    issue,status,duration_seconds,agent_attempts,agent_retries,pipelines,failed_pipelines,debugging_cycles,errors,cost_usd
    '=1+1,in_progress,0.0,0,0,0,0,0,0,
    ");
    assert_snapshot!(sandbox.run(&["report", "latest", "--raw-csv"]), @"
    issue,status,duration_seconds,agent_attempts,agent_retries,pipelines,failed_pipelines,debugging_cycles,errors,cost_usd
    =1+1,in_progress,0.0,0,0,0,0,0,0,
    ");
    assert_snapshot!(sandbox.run(&["runs", "--raw-csv", "--format", "json"]), @"
    exit 2
    --- stderr
    error: the argument '--raw-csv' cannot be used with '--format <FORMAT>'

    Usage: retally runs --raw-csv

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["tail", "--raw-csv"]), @"
    exit 2
    --- stderr
    error: unexpected argument '--raw-csv' found

      tip: to pass '--raw-csv' as a value, use '-- --raw-csv'

    Usage: retally tail [OPTIONS] [RUN]

    For more information, try '--help'.
    ");
}

#[test]
fn a_long_text_of_a_log_does_not_fill_the_screen() {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", &"p".repeat(50_000)]);
    let (issue, title) = ("i".repeat(50_000), format!("title={}", "t".repeat(50_000)));
    let event = [
        "append",
        "latest",
        "issue.started",
        &format!("issue={issue}"),
        &title,
    ];
    assert_eq!(sandbox.run(&event), "");
    for words in [&["report"][..], &["report", "--issue", &issue], &["runs"]] {
        let shown = sandbox.run(words);
        assert!(shown.len() < 5_000, "{} bytes: {words:.9?}", shown.len());
    }
    let report = sandbox.run(&["report", "--format", "csv"]);
    assert!(report.contains(&issue), "programs get all of it");
}

#[test]
fn a_broken_price_book_is_in_the_way_of_costs_only() {
    let sandbox = worked();
    let prices = "[[price]]\nmodel = 'm'\ninput = -1\noutput = 1\n";
    std::fs::write(sandbox.path("logs/runs/prices.toml"), prices).expect("written");
    assert_snapshot!(sandbox.run(&["runs", "--format", "csv"]), @"
    run,status,model,started_at,duration_seconds,issues,pipelines,success_rate
    run_20241203_143022_project_168,running,chat,2024-12-03T14:30:22Z,660.0,2,2,100.0
    ");
    assert_snapshot!(sandbox.run(&["tail", RUN, "-n", "1"]), @"
    2024-12-03 UTC
    14:41:22.000  PROJ-7              issue started
    ");
    let purge = ["purge", "--older-than", "1d", "--unfinished"];
    let shown = sandbox.run_at("2100-01-01T00:00:00Z", &purge);
    assert!(shown.contains("runs to remove: 1"), "{shown}");
    let report = sandbox.run(&["report"]);
    assert_snapshot!(report, @"
    exit 3
    --- stderr
    error: price book `logs/runs/prices.toml`, line 3: got `-1`, want a price in USD per million tokens, from 0 to 1000000000, such as 0.27
    ");
    for words in [&["report", "--issue", "123"][..], &["replay"], &["rebuild"]] {
        assert_eq!(sandbox.run(words), report, "{words:?}");
    }
}
