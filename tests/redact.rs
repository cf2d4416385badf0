use crate::support::Sandbox;
use insta::assert_snapshot;

const RUN: &str = "run_20241203_143022_project_168";

/// A key of a well-known shape, put together so that it does not stand in this file.
fn key() -> String {
    format!("{}_{}", "ghp", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6")
}

/// Returns whether a text stands in any file of the root.
fn stands(sandbox: &Sandbox, text: &str) -> bool {
    let files = sandbox.files("logs/runs");
    let holds = |(_, bytes): (String, Vec<u8>)| String::from_utf8_lossy(&bytes).contains(text);
    files.into_iter().any(holds)
}

fn append(sandbox: &Sandbox, words: &[&str], input: &str) -> String {
    let mut command = sandbox.command();
    command.env("DEPLOY_PASSWORD", "correct horse");
    sandbox.run_in(&mut command, words, input)
}

#[test]
fn secrets_do_not_reach_the_log_nor_the_reports() {
    let sandbox = Sandbox::new();
    let key = key();
    append(
        &sandbox,
        &["start", "--project", "168", "--tag", &format!("by={key}")],
        "",
    );
    let message = format!("message=push with {key} failed, correct horse");
    append(
        &sandbox,
        &[
            "append",
            RUN,
            "error.recorded",
            "issue=1",
            "error_type=auth",
            &message,
        ],
        "",
    );
    let line =
        format!("{{\"type\":\"note.added\",\"text\":\"a\",\"{key}\":[\"correct horse\"]}}\n");
    append(&sandbox, &["append", RUN], &line);
    append(&sandbox, &["finish", RUN], "");
    let shown = sandbox.run(&["rebuild"]) + &sandbox.run(&["report", RUN]);
    assert!(!stands(&sandbox, &key) && !stands(&sandbox, "correct horse"));
    assert!(
        !shown.contains(&key) && !shown.contains("correct horse"),
        "{shown}"
    );
    let events = sandbox.events(RUN);
    // The last one names the segment, which has another name each time.
    let events: Vec<_> = events.lines().take(3).collect();
    assert_snapshot!(events.join("\n"), @r#"
    {"seq":1,"ts":"2024-12-03T14:30:22.000000Z","type":"run.started","project_id":"168","tags":{"by":"[redacted:github]"}
    {"seq":2,"ts":"2024-12-03T14:30:22.000000Z","type":"error.recorded","issue":1,"error_type":"auth","message":"push with [redacted:github] failed, [redacted:DEPLOY_PASSWORD]"
    {"seq":3,"ts":"2024-12-03T14:30:22.000000Z","type":"note.added","text":"a","[redacted:github]-2431d6ef":["[redacted:DEPLOY_PASSWORD]"]
    "#);
}

#[test]
fn a_secret_in_the_project_does_not_name_the_run() {
    let sandbox = Sandbox::new();
    let shown = sandbox.run(&["start", "--project", &format!("https://{}@host/app", key())]);
    assert!(
        !shown.contains(&key()) && !stands(&sandbox, &key()),
        "{shown}"
    );
}

#[test]
fn secrets_are_kept_where_that_is_wanted() {
    let sandbox = Sandbox::new();
    let key = key();
    sandbox.run(&["start", "--project", "168"]);
    append(
        &sandbox,
        &[
            "append",
            "--no-redact",
            RUN,
            "note.added",
            &format!("text={key}"),
        ],
        "",
    );
    assert!(stands(&sandbox, &key));
    let mut command = sandbox.command();
    command.env("RETALLY_NO_REDACT", "1");
    sandbox.run_in(
        &mut command,
        &["append", RUN, "note.added", "text=pypi-none"],
        "",
    );
    assert!(stands(&sandbox, "pypi-none"));
}

#[test]
fn nothing_is_appended_where_the_users_patterns_are_broken() {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "168"]);
    let patterns = sandbox.path("logs/runs/redact.toml");
    std::fs::write(&patterns, "[[pattern]]\nkind = \"ticket\"\nregex = '('\n").expect("written");
    let before = sandbox.files("logs/runs");
    assert_snapshot!(sandbox.run(&["append", RUN, "note.added", "text=x"]), @"
    exit 3
    --- stderr
    error: `logs/runs/redact.toml`, line 3: `regex` is none: unclosed group (correct it)
    ");
    assert_snapshot!(sandbox.run(&["start", "--project", "2"]), @"
    exit 3
    --- stderr
    error: `logs/runs/redact.toml`, line 3: `regex` is none: unclosed group (correct it)
    ");
    assert!(sandbox.files("logs/runs") == before);
    std::fs::write(
        &patterns,
        "[[pattern]]\nkind = \"ticket\"\nregex = 'T-\\d+'\n",
    )
    .expect("written");
    sandbox.run(&["append", RUN, "note.added", "text=see T-17"]);
    assert!(stands(&sandbox, "see [redacted:ticket]"));
}

#[test]
fn a_copy_without_secrets_has_the_reports_of_the_run() {
    let sandbox = Sandbox::new();
    let key = key();
    sandbox.run(&["start", "--project", "168"]);
    let lines = format!(
        "{{\"type\":\"issue.started\",\"issue\":1,\"title\":\"{key}\",\"ts\":\"2024-12-03T14:00:00Z\"}}\n\
         {{\"type\":\"agent.started\",\"issue\":1,\"agent\":\"coding\",\"key\":\"a\"}}\n\
         {{\"type\":\"agent.started\",\"issue\":1,\"agent\":\"coding\",\"key\":\"a\"}}\n\
         {{\"type\":\"own.type\",\"issue\":1,\"value\":[1.50,{{\"a\":\"{key}\"}}]}}\n\
         {{\"type\":\"issue.finished\",\"issue\":1,\"status\":\"completed\",\"ts\":\"2024-12-03T15:00:00Z\"}}\n"
    );
    sandbox.run_with_input(&["append", RUN, "--no-redact"], &lines);
    sandbox.run(&["finish", RUN]);
    let foreign = sandbox.path(&format!("logs/runs/{RUN}/events/foreign.jsonl"));
    let text = "{\"type\":\"note.added\",\"issue\":1,\"text\":\"late\",\"ts\":\"2024-12-03T16:00:00Z\"}\nbroken\n";
    std::fs::write(foreign, text).expect("written");
    sandbox.run(&["rebuild"]);
    assert_snapshot!(sandbox.run(&["redact", RUN]), @"
    run_20241203_143022_project_168_redacted
    --- stderr
    redacted: 2 of kind github
    events: 8
    left out, as they are damaged or fit no type: 1 lines, 7 bytes
    ");
    let copy = "run_20241203_143022_project_168_redacted";
    assert!(stands(&sandbox, &key), "the run is left as it is");
    let reports = |run: &str| {
        let files = sandbox.reports(run).into_iter().map(|(name, bytes)| {
            let text = String::from_utf8(bytes)
                .expect("UTF-8")
                .replace(&key, "[redacted:github]");
            // The id, and what was left out.
            let text = text
                .replace(copy, RUN)
                .replace("\"damaged_lines\": 1", "\"damaged_lines\": 0");
            (name.replace(copy, RUN), text)
        });
        files.collect::<Vec<_>>()
    };
    assert_eq!(reports(copy), reports(RUN));
    assert_snapshot!(sandbox.run(&["check", copy]), @"
    --- stderr
    note: 1 events of the unknown type `own.type` are kept
    runs: 1; events: 8, 0 without a checksum; damaged: 0; misfits: 0; lost: 0; report files that differ from a rebuild: 0
    ");
    assert_snapshot!(sandbox.run(&["redact", RUN, "--to", "clean", "--remove-original", "--format", "csv"]), @"
    run,kind,secrets
    clean,github,2
    --- stderr
    redacted: 2 of kind github
    events: 8
    left out, as they are damaged or fit no type: 1 lines, 7 bytes
    removed `run_20241203_143022_project_168`
    ");
    assert!(!stands(&sandbox, &key));
    assert_snapshot!(sandbox.run(&["redact", "nothing"]), @"
    exit 3
    --- stderr
    error: no run in `logs/runs` is or begins with `nothing` (list them with `retally runs`)
    ");
}
