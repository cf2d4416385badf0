use crate::support::Sandbox;
use insta::assert_snapshot;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const RUN: &str = "run_20241203_143022_project_168";

/// A run that ended, and one that did not.
fn two_runs() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "168"]);
    for issue in 0..20 {
        sandbox.run(&["append", RUN, "issue.started", &format!("issue={issue}")]);
    }
    sandbox.run(&["finish", RUN]);
    sandbox.run_at("2024-12-04T00:00:00Z", &["start", "--project", "168"]);
    sandbox.run(&["rebuild", "-q"]);
    sandbox
}

fn segments(sandbox: &Sandbox, run: &str) -> Vec<PathBuf> {
    let folder = sandbox.path(&format!("logs/runs/{run}/events"));
    let entries = std::fs::read_dir(folder).expect("readable");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

/// Sets when the segments of a run changed last.
fn age(sandbox: &Sandbox, run: &str, time: SystemTime) {
    for path in segments(sandbox, run) {
        let file = File::options().write(true).open(path).expect("writable");
        file.set_modified(time).expect("set");
    }
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "zst")
}

#[test]
fn an_archived_run_reads_as_before() {
    let sandbox = two_runs();
    let reports = sandbox.reports(RUN);
    let show = || {
        let report = sandbox.run(&["report", RUN]);
        let tail = sandbox.run(&["tail", RUN, "-n", "all"]);
        let check = sandbox.run(&["check"]);
        let as_of = sandbox.run(&[
            "report",
            RUN,
            "--as-of",
            "2024-12-03T14:30:22Z",
            "--format",
            "json",
        ]);
        [report, tail, check, as_of]
    };
    let before = show();
    let shown = sandbox.run(&["archive", RUN, "--format", "csv"]);
    assert!(
        shown.starts_with(
            "run,segments,bytes_before,bytes_after\nrun_20241203_143022_project_168,1,"
        ),
        "{shown}"
    );
    assert!(
        shown.ends_with("--- stderr\nruns: 1; segments compressed: 1\n"),
        "{shown}"
    );
    assert!(
        segments(&sandbox, RUN)
            .iter()
            .all(|path| is_compressed(path))
    );
    assert_eq!(show(), before);
    assert_snapshot!(sandbox.run(&["rebuild", "--dry-run"]), @"
    --- stderr
    runs: 2; report files would change: 0
    ");
    assert!(sandbox.reports(RUN) == reports);
    // Nothing is left to do, and what comes late goes to a segment of its own.
    assert_snapshot!(sandbox.run(&["archive", RUN]), @"
    --- stderr
    runs: 1; segments compressed: 0
    ");
    sandbox.run(&["append", RUN, "note.added", "text=late"]);
    assert_eq!(segments(&sandbox, RUN).len(), 2);
    assert_snapshot!(sandbox.run(&["check"]), @"
    --- stderr
    runs: 2; events: 24, 0 without a checksum; damaged: 0; misfits: 0; lost: 0; report files that differ from a rebuild: 0
    ");
}

#[test]
fn runs_are_archived_that_ended_and_are_old_enough() {
    let sandbox = two_runs();
    let second = "run_20241204_000000_project_168";
    let time = |second: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    age(&sandbox, RUN, time(1_733_236_222)); // 2024-12-03T14:30:22Z
    age(&sandbox, second, time(1_733_236_222));
    let archive = |words: &[&str]| {
        let words = [&["archive", "--format", "csv"], words].concat();
        let shown = sandbox.run_at("2024-12-10T00:00:00Z", &words);
        // How far it can be compressed is not what this is about.
        shown
            .lines()
            .map(|line| line.split(',').take(2).collect::<Vec<_>>().join(",") + "\n")
            .collect::<String>()
    };
    assert_snapshot!(archive(&["--older-than", "7d"]), @"
    run,segments
    --- stderr
    runs: 0; segments compressed: 0
    ");
    assert_snapshot!(archive(&["--older-than", "2024-12-03"]), @"
    run,segments
    --- stderr
    runs: 0; segments compressed: 0
    ");
    assert_snapshot!(archive(&["--older-than", "6d", "--dry-run"]), @"
    run,segments
    run_20241203_143022_project_168,1
    --- stderr
    passed over, as they have no end: 1 (--unfinished takes them too)
    runs: 1; segments to compress: 1
    ");
    assert!(
        segments(&sandbox, RUN)
            .iter()
            .all(|path| !is_compressed(path))
    );
    assert_snapshot!(archive(&["--older-than", "6d"]), @"
    run,segments
    run_20241203_143022_project_168,1
    --- stderr
    passed over, as they have no end: 1 (--unfinished takes them too)
    runs: 1; segments compressed: 1
    ");
    assert!(
        segments(&sandbox, second)
            .iter()
            .all(|path| !is_compressed(path))
    );
    assert_snapshot!(archive(&[second, "--unfinished"]), @"
    run,segments
    run_20241204_000000_project_168,1
    --- stderr
    runs: 1; segments compressed: 1
    ");
    assert!(
        segments(&sandbox, second)
            .iter()
            .all(|path| is_compressed(path))
    );
}

#[test]
fn what_cannot_be_archived_is_said() {
    let sandbox = two_runs();
    assert_snapshot!(sandbox.run(&["archive"]), @"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      <RUN>...

    Usage: retally archive <RUN>...

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["archive", "--older-than", "soon"]), @"
    exit 2
    --- stderr
    error: invalid value 'soon' for '--older-than <AGE|DAY>': want a time such as 90d or 12h, or a day such as 2025-01-31

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["archive", "nothing"]), @"
    exit 3
    --- stderr
    error: no run in `logs/runs` is or begins with `nothing` (list them with `retally runs`)
    ");
    assert_snapshot!(sandbox.run(&["archive", RUN, "--level", "22"]), @"
    exit 2
    --- stderr
    error: invalid value '22' for '--level <N>': 22 is not in 1..=19

    For more information, try '--help'.
    ");
    let segment = &segments(&sandbox, RUN)[0];
    let held = File::open(segment).expect("readable");
    held.lock().expect("locked");
    let shown = sandbox.run(&["archive", RUN]);
    let name = segment.file_name().expect("a name").to_string_lossy();
    assert_snapshot!(shown.replace(&*name, "SEGMENT"), @"
    exit 3
    --- stderr
    error: segment `logs/runs/run_20241203_143022_project_168/events/SEGMENT`: it is being written (end its writer, then archive again)
    runs: 1; segments compressed: 0
    error: not archived: 1
    ");
    assert!(segments(&sandbox, RUN) == [segment.clone()]);
}
