use crate::support::Sandbox;
use insta::assert_snapshot;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

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

/// Rules that tell only budgets, and where to.
fn with_delivery(sandbox: &Sandbox, delivery: &str) {
    let rules = "[run_stalled]\nenabled = false\n[budget]\nrun_usd = 1\nissue_usd = 1\n";
    std::fs::write(sandbox.path("rules.toml"), format!("{rules}{delivery}")).expect("written");
}

fn call(issue: u32) -> String {
    format!(r#""type":"llm.called","issue":{issue},"model":"m","cost_usd":0.6"#)
}

const ONCE: [&str; 4] = ["watch", "--once", "--quiet", "--alerts=rules.toml"];

#[test]
fn each_alert_is_told_once_however_often_the_watcher_is_started() {
    let sandbox = Sandbox::new();
    let calls = [call(1), call(1)];
    record(&sandbox, "run_1", &calls);
    with_delivery(
        &sandbox,
        "[[delivery.file]]\npath = 'alerts.jsonl'\n\
         [[delivery.command]]\nargv = ['sh', '-c', 'cat >> \"$0\"', 'piped.jsonl']\n",
    );
    assert_snapshot!(sandbox.run_at(LATER, &ONCE), @"
    2024-12-03T15:00:02.000000Z critical budget run_1: issue `1` cost 1.2 USD so far, and may cost 1 USD
    2024-12-03T15:00:02.000000Z critical budget run_1: the run cost 1.2 USD so far, and may cost 1 USD
    ");
    let written = std::fs::read_to_string(sandbox.path("alerts.jsonl")).expect("written");
    assert_snapshot!(written, @r#"
    {"key":"budget:run_1:issue:6b86b273","rule":"budget","severity":"critical","ts":"2024-12-03T15:00:02.000000Z","run":"run_1","project":"p","model":"m","issue":"1","text":"issue `1` cost 1.2 USD so far, and may cost 1 USD","evidence":{"budget_usd":1.0,"cost_usd":1.2},"trigger":{"type":"llm.called","ts":"2024-12-03T15:00:02.000000Z","segment":"a","seq":null}}
    {"key":"budget:run_1:run","rule":"budget","severity":"critical","ts":"2024-12-03T15:00:02.000000Z","run":"run_1","project":"p","model":"m","text":"the run cost 1.2 USD so far, and may cost 1 USD","evidence":{"budget_usd":1.0,"cost_usd":1.2},"trigger":{"type":"llm.called","ts":"2024-12-03T15:00:02.000000Z","segment":"a","seq":null}}
    "#);
    let piped = std::fs::read_to_string(sandbox.path("piped.jsonl")).expect("written");
    assert_eq!(piped, written);
    assert_eq!(sandbox.run_at(LATER, &ONCE), "");
    record(
        &sandbox,
        "run_1",
        &[&calls[..], &[call(2), call(2)]].concat(),
    );
    assert_snapshot!(sandbox.run_at(LATER, &[&ONCE[..], &["--format", "jsonl"]].concat()), @r#"
    {"files":[{"change":"created","path":"issues/issue_2_metrics.json"},{"change":"replaced","path":"run_1_metadata.json"}],"lag_seconds":null,"run":"run_1"}
    {"alert":{"key":"budget:run_1:issue:d4735e3a","rule":"budget","severity":"critical","ts":"2024-12-03T15:00:04.000000Z","run":"run_1","project":"p","model":"m","issue":"2","text":"issue `2` cost 1.2 USD so far, and may cost 1 USD","evidence":{"budget_usd":1.0,"cost_usd":1.2},"trigger":{"type":"llm.called","ts":"2024-12-03T15:00:04.000000Z","segment":"a","seq":null}}}
    "#);
    let written = std::fs::read_to_string(sandbox.path("alerts.jsonl")).expect("written");
    assert_eq!(written.lines().count(), 3, "{written}");
    // What somebody looks back at is no news.
    record(&sandbox, "run_2", &calls);
    assert_eq!(sandbox.run_at("2024-12-05T00:00:00Z", &ONCE), "");
}

#[test]
fn what_is_not_delivered_is_said_and_tried_again_at_the_next_start() {
    let sandbox = Sandbox::new();
    record(&sandbox, "run_1", &[call(1), call(2)]);
    with_delivery(&sandbox, "[[delivery.command]]\nargv = ['sh', 'deliver']\n");
    assert_snapshot!(sandbox.run_at(LATER, &ONCE), @"
    exit 3
    2024-12-03T15:00:02.000000Z critical budget run_1: the run cost 1.2 USD so far, and may cost 1 USD
    --- stderr
    error: alert `budget:run_1:run` is not delivered to command `sh`: exit status: 2
    error: 1 alert was not delivered (the next start tries again)
    ");
    std::fs::write(sandbox.path("deliver"), "cat >> told").expect("written");
    assert_eq!(sandbox.run_at(LATER, &ONCE), "");
    let told = std::fs::read_to_string(sandbox.path("told")).expect("told");
    assert_eq!(told.lines().count(), 1, "{told}");
    let slow = "[[delivery.command]]\nargv = ['sleep', '60']\ntimeout_seconds = 0.1\n";
    with_delivery(&sandbox, slow);
    assert_snapshot!(sandbox.run_at(LATER, &ONCE), @"
    exit 3
    --- stderr
    error: alert `budget:run_1:run` is not delivered to command `sleep`: took longer than 0.1 s
    error: 1 alert was not delivered (the next start tries again)
    ");
}

/// Answers requests, each with the next of these statuses, and returns them.
fn answer(listener: &TcpListener, statuses: &[&str]) -> Vec<String> {
    let answer = |status: &&str| {
        let (stream, _) = listener.accept().expect("a client");
        let mut reader = BufReader::new(stream);
        let (mut request, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a line");
            if let Some(bytes) = line.to_lowercase().strip_prefix("content-length: ") {
                length = bytes.trim().parse().expect("a number");
            }
            if line == "\r\n" {
                break;
            }
            request += &line;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        let location = "location: http://127.0.0.1:9/elsewhere";
        let head = format!(
            "HTTP/1.1 {status}\r\n{location}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        reader
            .get_mut()
            .write_all(head.as_bytes())
            .expect("written");
        request + &String::from_utf8(body).expect("UTF-8")
    };
    statuses.iter().map(answer).collect()
}

#[test]
fn a_webhook_is_sent_each_alert_and_tried_again_where_it_fails() {
    let sandbox = Sandbox::new();
    record(&sandbox, "run_1", &[call(1), call(2)]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let url = format!("http://{address}/hidden?token=hidden");
    with_delivery(
        &sandbox,
        "[[delivery.webhook]]\nurl_env = 'HOOK'\nattempts = 3\n",
    );
    let run = |statuses: &[&str]| {
        let mut command = sandbox.command();
        command.env("RETALLY_NOW", LATER).env("HOOK", &url);
        std::thread::scope(|scope| {
            let requests = scope.spawn(|| answer(&listener, statuses));
            let said = sandbox.run_in(&mut command, &ONCE, "");
            (
                requests.join().expect("answered"),
                said.replace(&address.to_string(), "HOST"),
            )
        })
    };
    let (requests, said) = run(&["503 Busy", "503 Busy", "503 Busy"]);
    assert_eq!(requests.len(), 3);
    assert_snapshot!(said, @"
    exit 3
    2024-12-03T15:00:02.000000Z critical budget run_1: the run cost 1.2 USD so far, and may cost 1 USD
    --- stderr
    error: alert `budget:run_1:run` is not delivered to the webhook at `HOST`: it answered with status 503 (tried 3 times)
    error: 1 alert was not delivered (the next start tries again)
    ");
    let (_, said) = run(&["307 Elsewhere"]);
    assert_snapshot!(said, @"
    exit 3
    --- stderr
    error: alert `budget:run_1:run` is not delivered to the webhook at `HOST`: it answered with status 307
    error: 1 alert was not delivered (the next start tries again)
    ");
    let (requests, said) = run(&["503 Busy", "200 OK"]);
    assert_eq!(said, "");
    assert!(requests[1].starts_with("POST /hidden?token=hidden HTTP/1.1\r\n"));
    let (_, body) = requests[1].split_once('{').expect("JSON");
    assert_snapshot!(body, @r#""key":"budget:run_1:run","rule":"budget","severity":"critical","ts":"2024-12-03T15:00:02.000000Z","run":"run_1","project":"p","model":"m","text":"the run cost 1.2 USD so far, and may cost 1 USD","evidence":{"budget_usd":1.0,"cost_usd":1.2},"trigger":{"type":"llm.called","ts":"2024-12-03T15:00:02.000000Z","segment":"a","seq":null}}"#);
    assert_eq!(run(&[]), (vec![], String::new()));
    assert_snapshot!(sandbox.run_at(LATER, &ONCE), @"
    exit 3
    --- stderr
    error: the environment variable `HOOK` holds no address of a webhook
    ");
}

#[test]
fn alerts_are_told_as_runs_go_on() {
    let sandbox = Sandbox::new();
    record(&sandbox, "run_1", &[call(1)]);
    with_delivery(&sandbox, "[[delivery.file]]\npath = 'alerts.jsonl'\n");
    let mut command = sandbox.command();
    command.env("RETALLY_NOW", LATER);
    let mut child = command
        .args(["watch", "--alerts=rules.toml", "--poll", "0.05"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let mut told = || {
        let mut line = String::new();
        lines.read_line(&mut line).expect("lines are UTF-8");
        line
    };
    let append = |run: &str, issue: &str| {
        let words = [
            "append",
            run,
            "llm.called",
            issue,
            "model=m",
            "cost_usd=0.6",
        ];
        sandbox.run_at(LATER, &words);
    };
    append("run_1", "issue=2");
    assert_snapshot!(told(), @"2024-12-03T16:30:00.000000Z critical budget run_1: the run cost 1.2 USD so far, and may cost 1 USD");
    sandbox.run_in(
        sandbox
            .command()
            .env("RETALLY_NOW", LATER)
            .env("RETALLY_RUN_ID", "run_2"),
        &["start", "--project", "p"],
        "",
    );
    append("run_2", "issue=1");
    append("run_2", "issue=1");
    assert_snapshot!(told(), @"2024-12-03T16:30:00.000000Z critical budget run_2: issue `1` cost 1.2 USD so far, and may cost 1 USD");
    assert_snapshot!(told(), @"2024-12-03T16:30:00.000000Z critical budget run_2: the run cost 1.2 USD so far, and may cost 1 USD");
    let other = sandbox.run_at(LATER, &ONCE);
    assert!(other.contains("are being delivered already"), "{other}");
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(killed.expect("kill starts").success());
    let output = child.wait_with_output().expect("it ends");
    assert_snapshot!(String::from_utf8_lossy(&output.stderr), @"
    watching `logs/runs`; end with Ctrl-C
    run `run_2` is new
    stopped; no problems
    ");
    let written = std::fs::read_to_string(sandbox.path("alerts.jsonl")).expect("written");
    assert_eq!(written.lines().count(), 3, "{written}");
    assert_eq!(sandbox.run_at(LATER, &ONCE), "");
}

#[test]
fn a_silence_is_told_once_while_nothing_changes() {
    let sandbox = falling();
    let words = ["watch", "--once", "--quiet", "--alerts"];
    assert_snapshot!(sandbox.run_at(LATER, &words), @r"
    2024-12-03T15:01:03.000000Z warning success_rate run_2: fewer issues of project `p` are solved: 0 of the last 3, 40 of the 40 before
    2024-12-03T15:31:05.000000Z warning agent_silent run_2: agent `co\u{1b}[31mding` began on issue `7` and said nothing for 1800 s
    2024-12-03T16:01:05.000000Z warning run_stalled run_2: the run has no end and said nothing for 3600 s
    ");
    assert_eq!(sandbox.run_at(LATER, &words), "");
    assert_snapshot!(sandbox.run_at(LATER, &["watch", "--alerts", "--view", "run_1"]), @"
    exit 2
    --- stderr
    error: the argument '--alerts[=<FILE>]' cannot be used with '--view'

    Usage: retally watch --alerts[=<FILE>] <RUN>...

    For more information, try '--help'.
    ");
}
