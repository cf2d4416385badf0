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

/// Made-up keys of many services, put together so that none stands in this file.
fn canaries() -> Vec<String> {
    const ALNUM: &str = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7";
    const HEX: &str = "0a1b2c3d4e5f67890";
    const UPPER: &str = "A2B3C4D5E6F7G2H3";
    #[rustfmt::skip]
    let starts = [
        ("sk-", ALNUM, 48), ("sk-proj-", ALNUM, 80), ("sk-ant-api03-", ALNUM, 95),
        ("sk-or-v1-", HEX, 64), ("ghp_", ALNUM, 36), ("gho_", ALNUM, 36), ("ghu_", ALNUM, 36),
        ("ghs_", ALNUM, 36), ("ghr_", ALNUM, 76), ("github_pat_", ALNUM, 82),
        ("glpat-", ALNUM, 20), ("gldt-", ALNUM, 20), ("glrt-", ALNUM, 20),
        ("GR1348941", ALNUM, 20), ("AKIA", UPPER, 16), ("ASIA", UPPER, 16), ("AIza", ALNUM, 35),
        ("ya29.", ALNUM, 60), ("GOCSPX-", ALNUM, 28), ("xoxb-", ALNUM, 40), ("xapp-1-", ALNUM, 40),
        ("sk_live_", ALNUM, 24), ("rk_live_", ALNUM, 24), ("whsec_", ALNUM, 32),
        ("hf_", ALNUM, 34), ("npm_", ALNUM, 36), ("pypi-AgEIcHlwaS5vcmc", ALNUM, 90),
        ("SG.abcdefghijklmnopqrstuv.", ALNUM, 43), ("SK", HEX, 32), ("1234567890:AA", ALNUM, 33),
        ("dop_v1_", HEX, 64), ("dapi", HEX, 32), ("gsk_", ALNUM, 52), ("r8_", ALNUM, 37),
        ("xai-", ALNUM, 80), ("pplx-", ALNUM, 48), ("nvapi-", ALNUM, 64), ("hvs.", ALNUM, 90),
        ("dckr_pat_", ALNUM, 27), ("lin_api_", ALNUM, 40), ("ntn_", ALNUM, 46),
        ("secret_", ALNUM, 43), ("AGE-SECRET-KEY-1", UPPER, 58), ("glsa_", ALNUM, 41),
        ("sntrys_", ALNUM, 100), ("NRAK-", UPPER, 27), ("shpat_", HEX, 32), ("key-", HEX, 32),
        ("ATATT3", ALNUM, 150), ("sbp_", HEX, 40), ("tskey-auth-", ALNUM, 30), ("nfp_", ALNUM, 36),
        ("figd_", ALNUM, 40), ("cio", ALNUM, 32), ("a~18Q~", ALNUM, 34), ("dp.pt.", ALNUM, 43),
        ("fm2_", ALNUM, 90), ("lsv2_pt_", HEX, 43), ("aB3dE6gH9jK2mN.atlasv1.", ALNUM, 67),
        ("MTAwMDAwMDAwMDAwMDAwMDAw.Cl2FMQ.", ALNUM, 38), ("pul-", HEX, 40), ("tvly-", ALNUM, 32),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.", ALNUM, 43),
    ];
    let key = |(start, alphabet, length): (&str, &str, usize)| {
        let rest: String = alphabet.chars().cycle().take(length).collect();
        format!("{start}{rest}")
    };
    starts.into_iter().map(key).collect()
}

