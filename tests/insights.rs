use crate::support::Sandbox;
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Starts a run on a day of December 2024.
fn start(sandbox: &Sandbox, run: &str, day: u32, words: &[&str]) {
    let mut command = sandbox.command();
    let now = format!("2024-12-{day:02}T12:00:00Z");
    command.env("RETALLY_RUN_ID", run).env("RETALLY_NOW", now);
    let words = [&["start", "--project", "p"], words].concat();
    sandbox.run_in(&mut command, &words, "");
}

fn append(sandbox: &Sandbox, run: &str, lines: &str) {
    assert_eq!(sandbox.run_with_input(&["append", run], lines), "");
}

/// Returns the events of one issue on a day, each a second after the other.
fn issue(day: u32, issue: u32, status: &str, events: &[String]) -> String {
    let finished = format!(r#""type":"issue.finished","status":"{status}""#);
    let started = [r#""type":"issue.started""#.to_owned()];
    let events = started.iter().chain(events).chain([&finished]);
    let mut lines = String::new();
    for (second, event) in events.enumerate() {
        let (minute, hour) = (issue % 60, 13 + issue / 60);
        let ts = format!("2024-12-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        writeln!(lines, r#"{{"ts":"{ts}","issue":{issue},{event}}}"#).expect("a String");
    }
    lines
}

fn cycle(agent: &str, error: &str, attempts: usize) -> Vec<String> {
    let started = format!(
        r#""type":"debug.started","agent":"{agent}","error_type":"{error}","error_message":"m""#
    );
    let attempted = format!(r#""type":"debug.attempted","agent":"{agent}""#);
    let finished = format!(r#""type":"debug.finished","agent":"{agent}","resolved":true"#);
    let attempts = std::iter::repeat_n(attempted, attempts);
    [started]
        .into_iter()
        .chain(attempts)
        .chain([finished])
        .collect()
}

fn pipeline(name: &str, id: u32, status: &str, commit: &str) -> String {
    format!(
        r#""type":"pipeline.recorded","pipeline_id":{id},"name":"{name}","status":"{status}","commit_sha":"{commit}""#
    )
}

fn cost(cents: u32) -> String {
    format!(
        r#""type":"llm.called","model":"m","cost_usd":{}.{:02}"#,
        cents / 100,
        cents % 100
    )
}

/// Ten runs of five issues each: five with a model that fails often and reworks, then five with one
/// that does not.
fn two_models() -> Sandbox {
    let sandbox = Sandbox::new();
    for run in 0..10 {
        let (day, is_new) = (run + 1, run >= 5);
        let name = format!("r{run}");
        let model = if is_new { "new" } else { "old" };
        let temperature = if run % 2 == 0 { "0.0" } else { "0.7" };
        start(
            &sandbox,
            &name,
            day,
            &["--model", model, "--temperature", temperature],
        );
        let mut lines = String::new();
        for place in 0..5 {
            let number = run * 5 + place;
            let fails = !is_new && place < 3;
            let attempts = if is_new { 0 } else { place as usize };
            let mut events = vec![
                format!(
                    r#""type":"code.changed","lines_added":{}"#,
                    10 * attempts + 10
                ),
                cost(if number == 7 { 900 } else { 20 + place }),
            ];
            if attempts > 0 {
                let error = if place == 4 { "lint" } else { "test_failure" };
                events.extend(cycle("testing", error, attempts));
            }
            if place == 4 {
                events.extend(cycle("coding", "lint", 1));
            }
            let commit = format!("c{number}");
            if place == 1 {
                events.push(pipeline("e2e", number, "failed", &commit));
                events.push(pipeline("e2e", number + 1000, "success", &commit));
            }
            events.push(pipeline("unit", number + 2000, "success", &commit));
            lines += &issue(
                day,
                number,
                if fails { "failed" } else { "completed" },
                &events,
            );
        }
        append(&sandbox, &name, &lines);
    }
    sandbox
}

fn insights(sandbox: &Sandbox, words: &[&str]) -> Value {
    let json = sandbox.run(&[&["insights", "--format", "json"], words].concat());
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

fn answer<'j>(json: &'j Value, key: &str) -> &'j Value {
    let mut answers = json["insights"].as_array().expect("a list").iter();
    answers
        .find(|it| it["insight"] == key)
        .expect("it is answered")
}

#[test]
fn the_usual_questions_are_answered_in_sentences_and_tables() {
    let sandbox = two_models();
    assert_snapshot!(sandbox.run(&["insights"]), @"
    10 runs, 50 issues: 35 completed, 15 failed. In brackets: 95 % intervals. Holm p: adjusted for the number of tests.

    Which model has the highest success rate?
    `new` completes 100 % [86.7, 100] of 25 issues, more than `old` (Holm p < 0.001).

     Model   Issues   Tries   Success, %   95 % interval   v. first: Holm p
    ────────────────────────────────────────────────────────────────────────
     new         25      25        100.0   86.7 to 100                    –
     old         25      25         40.0   23.4 to 59.3            2.904e-6

    Which temperature has the highest success rate?
    Not enough evidence yet to call one best: `0.7` completes 100 % [79.6, 100] of 15 issues, and `0.0` as many; about 83 more issues in each would be needed to see 10 points. Only runs with `new` are looked at.

     Temperature   Issues   Tries   Success, %   95 % interval   v. first: Holm p
    ──────────────────────────────────────────────────────────────────────────────
     0.7               15      15        100.0   79.6 to 100                    –
     0.0               10      10        100.0   72.2 to 100                  1.0

    How many pipelines pass at the first attempt?
    83.3 % [71.6, 90.8] of pipelines pass at the first attempt, of 60 that succeeded or failed on an issue. The least is 0 % [0, 27.8], of `e2e`.

     Pipeline   First pass, %   95 % interval   Passed   Of
    ────────────────────────────────────────────────────────
     unit               100.0   92.9 to 100         50   50
     e2e                  0.0   0 to 27.8            0   10

    How many debugging cycles are there per issue, and how soon do they end?
    0.6 debugging cycles per issue [0.42, 0.8], and none on 50 % of 50 issues. 100 % of cycles are resolved, half of all within 2 s [2, 4].

     Figure                         Value   95 % interval   Of
    ───────────────────────────────────────────────────────────
     cycles per issue                 0.6   0.42 to 0.8     50
     issues without cycle rate, %    50.0   36.6 to 63.4    50
     resolved cycles rate, %        100.0   86.7 to 100     30
     median seconds to resolution     2.0   2 to 4          30

    Which agent needs most retries?
    `testing` does: 50 of 60 retries on 25 issues, 83.3 % [72.9, 90.8] of all rework.

     Agent     Retries   Of all, %   95 % interval   Cycles   Issues
    ─────────────────────────────────────────────────────────────────
     testing        50       83.33   72.9 to 90.8        20       20
     coding         10       16.67   9.2 to 27.1         10       10

    Do larger or longer issues take more retries?
    Larger issues take more retries: rho 0.92 [0.86, 0.96], Holm p < 0.001, 50 issues. Issues with more retries take longer: rho 0.93 [0.87, 0.96], Holm p < 0.001, 50 issues; retries take time themselves.

     Retries with       rho   95 % interval      Holm p   Issues
    ─────────────────────────────────────────────────────────────
     lines changed   0.9246   0.86 to 0.96    9.492e-22       50
     duration        0.9301   0.87 to 0.96    3.298e-22       50

    Which issues cost far more than is usual?
    1 of 50 issues costs far more than others with the same model: 45.5 % of what all these cost. The dearest is `7`, 9 USD and 40.9 times the median.

     Issue   Run   Model   USD   × median      z   Project
    ───────────────────────────────────────────────────────
     7       r1    old     9.0       40.9   50.1   p

    Which type of error is most frequent?
    Not enough evidence yet to name one: `lint` has 15 of 30 errors, 50 % [29.7, 70.3], but its lead over `test_failure` may be chance.

     Error          Errors   Of all, %   95 % interval   Issues   Resolved, %
    ──────────────────────────────────────────────────────────────────────────
     lint               15        50.0   29.7 to 70.3        10         100.0
     test_failure       15        50.0   29.7 to 70.3        15         100.0

    Which pipelines are flaky?
    `e2e` failed and then passed on 10 of 10 commits, 100 % [72.2, 100], the highest lower bound of 2 pipelines. Only a failed commit that is tried again can show it; 10 were.

     Pipeline   Flaky   Commits   Flaky, %   95 % interval   Tried again
    ─────────────────────────────────────────────────────────────────────
     e2e           10        10      100.0   72.2 to 100              10
     unit           0        50        0.0   0 to 7.1                  0

    What changes over time?
    Over 10 runs, by when they started: success rate up from 40 % in the earlier half to 100 % in the later (rho 0.87 [0.43, 0.98], Holm p = 0.004); cycles per issue down from 1 in the earlier half to 0.2 in the later (rho -0.87 [-0.98, -0.43], Holm p = 0.004); seconds per issue down from 8.6 in the earlier half to 5 in the later (rho -0.87 [-0.98, -0.43], Holm p = 0.004).

     What            Earlier   Later       rho   95 % interval           Holm p   Runs
    ───────────────────────────────────────────────────────────────────────────────────
     success, %         40.0   100.0    0.8704   0.43 to 0.98          0.004211     10
     first pass, %     83.33   83.33         –   not enough evidence          –     10
     cycles/issue        1.0     0.2   -0.8704   -0.98 to -0.43        0.004211     10
     seconds/issue       8.6     5.0   -0.8704   -0.98 to -0.43        0.004211     10
     USD/issue        0.5712    0.22   -0.4062   -0.83 to 0.33           0.2441     10
    ");
}

#[test]
fn a_report_for_a_wiki_is_markdown() {
    let sandbox = two_models();
    let shown = sandbox.run(&["insights", "--format", "md"]);
    assert_eq!(shown.matches("\n## ").count(), 10);
    let start: Vec<&str> = shown.lines().take(20).collect();
    assert_snapshot!(start.join("\n"), @"
    # Insights

    10 runs, 50 issues: 35 completed, 15 failed. In brackets: 95 % intervals. Holm p: adjusted for the number of tests.

    ## Which model has the highest success rate?

    `new` completes 100 % [86.7, 100] of 25 issues, more than `old` (Holm p < 0.001).

    | Model | Issues | Tries | Success, % | 95 % interval | v. first: Holm p |
    | --- | ---: | ---: | ---: | --- | ---: |
    | `new` | 25 | 25 | 100.0 | 86.7 to 100 | – |
    | `old` | 25 | 25 | 40.0 | 23.4 to 59.3 | 2.904e-6 |

    ## Which temperature has the highest success rate?

    Not enough evidence yet to call one best: `0.7` completes 100 % [79.6, 100] of 15 issues, and `0.0` as many; about 83 more issues in each would be needed to see 10 points. Only runs with `new` are looked at.

    | Temperature | Issues | Tries | Success, % | 95 % interval | v. first: Holm p |
    | --- | ---: | ---: | ---: | --- | ---: |
    | `0.7` | 15 | 15 | 100.0 | 79.6 to 100 | – |
    ");
    // Each table stands between blank lines, or it is none.
    let lines: Vec<&str> = shown.lines().collect();
    for at in 1..lines.len() {
        let is_row = |at: usize| lines.get(at).is_some_and(|line| line.starts_with("| "));
        let is_blank = |at: usize| lines.get(at).is_none_or(|line| line.is_empty());
        if is_row(at) {
            assert!(is_row(at - 1) || is_blank(at - 1), "{}", lines[at]);
            assert!(is_row(at + 1) || is_blank(at + 1), "{}", lines[at]);
        }
    }
}

#[test]
fn machines_get_each_answer_with_its_rows_and_whether_there_is_evidence() {
    let sandbox = two_models();
    let json = insights(&sandbox, &[]);
    assert_eq!(
        [&json["runs"], &json["issues"], &json["open"], &json["seed"]],
        [10, 50, 0, 1]
    );
    let told: Vec<(&str, bool)> = json["insights"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|it| Some((it["insight"].as_str()?, it["enough_evidence"].as_bool()?)))
        .collect();
    assert_snapshot!(format!("{told:?}"), @r#"[("best_model", true), ("best_temperature", false), ("first_pass", true), ("cycles_per_issue", true), ("agent_with_most_retries", true), ("difficulty", true), ("cost_outliers", true), ("most_frequent_errors", false), ("flaky_pipelines", true), ("trend", true)]"#);
    assert_snapshot!(answer(&json, "best_model"), @r#"{"answer":"`new` completes 100 % [86.7, 100] of 25 issues, more than `old` (Holm p < 0.001).","enough_evidence":true,"insight":"best_model","question":"Which model has the highest success rate?","rows":[{"high":100.0,"holm_p":null,"issues":25,"low":86.68,"model":"new","success_rate":100.0,"tries":25},{"high":59.26,"holm_p":2.904e-6,"issues":25,"low":23.4,"model":"old","success_rate":40.0,"tries":25}],"rows_left_out":0}"#);
    assert_snapshot!(answer(&json, "cost_outliers"), @r#"{"answer":"1 of 50 issues costs far more than others with the same model: 45.5 % of what all these cost. The dearest is `7`, 9 USD and 40.9 times the median.","enough_evidence":true,"insight":"cost_outliers","question":"Which issues cost far more than is usual?","rows":[{"cost_usd":9.0,"issue":"7","model":"old","project":"p","run":"r1","times_median":40.9,"z":50.1}],"rows_left_out":0}"#);
    assert_eq!(json, insights(&sandbox, &[]), "the same seed");
    let alone = insights(&sandbox, &["--only", "trend,difficulty"]);
    let keys: Vec<&Value> = alone["insights"].as_array().into_iter().flatten().collect();
    assert_eq!(keys, [answer(&json, "difficulty"), answer(&json, "trend")]);
    assert_snapshot!(sandbox.run(&["insights", "--format", "csv"]), @"
    exit 2
    --- stderr
    error: invalid value 'csv' for '--format <FORMAT>'
      [possible values: table, md, json]

    For more information, try '--help'.
    ");
}

#[test]
fn what_too_few_runs_cannot_tell_is_not_told() {
    let sandbox = Sandbox::new();
    start(&sandbox, "a", 1, &["--model", "m"]);
    append(&sandbox, "a", &issue(1, 1, "completed", &[]));
    assert_snapshot!(sandbox.run(&["insights"]), @"
    1 run, 1 issue: 1 completed. In brackets: 95 % intervals. Holm p: adjusted for the number of tests.

    Which model has the highest success rate?
    Not enough evidence yet: a model needs 5 issues that ended, and none has so many.

     Model   Issues   Tries   Success, %   95 % interval   v. first: Holm p
    ────────────────────────────────────────────────────────────────────────
     m            1       1        100.0   20.7 to 100                    –

    Which temperature has the highest success rate?
    Not enough evidence yet: no model was run at two temperatures (start runs with --temperature).

    How many pipelines pass at the first attempt?
    Not enough evidence yet: pipelines of 0 issues succeeded or failed, and it takes 5 (pipeline.recorded with an issue).

    How many debugging cycles are there per issue, and how soon do they end?
    Not enough evidence yet: 1 issue ended, and it takes 5.

     Figure                         Value   95 % interval         Of
    ─────────────────────────────────────────────────────────────────
     cycles per issue                 0.0   not enough evidence    1
     issues without cycle rate, %   100.0   20.7 to 100            1

    Which agent needs most retries?
    Not enough evidence yet: no retry is recorded on 1 issue (debug.started and debug.attempted say who has to rework).

    Do larger or longer issues take more retries?
    Not enough evidence yet on lines changed: it is known of 0 issues that ended, and it takes 10 (code.changed with lines). Not enough evidence yet on duration: it is known of 1 issue that ended, and it takes 10.

     Retries with    rho   95 % interval         Holm p   Issues
    ─────────────────────────────────────────────────────────────
     lines changed     –   not enough evidence        –        0
     duration          –   not enough evidence        –        1

    Which issues cost far more than is usual?
    Not enough evidence yet: no model has 20 tries at issues that ended with a known cost; the most is 0. 1 issue cost nothing.

    Which type of error is most frequent?
    Not enough evidence yet: no error is recorded, but there is 1 issue only, and it takes 5.

    Which pipelines are flaky?
    Not enough evidence yet: no pipeline succeeded or failed on more than 0 commits that it names, and it takes 5 (pipeline.recorded with commit_sha); 0 named none.

    What changes over time?
    Not enough evidence yet: a trend takes 8 runs with times and issues that ended, not 1.

     What            Earlier   Later   rho   95 % interval         Holm p   Runs
    ─────────────────────────────────────────────────────────────────────────────
     success, %        100.0       –     –   not enough evidence        –      1
     cycles/issue        0.0       –     –   not enough evidence        –      1
     seconds/issue       1.0       –     –   not enough evidence        –      1
    ");
    let json = insights(&sandbox, &[]);
    let answers = json["insights"].as_array().expect("a list");
    assert!(answers.iter().all(|it| it["enough_evidence"] == false));
}

#[test]
fn one_issue_tried_often_is_no_evidence_of_all() {
    let sandbox = Sandbox::new();
    for run in 0..6 {
        let name = format!("r{run}");
        start(&sandbox, &name, run + 1, &["--model", "m"]);
        let mut lines = String::new();
        for number in 1..=2 {
            lines += &issue(run + 1, number, "completed", &cycle("coding", "lint", 1));
        }
        append(&sandbox, &name, &lines);
    }
    let json = insights(&sandbox, &[]);
    assert_eq!([&json["issues"], &json["tries"]], [2, 12]);
    let said = |key| answer(&json, key)["answer"].as_str().unwrap_or_default();
    assert_snapshot!(said("cycles_per_issue"), @"Not enough evidence yet: 2 issues ended, and it takes 5.");
    assert_snapshot!(said("agent_with_most_retries"), @"Not enough evidence yet: there were retries on 2 issues only, and it takes 5; `coding` has 12 of 12 so far.");
    assert_snapshot!(said("most_frequent_errors"), @"Not enough evidence yet: there are errors on 2 issues or runs only, and it takes 5; `lint` has 12 of 12 so far.");
}

#[test]
fn where_there_are_no_runs_that_is_said() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.run(&["insights"]), @"
    exit 3
    --- stderr
    error: there is no folder `logs/runs` (name the root with --root or RETALLY_ROOT)
    ");
    start(&sandbox, "a", 1, &[]);
    let early = ["insights", "--as-of", "2024-11-30T00:00:00Z"];
    assert_snapshot!(sandbox.run(&early), @"
    --- stderr
    no runs to look at (start one with `retally start --project P`)
    ");
    assert_snapshot!(sandbox.run(&["insights", "--as-of", "abc:1"]), @"
    exit 2
    --- stderr
    error: --as-of: want a time, for a line is of one run
    ");
}

#[test]
fn insights_can_be_of_some_runs_and_as_of_a_time() {
    let sandbox = two_models();
    let of = |words: &[&str]| {
        let json = insights(&sandbox, words);
        json!([json["runs"], json["issues"], json["as_of"]])
    };
    assert_eq!(of(&["r0", "r3"]), json!([2, 10, null]));
    let time = "2024-12-04T00:00:00Z";
    assert_eq!(of(&["--as-of", time]), json!([3, 15, time]));
    assert_eq!(of(&["r0", "r9", "--as-of", time]), json!([1, 5, time]));
}

#[test]
fn hostile_names_do_nothing_but_be_shown() {
    let sandbox = Sandbox::new();
    let hostile = "@team`<img src=x>|\\\n# h\u{1b}[31m\u{202e}[a](http://x) *b* &lt;";
    start(&sandbox, "a", 1, &["--model", hostile]);
    let mut lines = String::new();
    let name = json!(hostile).to_string();
    let name = name.trim_matches('"');
    for number in 1..=30 {
        let mut events = cycle(name, name, 2);
        events.push(cost(if number == 9 { 900 } else { 10 + number % 3 }));
        events.push(pipeline(name, number, "failed", name));
        events.push(pipeline(name, number + 100, "success", name));
        lines += &issue(1, number, "completed", &events);
    }
    append(&sandbox, "a", &lines);
    for format in ["table", "md"] {
        let shown = sandbox.run(&["insights", "--format", format]);
        let is_active = |it: char| it == '\u{1b}' || it == '\u{202e}';
        assert!(!shown.contains(is_active), "{format}: {shown}");
        let begins = |line: &str| line.starts_with("# h") || line.starts_with("\\n");
        assert!(!shown.lines().any(begins), "{format}: {shown}");
    }
    let shown = sandbox.run(&["insights", "--format", "md"]);
    for active in ["@team", "team`", "<img", "](", "*b*", "&lt;", "\\n"] {
        assert!(!shown.contains(active), "{active}: {shown}");
    }
    let rows = shown.lines().filter(|line| line.starts_with("| <code>"));
    let columns: Vec<usize> = rows.map(|line| line.matches(" | ").count()).collect();
    assert_eq!(columns, [5, 4, 5, 5, 5], "{shown}");
    assert!(shown.contains("| `9` | `a` | <code>&#64;team"), "{shown}");
    assert_snapshot!(shown.lines().nth(6).unwrap_or_default(), @"Not enough evidence yet: <code>&#64;team&#96;&#60;img&#32;src&#61;x&#62;&#124;&#92;&#92;n&#35;&#32;h&#92;u&#123;1b&#125;&#91;31m&#92;u&#123;202e&#125;&#91;a&#93;&#40;http&#58;&#47;&#47;x&#41;&#32;&#42;b&#42;&#32;&#38;lt&#59;</code> is the only model, and completes 100 % [88.6, 100] of 30 issues. A second one on the same issues would tell.");
    let json = insights(&sandbox, &[]);
    assert_eq!(answer(&json, "best_model")["rows"][0]["model"], hostile);
}
