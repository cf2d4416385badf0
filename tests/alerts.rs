use crate::support::Sandbox;
use insta::assert_snapshot;
use std::fmt::Write as _;

/// Writes a run that began at 15:00 and has no end; an event a second, given without its time.
pub(crate) fn record(sandbox: &Sandbox, run: &str, events: &[String]) {
    let mut lines = String::new();
    let start = r#""type":"run.started","project_id":"p","llm":{"model":"m"}"#.to_owned();
    for (second, event) in [start].iter().chain(events).enumerate() {
        let (minute, second) = (second / 60, second % 60);
        let ts = format!("2024-12-03T15:{minute:02}:{second:02}Z");
        writeln!(lines, r#"{{"ts":"{ts}",{event}}}"#).expect("a String");
    }
    let events = sandbox.path(&format!("logs/runs/{run}/events"));
    std::fs::create_dir_all(&events).expect("a folder");
    std::fs::write(events.join("a.jsonl"), lines).expect("written");
}

pub(crate) fn ended(issue: u32, status: &str) -> String {
    format!(r#""type":"issue.finished","issue":{issue},"status":"{status}""#)
}

fn end_of_run() -> String {
    r#""type":"run.finished","status":"completed""#.to_owned()
}

/// Two runs, in the second of which issues fail.
fn falling() -> Sandbox {
    let sandbox = Sandbox::new();
    let solved = (1..=40).map(|issue| ended(issue, "completed"));
    record(
        &sandbox,
        "run_1",
        &solved.chain([end_of_run()]).collect::<Vec<_>>(),
    );
    let open = r#""type":"agent.started","issue":7,"agent":"co\u001b[31mding""#.to_owned();
    let waiting = (0..60).map(|_| r#""type":"note.added","text":"t""#.to_owned());
    let failed = (1..=4).map(|issue| ended(issue, "failed"));
    let events: Vec<_> = waiting.chain(failed).chain([open]).collect();
    record(&sandbox, "run_2", &events);
    sandbox
}

/// An hour and more after the last event.
const LATER: &str = "2024-12-03T16:30:00Z";

#[test]
fn alerts_say_what_went_wrong_where_and_how_sure_that_is() {
    let sandbox = falling();
    assert_snapshot!(sandbox.run_at(LATER, &["alerts"]), @r"
     Time                          Severity   Rule           Run     What
    ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     2024-12-03T15:01:03.000000Z   warning    success_rate   run_2   fewer issues of project `p` are solved: 0 of the last 3, 40 of the 40 before
     2024-12-03T15:31:05.000000Z   warning    agent_silent   run_2   agent `co\u{1b}[31mding` began on issue `7` and said nothing for 1800 s
     2024-12-03T16:01:05.000000Z   warning    run_stalled    run_2   the run has no end and said nothing for 3600 s
    ");
    assert_snapshot!(sandbox.run_at(LATER, &["alerts", "--format", "jsonl"]), @r#"
    {"key":"success_rate:run_2:a:63","rule":"success_rate","severity":"warning","ts":"2024-12-03T15:01:03.000000Z","run":"run_2","project":"p","model":"m","issue":"3","text":"fewer issues of project `p` are solved: 0 of the last 3, 40 of the 40 before","evidence":{"issues_after":3,"issues_before":40,"issues_per_false_alarm":1000.0,"log_likelihood_ratio":10.88059,"successes_after":0,"successes_before":40,"threshold":6.6},"trigger":{"type":"issue.finished","ts":"2024-12-03T15:01:03.000000Z","segment":"a","seq":null}}
    {"key":"agent_silent:run_2:a:65:db0a83f9","rule":"agent_silent","severity":"warning","ts":"2024-12-03T15:31:05.000000Z","run":"run_2","project":"p","model":"m","issue":"7","agent":"co\u001b[31mding","text":"agent `co\u001b[31mding` began on issue `7` and said nothing for 1800 s","evidence":{"silent_seconds":1800.0},"trigger":{"type":"agent.started","ts":"2024-12-03T15:01:05.000000Z","segment":"a","seq":null}}
    {"key":"run_stalled:run_2:a:65","rule":"run_stalled","severity":"warning","ts":"2024-12-03T16:01:05.000000Z","run":"run_2","project":"p","model":"m","text":"the run has no end and said nothing for 3600 s","evidence":{"silent_seconds":3600.0},"trigger":{"type":"agent.started","ts":"2024-12-03T15:01:05.000000Z","segment":"a","seq":null}}
    "#);
    assert_snapshot!(sandbox.run_at(LATER, &["alerts", "--format", "md", "run_2"]), @r"
    | Time | Severity | Rule | Run | What |
    | --- | --- | --- | --- | --- |
    | 2024-12-03T15:31:05.000000Z | warning | agent\_silent | run\_2 | agent \`co\\u{1b}\[31mding\` began on issue \`7\` and said nothing for 1800 s |
    | 2024-12-03T16:01:05.000000Z | warning | run\_stalled | run\_2 | the run has no end and said nothing for 3600 s |
    ");
}

#[test]
fn what_was_known_at_a_time_is_looked_at() {
    let sandbox = falling();
    let as_of = |time: &str| sandbox.run_at(LATER, &["alerts", "--as-of", time, "--format", "csv"]);
    assert_snapshot!(as_of("2024-12-03T15:01:02Z"), @"
    ts,severity,rule,run,text
    --- stderr
    runs: 2; nothing to tell
    ");
    assert_snapshot!(as_of("2024-12-03T15:01:03Z"), @r#"
    ts,severity,rule,run,text
    2024-12-03T15:01:03.000000Z,warning,success_rate,run_2,"fewer issues of project `p` are solved: 0 of the last 3, 40 of the 40 before"
    "#);
    assert_snapshot!(as_of("2024-12-03T15:31:06Z"), @r#"
    ts,severity,rule,run,text
    2024-12-03T15:01:03.000000Z,warning,success_rate,run_2,"fewer issues of project `p` are solved: 0 of the last 3, 40 of the 40 before"
    2024-12-03T15:31:05.000000Z,warning,agent_silent,run_2,agent `coding` began on issue `7` and said nothing for 1800 s
    "#);
    assert_snapshot!(as_of("a:7"), @"
    exit 2
    --- stderr
    error: --as-of: want a time, for a line is of one run
    ");
}

#[test]
fn the_exit_code_says_whether_something_so_severe_was_found() {
    let sandbox = falling();
    for (severity, expected) in [("info", "exit 1"), ("warning", "exit 1"), ("critical", "")] {
        let said = sandbox.run_at(LATER, &["alerts", "--fail-if", severity, "--format", "csv"]);
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(said.contains("exit"), !expected.is_empty(), "{said}");
    }
}

#[test]
fn the_rules_are_those_of_the_file_else_of_the_root() {
    let sandbox = falling();
    let calm = "[success_rate]\nenabled = false\n[agent_silent]\nenabled = false\n\
                [run_stalled]\nafter_seconds = 86400\n";
    std::fs::write(sandbox.path("calm.toml"), calm).expect("written");
    let words = ["alerts", "--rules", "calm.toml"];
    assert_snapshot!(sandbox.run_at(LATER, &words), @"
    --- stderr
    runs: 2; nothing to tell
    ");
    std::fs::write(sandbox.path("logs/runs/alerts.toml"), calm).expect("written");
    assert_snapshot!(sandbox.run_at(LATER, &["alerts"]), @"
    --- stderr
    runs: 2; nothing to tell
    ");
    let broken = "[budget]\nrun_usd = 'all'\n";
    std::fs::write(sandbox.path("logs/runs/alerts.toml"), broken).expect("written");
    assert_snapshot!(sandbox.run_at(LATER, &["alerts"]), @r#"
    exit 3
    --- stderr
    error: rules `logs/runs/alerts.toml`, line 2: invalid type: string "all", expected f64 (docs/alerts.md has all keys)
    "#);
    let command = "[[delivery.command]]\nargv = ['touch', 'owned']\n";
    std::fs::write(sandbox.path("logs/runs/alerts.toml"), command).expect("written");
    assert_snapshot!(sandbox.run_at(LATER, &["alerts"]), @"
    exit 3
    --- stderr
    error: rules `logs/runs/alerts.toml`, line 1: what writes a root could have commands run so (move `[delivery]` to a file of your own, and name it)
    ");
    assert_snapshot!(sandbox.run_at(LATER, &["alerts", "--rules", "none.toml"]), @"
    exit 3
    --- stderr
    error: rules `none.toml` cannot be read (make it a regular file of at most 1 MiB): No such file or directory (os error 2)
    ");
}

#[test]
fn where_nothing_is_wrong_that_is_said() {
    let sandbox = Sandbox::new();
    record(&sandbox, "run_1", &[ended(1, "completed"), end_of_run()]);
    assert_snapshot!(sandbox.run_at(LATER, &["alerts"]), @"
    --- stderr
    runs: 1; nothing to tell
    ");
    assert_snapshot!(sandbox.run_at(LATER, &["alerts", "--format", "json"]), @"
    []
    --- stderr
    runs: 1; nothing to tell
    ");
}
