use crate::support::Sandbox;
use insta::assert_snapshot;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

const RUN: &str = "run_20241203_143022_project_168";

fn started() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "168"]);
    sandbox
}

/// A `retally watch` in the background, of which each update is a line to read.
struct Watching {
    child: Child,
    updates: BufReader<ChildStdout>,
}

impl Watching {
    fn start(sandbox: &Sandbox) -> Self {
        let mut child = sandbox
            .command()
            .args(["watch", "--format", "jsonl"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let updates = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Self { child, updates }
    }

    /// Waits until a report file is written; blocks for ever where it never is.
    fn wait_for(&mut self, run: &str, file: &str) -> Value {
        loop {
            let mut line = String::new();
            let length = self.updates.read_line(&mut line).expect("lines are UTF-8");
            assert!(length > 0, "the watcher ended");
            let update: Value = serde_json::from_str(&line).expect("each line is JSON");
            let files = update["files"].as_array().expect("files are listed");
            if update["run"] == run && files.iter().any(|it| it["path"] == file) {
                return update;
            }
        }
    }

    /// Ends the watcher as a service manager does, and returns what it said.
    fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(killed.expect("kill starts").success());
        let mut rest = String::new();
        self.updates.read_to_string(&mut rest).expect("readable");
        let output = self.child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        format!("{}\n{stderr}", output.status)
    }
}

#[test]
fn once_brings_everything_up_to_date_and_ends() {
    let sandbox = started();
    sandbox.run(&["append", RUN, "issue.started", "issue=1"]);
    assert_snapshot!(sandbox.run(&["watch", "--once"]), @"
    --- stderr
    runs: 1; report files changed: 2
    ");
    assert_snapshot!(sandbox.run(&["rebuild"]), @"
    --- stderr
    runs: 1; report files changed: 0
    ");
    sandbox.run(&["append", RUN, "issue.finished", "issue=1", "status=failed"]);
    assert_snapshot!(sandbox.run(&["watch", "--once", "--quiet", "--format", "jsonl"]), @r#"{"files":[{"change":"replaced","path":"issues/issue_1_metrics.json"},{"change":"created","path":"issues/issue_1_report.json"},{"change":"replaced","path":"run_20241203_143022_project_168_metadata.json"}],"lag_seconds":null,"run":"run_20241203_143022_project_168"}"#);
    let issues = sandbox.path(&format!("logs/runs/{RUN}/issues"));
    std::fs::remove_dir_all(&issues).expect("removed");
    assert_snapshot!(sandbox.run(&["watch", "--once"]), @"
    --- stderr
    runs: 1; report files changed: 2
    ");
    std::fs::remove_dir_all(&issues).expect("removed");
    std::fs::write(&issues, "in the way").expect("written");
    assert_snapshot!(sandbox.run(&["watch", "--once"]), @"
    exit 3
    --- stderr
    error: run `run_20241203_143022_project_168`: `logs/runs/run_20241203_143022_project_168/issues` is a link or no folder (put a folder in its place)
    runs: 1; report files changed: 0
    error: 1 problem
    ");
}

#[test]
fn reports_follow_what_other_processes_append_and_new_runs() {
    let sandbox = started();
    let mut watching = Watching::start(&sandbox);
    watching.wait_for(RUN, &format!("{RUN}_metadata.json"));
    sandbox.run(&["append", RUN, "issue.started", "issue=1"]);
    let update = watching.wait_for(RUN, "issues/issue_1_metrics.json");
    assert_eq!(update["files"][0]["change"], "created");
    sandbox.run(&["start", "--project", "169"]);
    let other = RUN.replace("168", "169");
    watching.wait_for(&other, &format!("{other}_metadata.json"));
    sandbox.run(&["finish", RUN]);
    watching.wait_for(RUN, &format!("{RUN}_final.json"));
    assert_snapshot!(watching.stop(), @"
    exit status: 0
    watching `logs/runs`; end with Ctrl-C
    run `run_20241203_143022_project_169` is new
    stopped; no problems
    ");
    assert_snapshot!(sandbox.run(&["rebuild"]), @"
    --- stderr
    runs: 2; report files changed: 0
    ");
}

#[test]
fn after_writers_that_were_killed_the_reports_are_those_of_a_rebuild() {
    let sandbox = started();
    let mut watching = Watching::start(&sandbox);
    let lines: String = (0..20_000)
        .map(|n| {
            format!(
                "{{\"type\":\"tool.called\",\"issue\":{},\"tool\":\"sh\"}}\n",
                n % 40
            )
        })
        .collect();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let mut writer = sandbox
                .command()
                .env_remove("RETALLY_NOW")
                .args(["append", RUN])
                .stdin(Stdio::piped())
                .spawn()
                .expect("the command starts");
            let lines = &lines;
            scope.spawn(move || {
                let mut stdin = writer.stdin.take().expect("stdin is piped");
                if number == 0 {
                    let half = &lines.as_bytes()[..lines.len() / 2];
                    // A dead reader is what this is about.
                    _ = stdin.write_all(half);
                    writer.kill().expect("killed");
                } else {
                    stdin.write_all(lines.as_bytes()).expect("read");
                }
                drop(stdin);
                writer.wait().expect("it ends");
            });
        }
    });
    sandbox.run(&["append", RUN, "issue.started", "issue=last"]);
    watching.wait_for(RUN, "issues/issue_last_metrics.json");
    watching.stop();
    assert_snapshot!(sandbox.run(&["rebuild", "--dry-run"]), @"
    --- stderr
    runs: 1; report files would change: 0
    ");
    let checked = sandbox.run(&["check"]);
    assert!(
        checked.contains("lost: 0; report files that differ from a rebuild: 0"),
        "{checked}"
    );
}

#[test]
fn what_watch_cannot_do_is_said() {
    let sandbox = started();
    assert_snapshot!(sandbox.run(&["watch", "--poll", "0"]), @"
    exit 2
    --- stderr
    error: invalid value '0' for '--poll <SECONDS>': want seconds from 0.01 to 86400

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["watch", "--once", "--format", "csv"]), @"
    exit 2
    --- stderr
    error: invalid value 'csv' for '--format <FORMAT>'
      [possible values: jsonl]

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["watch", "nothing"]), @"
    exit 3
    --- stderr
    error: no run in `logs/runs` is or begins with `nothing` (list them with `retally runs`)
    ");
}

#[test]
fn a_watcher_that_is_ended_while_reports_are_kept_from_being_up_to_date_fails() {
    let sandbox = started();
    sandbox.run(&["append", RUN, "issue.started", "issue=1"]);
    let issues = sandbox.path(&format!("logs/runs/{RUN}/issues"));
    std::fs::write(&issues, "in the way").expect("written");
    let mut child = sandbox
        .command()
        .arg("watch")
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut said = String::new();
    while !said.contains("is tried again") {
        let length = stderr.read_line(&mut said).expect("lines are UTF-8");
        assert!(length > 0, "the watcher ended: {said}");
    }
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(killed.expect("kill starts").success());
    said.clear();
    stderr.read_to_string(&mut said).expect("readable");
    assert_eq!(child.wait().expect("it ends").code(), Some(3));
    assert_snapshot!(said, @"error: stopped; 1 problem (`retally watch --once` tries again)");
    assert_snapshot!(sandbox.run(&["watch", "--once", "--quiet"]), @"
    exit 3
    --- stderr
    error: run `run_20241203_143022_project_168`: `logs/runs/run_20241203_143022_project_168/issues` is a link or no folder (put a folder in its place)
    error: 1 problem
    ");
}

#[test]
fn updates_that_cannot_be_printed_are_a_failure() {
    let sandbox = started();
    let full = || std::fs::File::create("/dev/full").expect("the system has one");
    for words in [&["watch", "--once"][..], &["watch"]] {
        let mut command = sandbox.command();
        command.args(words).args(["--format", "jsonl", "--quiet"]);
        let output = command.stdout(full()).output().expect("it ends");
        assert_eq!(output.status.code(), Some(3), "{words:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let error = "error: cannot print the updates: No space left on device (os error 28)\n";
        assert_eq!(stderr, error, "{words:?}");
        let reports = sandbox.path(&format!("logs/runs/{RUN}/{RUN}_metadata.json"));
        std::fs::remove_file(reports).expect("written all the same");
    }
}
