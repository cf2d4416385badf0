use crate::support::Sandbox;
use insta::assert_snapshot;
use std::fs::File;
use std::time::{Duration, SystemTime};

/// Three runs: an old one that ended, an old one that did not, and a new one that ended.
fn three_runs() -> Sandbox {
    let sandbox = Sandbox::new();
    for (now, run, ends) in [
        (
            "2024-01-01T00:00:00Z",
            "run_20240101_000000_project_1",
            true,
        ),
        (
            "2024-01-02T00:00:00Z",
            "run_20240102_000000_project_1",
            false,
        ),
        (
            "2024-12-01T00:00:00Z",
            "run_20241201_000000_project_1",
            true,
        ),
    ] {
        sandbox.run_at(now, &["start", "--project", "1"]);
        if ends {
            sandbox.run_at(now, &["finish", run]);
        }
        let (name, _) = sandbox.files(&format!("logs/runs/{run}/events")).remove(0);
        let segment = sandbox.path(&format!("logs/runs/{run}/events/{name}"));
        let seconds = retally_log::Timestamp::parse(now)
            .expect("a time")
            .as_micros()
            / 1_000_000;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
        let file = File::options().write(true).open(segment).expect("writable");
        file.set_modified(time).expect("set");
    }
    std::fs::write(sandbox.path("logs/runs/notes.txt"), "mine").expect("written");
    sandbox
}

fn purge(sandbox: &Sandbox, words: &[&str]) -> String {
    let words = [&["purge"], words].concat();
    let shown = sandbox.run_at("2024-12-03T14:30:22Z", &words);
    // A header tells of this machine, and differs in length.
    let lines = shown.lines().map(|line| {
        let numbers = |text: &str| text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (start, rest) = match line.split_once("bytes: ") {
            Some((start, rest)) => (format!("{start}bytes: "), rest),
            None if line.starts_with(" run_") => {
                (line[..numbers(line)].to_owned(), &line[numbers(line)..])
            }
            None => return format!("{line}\n"),
        };
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        format!("{start}N{rest}\n")
    });
    lines.collect()
}

fn runs(sandbox: &Sandbox) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.path("logs/runs")).expect("readable");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn nothing_is_removed_unless_it_is_said_twice() {
    let sandbox = three_runs();
    let before = runs(&sandbox);
    assert_snapshot!(purge(&sandbox, &["--older-than", "90d"]), @"
     Run                             Status      Changed                Bytes
    ──────────────────────────────────────────────────────────────────────────
     run_20240101_000000_project_1   completed   2024-01-01T00:00:00Z     N
    --- stderr
    passed over, as they have no end: 1 (--unfinished takes them too)
    runs to remove: 1; bytes: N; nothing was removed (--yes does)
    ");
    assert_eq!(runs(&sandbox), before);
    assert_snapshot!(purge(&sandbox, &["--older-than", "90d", "--yes"]), @"
     Run                             Status      Changed                Bytes
    ──────────────────────────────────────────────────────────────────────────
     run_20240101_000000_project_1   completed   2024-01-01T00:00:00Z     N
    --- stderr
    passed over, as they have no end: 1 (--unfinished takes them too)
    runs removed: 1; bytes: N
    ");
    assert_snapshot!(runs(&sandbox).join("\n"), @"
    notes.txt
    run_20240102_000000_project_1
    run_20241201_000000_project_1
    ");
    assert_snapshot!(purge(&sandbox, &["--older-than", "90d", "--yes"]), @"
    --- stderr
    passed over, as they have no end: 1 (--unfinished takes them too)
    runs removed: 0; bytes: N
    ");
    assert_snapshot!(purge(&sandbox, &["--older-than", "0s", "--unfinished", "--yes"]), @"
     Run                             Status      Changed                Bytes
    ──────────────────────────────────────────────────────────────────────────
     run_20240102_000000_project_1   running     2024-01-02T00:00:00Z     N
     run_20241201_000000_project_1   completed   2024-12-01T00:00:00Z     N
    --- stderr
    runs removed: 2; bytes: N
    ");
    assert_snapshot!(runs(&sandbox).join("\n"), @"notes.txt");
}

#[test]
fn a_run_that_somebody_writes_is_never_removed() {
    let sandbox = three_runs();
    let run = "logs/runs/run_20240101_000000_project_1/events";
    let (name, _) = sandbox.files(run).remove(0);
    let held = File::open(sandbox.path(&format!("{run}/{name}"))).expect("readable");
    held.lock().expect("locked");
    let before = runs(&sandbox);
    let shown = purge(&sandbox, &["--older-than", "90d", "--yes"]);
    assert!(shown.contains("is being written"), "{shown}");
    assert!(shown.starts_with("exit 3\n"), "{shown}");
    assert_eq!(runs(&sandbox), before);
}

#[test]
fn what_purge_cannot_do_is_said() {
    let sandbox = three_runs();
    assert_snapshot!(sandbox.run(&["purge"]), @"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      --older-than <AGE|DAY>

    Usage: retally purge --older-than <AGE|DAY> [RUN]...

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["purge", "--older-than", "x"]), @"
    exit 2
    --- stderr
    error: invalid value 'x' for '--older-than <AGE|DAY>': want a time such as 90d or 12h, or a day such as 2025-01-31

    For more information, try '--help'.
    ");
}
