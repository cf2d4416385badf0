use crate::support::Sandbox;
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What happens to one issue of a run.
#[derive(Clone, Copy)]
struct Work {
    issue: u32,
    /// `None` leaves it open.
    status: Option<&'static str>,
    seconds: u32,
    cycles: u32,
    cents: Option<u32>,
}

/// An issue that takes a minute and costs ten cents.
fn work(issue: u32, status: &'static str) -> Work {
    Work {
        issue,
        status: Some(status),
        seconds: 60,
        cycles: 0,
        cents: Some(10),
    }
}

/// Writes a run through the command, as an orchestrator would.
fn record(sandbox: &Sandbox, run: &str, start: &[&str], works: &[Work]) {
    let mut command = sandbox.command();
    command.env("RETALLY_RUN_ID", run);
    let words = [&["start", "--project", "p"], start].concat();
    sandbox.run_in(&mut command, &words, "");
    let mut lines = String::new();
    for (place, work) in works.iter().enumerate() {
        let at = |seconds: u32| {
            let seconds = place as u32 * 100 + seconds;
            let (minutes, seconds) = (seconds / 60, seconds % 60);
            format!(
                "2024-12-03T{:02}:{:02}:{seconds:02}Z",
                15 + minutes / 60,
                minutes % 60
            )
        };
        let issue = work.issue;
        let mut add = |seconds, rest: &str| {
            let ts = at(seconds);
            writeln!(lines, r#"{{"ts":"{ts}","issue":{issue},{rest}}}"#).expect("a String");
        };
        add(0, r#""type":"issue.started""#);
        for _ in 0..work.cycles {
            add(
                1,
                r#""type":"debug.started","agent":"testing","error_type":"e","error_message":"m""#,
            );
            add(
                11,
                r#""type":"debug.finished","agent":"testing","resolved":true"#,
            );
        }
        if let Some(cents) = work.cents {
            let cost = format!(r#""type":"llm.called","model":"m","cost_usd":0.{cents:02}"#);
            add(2, &cost);
        }
        let passed = if work.cycles == 0 {
            "success"
        } else {
            "failed"
        };
        add(
            12,
            &format!(r#""type":"pipeline.recorded","pipeline_id":{issue},"status":"{passed}""#),
        );
        if let Some(status) = work.status {
            add(
                work.seconds,
                &format!(r#""type":"issue.finished","status":"{status}""#),
            );
        }
    }
    let appended = sandbox.run_with_input(&["append", run], &lines);
    assert_eq!(appended, "");
}

/// Two models on twenty issues each, of which one fails often, reworks and is slow.
fn two_models(first_issue_of_slow: u32) -> Sandbox {
    let sandbox = Sandbox::new();
    let status = |fails: bool| if fails { "failed" } else { "completed" };
    let fast: Vec<Work> = (1..=20)
        .map(|issue| work(issue, status(issue > 19)))
        .collect();
    let slow = (0..20).map(|at| Work {
        seconds: 70 + at,
        cycles: u32::from(at % 2 == 0),
        cents: Some(12 + at),
        ..work(first_issue_of_slow + at, status(at % 10 < 7))
    });
    record(
        &sandbox,
        "a",
        &["--model", "fast", "--tag", "team=red"],
        &fast,
    );
    record(
        &sandbox,
        "b",
        &["--model", "slow", "--config", "prompt=v2"],
        &slow.collect::<Vec<_>>(),
    );
    sandbox
}

fn compared(sandbox: &Sandbox, words: &[&str]) -> Value {
    let json = sandbox.run(&[&["compare", "--format", "json"], words].concat());
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

fn difference<'j>(json: &'j Value, measure: &str) -> &'j Value {
    let differences = json["groups"][1]["differences"].as_array();
    let mut differences = differences.expect("a list").iter();
    differences
        .find(|it| it["measure"] == measure)
        .expect("the measure is compared")
}

fn figure<'j>(json: &'j Value, group: usize, name: &str) -> &'j Value {
    let mut figures = json["groups"][group]["figures"]
        .as_array()
        .expect("a list")
        .iter();
    figures
        .find(|it| it["figure"] == name)
        .expect("the figure is there")
}

#[test]
fn models_are_compared_for_people() {
    let sandbox = two_models(101);
    assert_snapshot!(sandbox.run(&["compare"]), @"
     Group   Runs   Issues   Tries   Completed   Failed   Skipped   Abandoned   Open   Without cost
    ────────────────────────────────────────────────────────────────────────────────────────────────
     fast       1       20      20          19        1         0           0      0              0
     slow       1       20      20           6       14         0           0      0              0

     Figure                         Group      Value   95 % interval         Of
    ────────────────────────────────────────────────────────────────────────────
     success rate, %                fast        95.0   76.4 to 99.1          20
     success rate, %                slow        30.0   14.5 to 51.9          20
     first pass rate, %             fast       100.0   83.9 to 100           20
     first pass rate, %             slow        50.0   29.9 to 70.1          20
     retries per issue              fast         0.0   not enough evidence   20
     retries per issue              slow         0.0   not enough evidence   20
     cycles per issue               fast         0.0   not enough evidence   20
     cycles per issue               slow         0.5   0.25 to 0.75          20
     resolved cycles rate, %        fast           –   not enough evidence    0
     resolved cycles rate, %        slow       100.0   72.2 to 100           10
     errors per issue               fast         0.0   not enough evidence   20
     errors per issue               slow         0.5   0.25 to 0.75          20
     seconds per issue              fast        60.0   not enough evidence   20
     seconds per issue              slow        79.5   76.8 to 82.3          20
     median seconds                 fast        60.0   60 to 60              20
     median seconds                 slow        79.5   75 to 84              20
     p90 seconds                    fast        60.0   not enough evidence   20
     p90 seconds                    slow        87.1   not enough evidence   20
     median seconds to green        fast        12.0   not enough evidence   20
     median seconds to green        slow        12.0   12 to ∞               20
     median seconds to resolution   fast           –   not enough evidence    0
     median seconds to resolution   slow        10.0   not enough evidence   10
     cost per issue, USD            fast         0.1   not enough evidence   20
     cost per issue, USD            slow       0.215   0.187 to 0.242        20
     cost per success, USD          fast    0.105263   0.1 to 0.1371         20
     cost per success, USD          slow    0.716667   0.404 to 2.01         20

     Group   Differs from the first in      By   95 % interval                  p      Holm p   Test           Issues
    ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     slow    success rate, %             -65.0   -81 to -36.3          0.00003931   0.0001573   fisher         20 v. 20
     slow    first pass rate, %          -50.0   -70.1 to -24.3         0.0004359    0.001308   fisher         20 v. 20
     slow    retries per issue             0.0   not enough evidence          1.0         1.0   mann whitney   20 v. 20
     slow    cycles per issue              0.5   0.25 to 0.75           0.0004359    0.001308   mann whitney   20 v. 20
     slow    errors per issue              0.5   0.25 to 0.75           0.0004359    0.001308   mann whitney   20 v. 20
     slow    seconds per issue            19.5   16.8 to 22.4           1.451e-11   8.705e-11   mann whitney   20 v. 20
     slow    cost per issue, USD         0.115   0.087 to 0.143         1.451e-11   8.705e-11   mann whitney   20 v. 20

    `slow` succeeds less often than `fast`: 30 % v. 95 %, difference -65 points [-81, -36.3], Holm p < 0.001
    `slow` passes pipelines at first less often than `fast`: 50 % v. 100 %, difference -50 points [-70.1, -24.3], Holm p = 0.001
    `slow` needs more debugging cycles per issue than `fast`: 0.5 v. 0, difference 0.5 [0.25, 0.75], Holm p = 0.001
    `slow` meets more errors per issue than `fast`: 0.5 v. 0, difference 0.5 [0.25, 0.75], Holm p = 0.001
    `slow` takes longer per issue than `fast`: 79.5 s v. 60 s, difference 19.5 s [16.8, 22.4], Holm p < 0.001
    `slow` costs more per issue than `fast`: 0.215 USD v. 0.1 USD, difference 0.115 USD [0.087, 0.143], Holm p < 0.001
    ");
}

#[test]
fn the_same_issues_are_compared_issue_by_issue() {
    let sandbox = two_models(1);
    let json = compared(&sandbox, &[]);
    assert_snapshot!(difference(&json, "success_rate"), @r#"{"baseline_issues":20,"baseline_value":95.0,"difference":-65.0,"high":-31.9,"holm_p":0.003906,"issues":20,"low":-86.29,"measure":"success_rate","p":0.0009766,"paired":true,"superiority":null,"test":"mcnemar","value":30.0}"#);
    assert_snapshot!(difference(&json, "seconds_per_issue"), @r#"{"baseline_issues":20,"baseline_value":60.0,"difference":19.5,"high":22.284,"holm_p":0.00001144,"issues":20,"low":16.787,"measure":"seconds_per_issue","p":1.907e-6,"paired":true,"superiority":null,"test":"signed_rank","value":79.5}"#);
    assert_snapshot!(json["groups"][1]["verdicts"][0], @r#""`slow` succeeds less often than `fast`: 30 % v. 95 %, difference -65 points [-86.3, -31.9], Holm p = 0.004, over 20 issues that both did""#);
}

#[test]
fn where_less_than_half_of_the_issues_are_common_groups_are_independent() {
    let tests = |first_issue| {
        let json = compared(&two_models(first_issue), &[]);
        difference(&json, "success_rate")["test"].clone()
    };
    assert_eq!([tests(11), tests(12)], [json!("mcnemar"), json!("fisher")]);
}

#[test]
fn the_same_comparison_is_the_same_bytes_and_its_seed_is_stated() {
    let sandbox = two_models(101);
    for format in ["table", "json", "jsonl", "md", "csv"] {
        let once = || sandbox.run(&["compare", "--format", format]);
        assert_eq!(once(), once(), "{format}");
    }
    let (one, other) = (
        compared(&sandbox, &[]),
        compared(&sandbox, &["--seed", "2"]),
    );
    assert_eq!([&one["seed"], &other["seed"]], [1, 2]);
    assert_ne!(
        figure(&one, 1, "seconds_per_issue"),
        figure(&other, 1, "seconds_per_issue")
    );
    assert_eq!(
        figure(&one, 1, "success_rate"),
        figure(&other, 1, "success_rate")
    );
}

#[test]
fn issues_that_are_open_are_left_out_and_counted_and_skipped_ones_stated() {
    let sandbox = Sandbox::new();
    let open = Work {
        status: None,
        ..work(4, "")
    };
    let works = [
        work(1, "completed"),
        work(2, "failed"),
        work(3, "skipped"),
        open,
    ];
    record(&sandbox, "a", &["--model", "m"], &works);
    let group = &compared(&sandbox, &[])["groups"][0];
    let counts = [
        "issues",
        "completed",
        "failed",
        "skipped",
        "abandoned",
        "open",
    ];
    assert_eq!(
        counts.map(|count| group[count].as_u64()),
        [4, 1, 1, 1, 0, 1].map(Some)
    );
    let json = compared(&sandbox, &[]);
    for name in [
        "success_rate",
        "cycles_per_issue",
        "errors_per_issue",
        "seconds_per_issue",
        "median_seconds",
        "cost_per_issue_usd",
        "cost_per_success_usd",
    ] {
        assert_eq!(figure(&json, 0, name)["base"], 3, "{name}");
    }
    assert_eq!(figure(&json, 0, "success_rate")["value"], 33.33);
    // A pipeline that is decided stays so.
    assert_eq!(figure(&json, 0, "first_pass_rate")["base"], 4);
    sandbox.run(&["finish", "a"]);
    let json = compared(&sandbox, &[]);
    assert_eq!(json["groups"][0]["abandoned"], 1);
    assert_eq!(figure(&json, 0, "success_rate")["value"], 25.0);
}

#[test]
fn issues_that_repeat_are_less_evidence_than_others() {
    let sandbox = Sandbox::new();
    for run in ["a", "b", "c", "d"] {
        let works =
            (1..=6).map(|issue| work(issue, if issue < 4 { "completed" } else { "failed" }));
        record(&sandbox, run, &["--model", "m"], &works.collect::<Vec<_>>());
    }
    let json = compared(&sandbox, &[]);
    let (rate, group) = (figure(&json, 0, "success_rate"), &json["groups"][0]);
    assert_eq!(
        [&group["issues"], &group["tries"], &rate["base"]],
        [6, 24, 24]
    );
    // As of six issues, not of 24: those would give 31 to 69.
    let width = rate["high"]
        .as_f64()
        .zip(rate["low"].as_f64())
        .map(|(high, low)| high - low);
    assert!(width.is_some_and(|width| width > 60.0), "{rate}");
}

#[test]
fn the_same_number_in_another_project_is_another_issue() {
    let sandbox = Sandbox::new();
    let works = [work(1, "completed"), work(2, "failed")];
    record(&sandbox, "a", &["--model", "m"], &works);
    record(&sandbox, "b", &["--model", "n"], &works);
    let mut command = sandbox.command();
    command.env("RETALLY_RUN_ID", "c");
    sandbox.run_in(
        &mut command,
        &["start", "--project", "other", "--model", "n"],
        "",
    );
    sandbox.run(&["append", "c", "issue.started", "issue=1"]);
    sandbox.run(&["append", "c", "issue.finished", "issue=1", "status=failed"]);
    let json = compared(&sandbox, &["--baseline", "m"]);
    assert_eq!(json["groups"][1]["issues"], 3);
    assert_eq!(difference(&json, "success_rate")["issues"], 2, "the pairs");
}

#[test]
fn runs_are_grouped_by_whatever_they_state() {
    let sandbox = two_models(1);
    let groups = |by: &str| -> Vec<Value> {
        let json = compared(&sandbox, &["--by", by]);
        let groups = json["groups"].as_array().expect("a list").iter();
        groups.map(|group| group["group"].clone()).collect()
    };
    assert_eq!(groups("model"), ["fast", "slow"]);
    assert_eq!(groups("project"), ["p"]);
    assert_eq!(groups("tag:team"), [json!("red"), Value::Null]);
    assert_eq!(groups("config:prompt"), [json!("v2"), Value::Null]);
    assert_eq!(groups("temperature"), [Value::Null]);
    assert_eq!(groups("agent"), ["testing"]);
    assert_snapshot!(sandbox.run(&["compare", "--by", "colour"]), @"
    exit 2
    --- stderr
    error: invalid value 'colour' for '--by <WHAT>': want model, provider, temperature, mode, project, agent, tag:KEY or config:KEY

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["compare", "--baseline", "none"]), @"
    exit 2
    --- stderr
    error: no group is `none` (there are: fast, slow)
    ");
}

#[test]
fn two_sets_of_runs_are_compared() {
    let sandbox = two_models(1);
    let json = compared(&sandbox, &["b", "--against", "a"]);
    assert_eq!(json["by"], Value::Null);
    assert_eq!(
        [&json["groups"][0]["group"], &json["groups"][1]["group"]],
        ["a", "b"]
    );
    assert_snapshot!(sandbox.run(&["compare", "a", "--against", "a"]), @"
    exit 2
    --- stderr
    error: run `a` stands on both sides of --against
    ");
    assert_snapshot!(sandbox.run(&["compare", "--against", "a"]), @"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      <RUN>...

    Usage: retally compare [OPTIONS] [RUN]...
           retally compare [OPTIONS] <RUN>... --against <RUN>...

    For more information, try '--help'.
    ");
}

#[test]
fn a_regression_ends_with_1() {
    let sandbox = two_models(1);
    let gate = |condition: &str| {
        sandbox.run(&[
            "compare",
            "b",
            "--against",
            "a",
            "--format",
            "csv",
            "--fail-if",
            condition,
        ])
    };
    let said = |condition: &str| {
        let shown = gate(condition);
        let is_found = shown.starts_with("exit 1\n");
        let said = shown
            .split("--- stderr\n")
            .nth(1)
            .unwrap_or_default()
            .to_owned();
        format!("{is_found} {said}")
    };
    assert_snapshot!(said("worse"), @"true holds: worse of `b`");
    assert_snapshot!(said("success_rate:worse"), @"true holds: success_rate:worse of `b`");
    assert_snapshot!(said("success_rate<30.5"), @"true holds: success_rate<30.5 of `b`");
    assert_snapshot!(said("success_rate<30"), @"false");
    assert_snapshot!(said("p90_seconds > 80"), @"true holds: p90_seconds>80 of `b`");
    assert_snapshot!(said("output_tokens_per_issue>1"), @"false not enough evidence: output_tokens_per_issue>1 of `b`");
    let both = |condition: &str| {
        let words = ["--fail-if", condition, "--fail-if", "unknown"];
        sandbox.run(&[&["compare", "b", "--against", "a", "-q"], &words[..]].concat())
    };
    assert!(both("output_tokens_per_issue>1").starts_with("exit 1"));
    assert!(!both("success_rate<30").starts_with("exit"));
    let empty = Sandbox::new();
    // A model of which no issue is known is not to be passed over.
    let mut start = sandbox.command();
    start.env("RETALLY_RUN_ID", "crashed");
    sandbox.run_in(
        &mut start,
        &["start", "--project", "p", "--model", "broken"],
        "",
    );
    let by_model = |condition: &str| {
        let words = [
            "--by",
            "model",
            "--fail-if",
            condition,
            "--fail-if",
            "unknown",
        ];
        sandbox.run(&[&["compare", "-q"], &words[..]].concat())
    };
    assert!(by_model("cost_per_success_usd:better").starts_with("exit 2"));
    assert!(by_model("first_pass_rate:worse").starts_with("exit 1\n"));
    std::fs::create_dir(empty.path("runs")).expect("the folder is new");
    let nothing =
        |condition: &str| empty.run(&["compare", "--root", "runs", "-q", "--fail-if", condition]);
    assert!(nothing("unknown").starts_with("exit 1\n"));
    assert_eq!(nothing("worse"), "");
    // The other way round it is an improvement.
    let shown = sandbox.run(&["compare", "a", "--against", "b", "--fail-if", "worse"]);
    assert!(!shown.starts_with("exit"), "{shown}");
    for wrong in [
        "better",
        "speed:worse",
        "success<1",
        "success_rate<much",
        "success_rate<NaN",
    ] {
        assert!(gate(wrong).starts_with("exit 2"), "{wrong}");
    }
}

#[test]
fn a_comparison_can_be_as_of_a_time() {
    let sandbox = two_models(1);
    let json = compared(&sandbox, &["--as-of", "2024-12-03T15:10:00Z"]);
    let group = &json["groups"][0];
    assert_eq!(
        [&group["issues"], &group["completed"], &group["open"]],
        [7, 6, 1]
    );
    let none = compared(&sandbox, &["--quiet", "--as-of", "2024-12-03T10:00:00Z"]);
    assert_eq!(none["groups"], json!([]));
    assert_snapshot!(sandbox.run(&["compare", "--as-of", "abc:1"]), @"
    exit 2
    --- stderr
    error: --as-of: want a time, for a line is of one run
    ");
}

#[test]
fn too_little_is_not_enough_evidence() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.run(&["compare"]), @"
    exit 3
    --- stderr
    error: there is no folder `logs/runs` (name the root with --root or RETALLY_ROOT)
    ");
    record(&sandbox, "a", &["--model", "m"], &[work(1, "completed")]);
    record(&sandbox, "b", &["--model", "n"], &[]);
    assert_snapshot!(sandbox.run(&["compare", "--quiet"]), @"
     Group   Runs   Issues   Tries   Completed   Failed   Skipped   Abandoned   Open   Without cost
    ────────────────────────────────────────────────────────────────────────────────────────────────
     m          1        1       1           1        0         0           0      0              0
     n          1        0       0           0        0         0           0      0              0

     Figure                    Group   Value   95 % interval         Of
    ────────────────────────────────────────────────────────────────────
     success rate, %           m       100.0   20.7 to 100            1
     success rate, %           n           –   not enough evidence    0
     first pass rate, %        m       100.0   20.7 to 100            1
     first pass rate, %        n           –   not enough evidence    0
     retries per issue         m         0.0   not enough evidence    1
     retries per issue         n           –   not enough evidence    0
     cycles per issue          m         0.0   not enough evidence    1
     cycles per issue          n           –   not enough evidence    0
     errors per issue          m         0.0   not enough evidence    1
     errors per issue          n           –   not enough evidence    0
     seconds per issue         m        60.0   not enough evidence    1
     seconds per issue         n           –   not enough evidence    0
     median seconds            m        60.0   not enough evidence    1
     median seconds            n           –   not enough evidence    0
     p90 seconds               m        60.0   not enough evidence    1
     p90 seconds               n           –   not enough evidence    0
     median seconds to green   m        12.0   not enough evidence    1
     median seconds to green   n           –   not enough evidence    0
     cost per issue, USD       m         0.1   not enough evidence    1
     cost per issue, USD       n           –   not enough evidence    0
     cost per success, USD     m         0.1   not enough evidence    1
     cost per success, USD     n           –   not enough evidence    0

    not enough evidence to compare `n` with `m`: no issue of `n` ended
    ");
    record(&sandbox, "c", &["--model", "n"], &[work(7, "failed")]);
    let json = compared(&sandbox, &[]);
    assert_snapshot!(json["groups"][1]["verdicts"][0], @r#""no evidence that `n` and `m` differ in success: 0 % v. 100 %, difference -100 points [-100, 12.2], Holm p = 1; about 411 more issues in each would be needed to see 10 points""#);
}

#[test]
fn hostile_names_do_nothing_but_be_shown() {
    let sandbox = Sandbox::new();
    let hostile = "=cmd|'x'!A1\u{1b}[31m`<b>|\u{202e}\n| x";
    record(
        &sandbox,
        "a",
        &["--model", hostile],
        &[work(1, "completed")],
    );
    record(
        &sandbox,
        "b",
        &["--model", "plain"],
        &[work(1, "failed"), work(2, "failed")],
    );
    for format in ["table", "md"] {
        let shown = sandbox.run(&["compare", "--format", format]);
        let is_active = |it: char| it == '\u{1b}' || it == '\u{202e}';
        assert!(!shown.contains(is_active), "{format}: {shown}");
        assert!(
            !shown.lines().any(|line| line.starts_with("| x")),
            "{format}: {shown}"
        );
    }
    assert!(!sandbox.run(&["compare", "--format", "md"]).contains("`<b>"));
    let csv = sandbox.run(&["compare", "--format", "csv"]);
    assert!(csv.contains("'=cmd") && !csv.contains(",=cmd"), "{csv}");
    assert_eq!(compared(&sandbox, &[])["groups"][1]["group"], hostile);
}

#[test]
fn an_agent_answers_for_its_own_part_of_each_issue() {
    let sandbox = Sandbox::new();
    record(&sandbox, "a", &[], &[]);
    let lines = [
        r#""issue":1,"type":"agent.started","agent":"coding""#,
        r#""issue":1,"type":"agent.finished","agent":"coding","success":true"#,
        r#""issue":1,"type":"debug.started","agent":"testing","error_type":"e","error_message":"m""#,
        r#""issue":1,"type":"debug.attempted","agent":"testing""#,
        r#""issue":1,"type":"debug.attempted","agent":"testing""#,
        r#""issue":1,"type":"note.added","agent":"reviewing","text":"t""#,
        r#""issue":1,"type":"issue.finished","status":"failed""#,
        r#""issue":2,"type":"agent.started","agent":"coding""#,
        r#""issue":2,"type":"agent.finished","agent":"coding","success":false"#,
        r#""issue":2,"type":"issue.finished","status":"completed""#,
    ];
    let lines = lines.map(|line| format!("{{{line}}}\n")).concat();
    assert_eq!(sandbox.run_with_input(&["append", "a"], &lines), "");
    let json = compared(&sandbox, &["--by", "agent"]);
    let groups = json["groups"].as_array().expect("a list");
    assert_eq!(groups.len(), 2, "who only took a note is no group");
    assert_eq!(
        [&groups[0]["group"], &groups[1]["group"]],
        ["coding", "testing"]
    );
    let numbers = |group, name| {
        let figure = figure(&json, group, name);
        json!([figure["value"], figure["base"]])
    };
    assert_eq!(numbers(0, "success_rate"), json!([50.0, 2]));
    assert_eq!(numbers(0, "retries_per_issue"), json!([0.0, 2]));
    assert_eq!(numbers(1, "success_rate"), json!([null, 0]));
    assert_eq!(numbers(1, "retries_per_issue"), json!([2.0, 1]));
    assert_eq!(numbers(1, "cycles_per_issue"), json!([1.0, 1]));
    assert_eq!(numbers(1, "resolved_cycles_rate"), json!([0.0, 1]));
    assert_eq!(numbers(1, "errors_per_issue"), json!([null, 0]));
}