/// T12.
#[test]
#[expect(clippy::print_stdout, reason = "`just guarantees` prints it")]
fn no_canary_stands_in_a_log_a_report_or_what_is_said() {
    const PLACES: [&str; 20] = [
        r#"{"type":"note.added","text":"KEY"}"#,
        r#"{"type":"note.added","text":"a \"KEY\" b\r\nKEY","issue":7}"#,
        r#"{"type":"note.added","text":"{\"a\":\"KEY\"}\\nKEY","agent":"KEY"}"#,
        r#"{"type":"issue.started","issue":"KEY","title":"https://host/?k=KEY"}"#,
        r#"{"type":"agent.finished","issue":7,"agent":"KEY","span":"KEY","success":false,"error":"KEY"}"#,
        r#"{"type":"debug.started","issue":7,"agent":"a","error_type":"KEY","error_message":"KEY"}"#,
        r#"{"type":"pipeline.recorded","issue":7,"pipeline_id":"KEY","status":"KEY","url":"https://KEY@host","failed_jobs":["KEY"]}"#,
        r#"{"type":"llm.called","issue":7,"provider":"KEY","model":"KEY"}"#,
        r#"{"type":"tool.called","issue":7,"tool":"curl -H KEY","key":"KEY"}"#,
        r#"{"type":"note.added","text":"x","KEY":1,"other":{"KEY":["KEY",{"a":"KEY"}]}}"#,
        r#"{"type":"KEY","issue":7,"value":"KEY"}"#,
        r#"{"type":"issue.finished","issue":7,"status":"KEY"}"#,
        r#"{"type":"agent.finished","issue":7,"agent":"a","success":"KEY"}"#,
        r#"{"type":"llm.called","model":"m","input_tokens":"at the beginning KEY"}"#,
        r#"{"type":"note.added","text":"x","ts":"KEY"}"#,
        r#"{"type":"note.added","text":["KEY"]}"#,
        r#"{"type":"note.added","text":"x","KEY":1,"KEY":2}"#,
        r#"{"type":"note.added","text":KEY}"#,
        r#"{"type":"note.added","text":"KEY"#,
        "KEY",
    ];
    let keys = canaries();
    assert!(keys.len() >= 60);
    let sandbox = Sandbox::new();
    let mut shown = String::new();
    for key in &keys {
        shown += &sandbox.run(&["start", "--project", "168", "--tag", &format!("t={key}")]);
        let run = sandbox.run(&["runs", "--format", "jsonl"]);
        let run = run.lines().last().expect("a run").to_owned();
        let run: serde_json::Value = serde_json::from_str(&run).expect("JSON");
        let run = run["run"].as_str().expect("an id").to_owned();
        let lines = PLACES.map(|place| place.replace("KEY", key)).join("\n");
        shown += &sandbox.run_with_input(&["append", &run], &lines);
        let file = sandbox.path("import.jsonl");
        std::fs::write(&file, &lines).expect("written");
        let file = file.to_str().expect("UTF-8").to_owned();
        shown += &sandbox.run(&["import", "jsonl", &file, "--run", "imported"]);
        std::fs::remove_file(&file).expect("removed");
        shown += &sandbox.run(&["report", &run]);
        shown += &sandbox.run(&["tail", &run]);
        shown += &sandbox.run(&["report", key]);
    }
    shown += &sandbox.run(&["rebuild"]);
    shown += &sandbox.run(&["check"]);
    for key in &keys {
        // No part of it either that says much.
        let part = &key[..key.len().min(24)];
        let line = shown.lines().find(|line| line.contains(part));
        assert!(line.is_none(), "{line:?}");
        assert!(!stands(&sandbox, part), "{part}");
    }
    println!(
        "proved T12: {} canaries in {} places each",
        keys.len(),
        PLACES.len()
    );
}

