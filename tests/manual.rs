//! What the command tells about itself.

use crate::support::Sandbox;
use insta::assert_snapshot;

fn head(shown: &str) -> String {
    shown.lines().take(4).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_shell_learns_to_ask_for_completions() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = sandbox.run(&["completions", shell]);
        assert!(script.contains("RETALLY_COMPLETE"), "{shell}: {script}");
    }
    assert_snapshot!(head(&sandbox.run(&["completions", "cmd"])), @"
    exit 2
    --- stderr
    error: invalid value 'cmd' for '<SHELL>'
      [possible values: bash, elvish, fish, powershell, zsh]
    ");
}

/// Asks what the last word could be, as a shell does.
fn completed(sandbox: &Sandbox, words: &[&str]) -> String {
    let mut command = sandbox.command();
    command
        .env("RETALLY_COMPLETE", "fish")
        .arg("--")
        .arg("retally");
    let shown = sandbox.run_in(&mut command, words, "");
    let words = shown
        .lines()
        .map(|line| line.split('\t').next().unwrap_or(line));
    let words: Vec<&str> = words.filter(|word| !word.starts_with("--")).collect();
    words.join(" ")
}

#[test]
fn runs_types_fields_and_words_are_completed() {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "1"]);
    sandbox.run(&["start", "--project", "2"]);
    sandbox.run(&["--root", "other", "start", "--project", "3"]);
    let check = |words: &[&str], expected: &str| {
        assert_eq!(completed(&sandbox, words), expected, "{words:?}");
    };
    let (first, second) = (
        "run_20241203_143022_project_1",
        "run_20241203_143022_project_2",
    );
    let other = "run_20241203_143022_project_3";
    check(&["report", ""], &format!("latest {second} {first}"));
    check(&["rebuild", second, "run_"], &format!("{second} {first}"));
    check(&["tail", "a"], "all");
    check(&["--root", "other", "check", "r"], other);
    check(&["check", "--root=other", "r"], other);
    check(&["check", "--root", "=", "other", "r"], other);
    check(&["--root", "nowhere", "check", "r"], "");
    check(
        &["tail", "--type", "issue"],
        "issue issue.finished issue.started",
    );
    check(
        &["finish", first, "--status", ""],
        "completed failed stopped",
    );
    check(&["append", "l"], "latest");
    check(&["append", "latest", "se"], "");
    check(&["append", "latest", "issue.st"], "issue.started");
    check(&["append", "latest", "issue.started", ""], "issue= title=");
    check(&["watch", "--format", ""], "jsonl");
    check(&["man", "ta"], "tail");
}

#[test]
fn each_command_has_a_page_of_the_manual() {
    let sandbox = Sandbox::new();
    assert_snapshot!(head(&sandbox.run(&["man"])), @r#"
    .ie \n(.g .ds Aq \(aq
    .el .ds Aq '
    .TH retally 1  "retally 0.1.0" 
    .SH NAME
    "#);
    assert_snapshot!(head(&sandbox.run(&["man", "tail"])), @r#"
    .ie \n(.g .ds Aq \(aq
    .el .ds Aq '
    .TH retally-tail 1  "tail 0.1.0" 
    .SH NAME
    "#);
    let page = sandbox.run(&["man", "watch"]);
    let (_, environment) = page.split_once(".SH ENVIRONMENT\n").expect("a section");
    assert_snapshot!(environment, @r"
    .TP
    \fBRETALLY_ROOT\fR
    The folder that holds all runs, where \-\-root is left out.
    .TP
    \fBRETALLY_RUN\fR
    The run, where a command wants one and none is named; an empty value is an error.
    .TP
    \fBRETALLY_NO_REDACT\fR
    As \-\-no\-redact, unless it is empty or says no: 0, f, false, n, no, off.
    .TP
    \fB*KEY*, *TOKEN*, *SECRET*, *PASSWORD*\fR
    The values of variables of such names, in whatever case, are taken out of texts that are appended.
    .TP
    \fBNO_COLOR, CLICOLOR, CLICOLOR_FORCE, TERM\fR
    Whether there is colour, where \-\-color is auto; without TERM, or where it is dumb, there are no progress bars.
    .TP
    \fBXDG_CACHE_HOME, HOME\fR
    What watch and runs keep in mind: $XDG_CACHE_HOME/retally, else $HOME/.cache/retally.
    .TP
    \fBRETALLY_NOW\fR
    The time that is taken for now, in RFC 3339, for tests.
    .TP
    \fBRETALLY_RUN_ID\fR
    The id that start takes, for tests.
    ");
    assert_snapshot!(sandbox.run(&["man", "nothing"]), @"
    exit 2
    --- stderr
    error: no command is called `nothing` (see `retally --help`)
    ");
}

#[test]
fn a_command_offers_the_formats_that_it_prints_and_no_other() {
    let sandbox = Sandbox::new();
    let offers = |command: &str| {
        let help = sandbox.run(&[command, "-h"]);
        let line = help.lines().find(|line| line.contains("--format"));
        let values = line.and_then(|line| Some(line.split_once("values: ")?.1));
        format!("{command}: {}", values.unwrap_or("none"))
    };
    let commands = [
        "start",
        "append",
        "finish",
        "runs",
        "tail",
        "replay",
        "report",
        "rebuild",
        "watch",
        "check",
        "import",
        "archive",
        "purge",
        "redact",
        "completions",
        "man",
    ];
    assert_snapshot!(commands.map(offers).join("\n"), @"
    start: none
    append: none
    finish: none
    runs: table, json, jsonl, md, csv]
    tail: table, jsonl]
    replay: jsonl]
    report: table, json, jsonl, md,
    rebuild: table, json, jsonl, md, csv]
    watch: jsonl]
    check: table, json, jsonl, md, csv]
    import: table, json, jsonl, md, csv]
    archive: table, json, jsonl, md, csv]
    purge: table, json, jsonl, md, csv]
    redact: table, json, jsonl, md, csv]
    completions: none
    man: none
    ");
    assert_snapshot!(sandbox.run(&["watch", "--format", "table"]), @"
    exit 2
    --- stderr
    error: invalid value 'table' for '--format <FORMAT>'
      [possible values: jsonl]

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["watch", "x", "--view", "--format", "jsonl"]), @"
    exit 2
    --- stderr
    error: the argument '--view' cannot be used with '--format <FORMAT>'

    Usage: retally watch --view <RUN>...

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["start", "--project", "1", "--format", "json"]), @"
    exit 2
    --- stderr
    error: unexpected argument '--format' found

      tip: a similar argument exists: '--no-redact'

    Usage: retally start --project <P> --no-redact

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["--format", "json", "--quiet", "runs"]), @"[]");
    assert_snapshot!(sandbox.run(&["--format", "csv", "watch"]), @"
    exit 2
    --- stderr
    error: this command has no such --format (its --help lists those it has)
    ");
}
