use crate::support::Sandbox;
use insta::assert_snapshot;

const RUN: &str = "run_20241203_143022_project_168";

fn worked() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "168"]);
    sandbox.run(&["append", RUN, "issue.started", "issue=1"]);
    sandbox.run(&["append", RUN, "issue.finished", "issue=1", "status=failed"]);
    sandbox.run(&["append", RUN, "issue.started", "issue=../x"]);
    sandbox
}

#[test]
fn deleted_reports_are_rebuilt_to_the_same_bytes() {
    let sandbox = worked();
    sandbox.run(&["finish", RUN]);
    assert_snapshot!(sandbox.run(&["rebuild"]), @"
    --- stderr
    runs: 1; report files changed: 5
    ");
    let reports = sandbox.reports(RUN);
    let names: Vec<&str> = reports.iter().map(|(name, _)| name.as_str()).collect();
    assert_snapshot!(names.join("\n"), @"
    issues/issue_..%2Fx-d6b96a97_metrics.json
    issues/issue_1_metrics.json
    issues/issue_1_report.json
    run_20241203_143022_project_168_final.json
    run_20241203_143022_project_168_metadata.json
    ");
    let run = sandbox.path(&format!("logs/runs/{RUN}"));
    std::fs::remove_dir_all(run.join("issues")).expect("removed");
    std::fs::remove_file(run.join(format!("{RUN}_final.json"))).expect("removed");
    std::fs::write(run.join(format!("{RUN}_metadata.json")), "").expect("emptied");
    sandbox.run(&["rebuild", "latest"]);
    assert!(sandbox.reports(RUN) == reports);
    assert_snapshot!(sandbox.run(&["rebuild"]), @"
    --- stderr
    runs: 1; report files changed: 0
    ");
}

#[test]
fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let sandbox = worked();
    sandbox.run(&["rebuild"]);
    let run = sandbox.path(&format!("logs/runs/{RUN}"));
    let report = run.join("issues/issue_1_report.json");
    let text = std::fs::read_to_string(&report).expect("it is there");
    std::fs::write(&report, text.replace("\"failed\"", "\"completed\"")).expect("changed");
    std::fs::write(run.join("issues/issue_9_metrics.json"), "{}").expect("added");
    std::fs::write(run.join("issues/notes.txt"), "mine").expect("added");
    std::fs::remove_file(run.join(format!("{RUN}_metadata.json"))).expect("removed");
    let before = sandbox.reports(RUN);
    assert_snapshot!(sandbox.run(&["rebuild", "--dry-run"]), @"
    exit 1
     Run                               File                                            Would be   First difference
    ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
     run_20241203_143022_project_168   issues/issue_1_report.json                      replaced   /status
     run_20241203_143022_project_168   run_20241203_143022_project_168_metadata.json   created    –
     run_20241203_143022_project_168   issues/issue_9_metrics.json                     removed    –
    --- stderr
    runs: 1; report files would change: 3
    ");
    assert!(sandbox.reports(RUN) == before);
    sandbox.run(&["rebuild"]);
    assert!(
        run.join("issues/notes.txt").exists(),
        "a file of others is left alone"
    );
    assert!(!run.join("issues/issue_9_metrics.json").exists());
    assert_snapshot!(sandbox.run(&["rebuild", "--dry-run"]), @"
    --- stderr
    runs: 1; report files would change: 0
    ");
}

#[test]
fn a_folder_without_segments_is_left_alone() {
    let sandbox = Sandbox::new();
    let old = sandbox.path("logs/runs/run_old");
    std::fs::create_dir_all(&old).expect("created");
    std::fs::write(old.join("run_old_metadata.json"), "{}").expect("written");
    assert_snapshot!(sandbox.run(&["rebuild"]), @"
    --- stderr
    runs: 0; report files changed: 0
    ");
    assert_eq!(
        sandbox.files("logs/runs"),
        [("run_old/run_old_metadata.json".to_owned(), b"{}".to_vec())]
    );
}

#[test]
fn a_run_that_cannot_be_rebuilt_is_named_and_the_others_are() {
    let sandbox = worked();
    let broken = sandbox.path("logs/runs/a_broken/events");
    std::fs::create_dir_all(&broken).expect("created");
    let line = "{\"ts\":\"2024-12-03T14:30:22Z\",\"type\":\"segment.opened\",\"format\":9}\n";
    std::fs::write(broken.join("s.jsonl"), line).expect("written");
    assert_snapshot!(sandbox.run(&["rebuild"]), @"
    exit 3
    --- stderr
    error: run `a_broken`: segment `logs/runs/a_broken/events/s.jsonl` has format version 9, this retally reads up to 1 (upgrade retally)
    runs: 1; report files changed: 4
    error: 1 of 2 runs could not be rebuilt
    ");
    assert_eq!(sandbox.reports(RUN).len(), 4);
}

#[test]
fn a_link_in_the_root_is_passed_over_and_mentioned() {
    let sandbox = worked();
    let root = sandbox.path("logs/runs");
    std::os::unix::fs::symlink(root.join(RUN), root.join("linked")).expect("linked");
    assert_snapshot!(sandbox.run(&["rebuild"]), @"
    --- stderr
    passed over `logs/runs/linked`: a link
    runs: 1; report files changed: 4
    ");
}