#[test]
fn no_secret_is_repeated_where_a_word_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "168"]);
    let key = key();
    for words in [
        &["append", RUN, "note.added", &format!("text:={key}")][..],
        &["append", RUN, "note.added", &key],
        &["append", RUN, &format!("{key} x")],
        &["append", &key],
        &["start", "--project", "1", "--temperature", &key],
        &["start", "--project", "1", "--config", "a:=correct horse"],
        &["report", &key],
        &["report", "--as-of", &key],
        &[&key],
        &["start", &format!("--{key}")],
        &["redact", RUN, "--to", &format!("{key} x")],
        &["--no-redact", "append", RUN, "note.added", &key],
    ] {
        let shown = append(&sandbox, words, "");
        assert!(shown.starts_with("exit "), "{words:?}: {shown}");
        assert!(shown.contains("[redacted:"), "{words:?}: {shown}");
        let is_repeated = shown.contains(&key) || shown.contains("correct horse");
        assert!(!is_repeated, "{words:?}: {shown}");
    }
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
    let text = format!(
        "{{\"type\":\"note.added\",\"issue\":1,\"text\":\"late\",\"ts\":\"2024-12-03T16:00:00Z\"}}\n\
         {{\"type\":\"run.scored\",\"success\":\"{key}\",\"ts\":\"2024-12-03T16:00:00Z\"}}\n\
         broken\n"
    );
    std::fs::write(&foreign, &text).expect("written");
    sandbox.run(&["rebuild"]);
    assert_snapshot!(sandbox.run(&["redact", RUN]), @"
    exit 1
    run_20241203_143022_project_168_redacted
    --- stderr
    redacted: 3 of kind github
    copy of 9 lines in 3 segments was read back and is whole
    not in the copy, as they cannot be trusted: 1 lines, 7 bytes
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
    let checked = sandbox.run(&["check", copy]);
    let summary = "runs: 1; events: 8, 0 without a checksum; damaged: 0; misfits: 1; lost: 0; \
                   report files that differ from a rebuild: 0\n";
    assert!(checked.ends_with(summary), "{checked}");
    assert_snapshot!(sandbox.run(&["redact", RUN, "--to", "clean", "--remove-original", "--format", "csv"]), @"
    exit 1
    run,kind,secrets
    clean,github,3
    --- stderr
    redacted: 3 of kind github
    copy of 9 lines in 3 segments was read back and is whole
    not in the copy, as they cannot be trusted: 1 lines, 7 bytes
    `run_20241203_143022_project_168` stays, as not all of it is in the copy (`retally purge` can remove it)
    ");
    assert!(stands(&sandbox, &key), "not all of the run is in the copy");
    std::fs::write(foreign, text.replace("broken\n", "")).expect("written");
    assert_snapshot!(sandbox.run(&["redact", RUN, "--to", "clean", "--remove-original"]), @"
    clean
    --- stderr
    redacted: 3 of kind github
    copy of 9 lines in 3 segments stood there and is the same
    removed `run_20241203_143022_project_168`
    ");
    assert!(!stands(&sandbox, &key));
    assert_snapshot!(sandbox.run(&["redact", "nothing"]), @"
    exit 3
    --- stderr
    error: no run in `logs/runs` is or begins with `nothing` (list them with `retally runs`)
    ");
}

/// A copy in the making is no run, whenever its maker dies.
#[test]
fn a_copy_whose_maker_is_killed_never_stands_half_under_its_name() {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "168"]);
    let line = format!("{{\"type\":\"note.added\",\"text\":\"{}\"}}\n", key());
    sandbox.run_with_input(&["append", RUN, "--no-redact"], &line.repeat(3000));
    let made = sandbox.path("logs/runs/.redacting-clean");
    let copy = sandbox.path("logs/runs/clean");
    let (mut halves, mut wholes) = (0, 0);
    for round in 0..30 {
        let mut maker = sandbox.command();
        let words = ["redact", RUN, "--to", "clean", "--quiet"];
        let maker = maker.args(words).stdout(std::process::Stdio::null());
        let mut maker = maker.spawn().expect("started");
        while !made.exists() && maker.try_wait().expect("waited").is_none() {}
        for _ in 0..round * 200 {
            std::hint::black_box(made.exists());
        }
        maker.kill().expect("killed");
        maker.wait().expect("waited");
        if copy.exists() {
            let shown = sandbox.run(&["redact", RUN, "--to", "clean"]);
            assert!(shown.contains("stood there and is the same"), "{shown}");
            std::fs::remove_dir_all(&copy).expect("removed");
            wholes += 1;
        } else {
            halves += usize::from(made.exists());
        }
        let runs = sandbox.run(&["runs", "--format", "csv"]);
        assert_eq!(runs.lines().count(), 2, "{runs}");
    }
    assert!(halves > 0, "{halves} killed on their way, {wholes} after");
    sandbox.run(&["redact", RUN, "--to", "clean"]);
    assert!(!made.exists());
}
