use crate::support::Sandbox;
use insta::assert_snapshot;

const SAMPLES: [&str; 2] = ["inspect_ci_2026-08-04.json", "inspect_ci_2026-08-05.json"];
const RUN: &str = "github-actions_UKGovernmentBEIS_2Finspect_ai-3897f95e";

/// A sandbox in which the two sample files lie.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/imports/github-actions/"
    );
    for name in SAMPLES {
        std::fs::copy(format!("{folder}{name}"), sandbox.path(name)).expect("copied");
    }
    sandbox
}

#[test]
fn importing_again_or_overlapping_files_changes_nothing() {
    let sandbox = sandbox();
    let import = |files: &[&str]| sandbox.run(&[&["import", "github-actions"], files].concat());
    assert_snapshot!(import(&SAMPLES), @"
     File                         Run                                                     Appended   Known before
    ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
     inspect_ci_2026-08-04.json   github-actions_UKGovernmentBEIS_2Finspect_ai-3897f95e        201              0
     inspect_ci_2026-08-05.json   github-actions_UKGovernmentBEIS_2Finspect_ai-3897f95e         85            116
    ");
    assert_snapshot!(import(&SAMPLES), @"
     File                         Run                                                     Appended   Known before
    ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
     inspect_ci_2026-08-04.json   github-actions_UKGovernmentBEIS_2Finspect_ai-3897f95e          0            201
     inspect_ci_2026-08-05.json   github-actions_UKGovernmentBEIS_2Finspect_ai-3897f95e          0            201
    ");
    sandbox.run(&["rebuild"]);
    let reports = sandbox.reports(RUN);
    assert_eq!(reports.len(), 41, "40 branches and the run");
    import(&[SAMPLES[1], SAMPLES[0], SAMPLES[1]]);
    sandbox.run(&["rebuild"]);
    assert!(
        sandbox.reports(RUN) == reports,
        "a third import changes no report"
    );

    let other = self::sandbox();
    other.run(&["import", "github-actions", SAMPLES[1], SAMPLES[0]]);
    other.run(&["rebuild"]);
    assert!(
        other.reports(RUN) == reports,
        "nor does the order of the files"
    );
}

#[test]
fn the_sample_has_the_figures_that_were_counted_by_hand() {
    let sandbox = sandbox();
    sandbox.run(&["import", "github-actions", SAMPLES[0], SAMPLES[1]]);
    assert_snapshot!(sandbox.run(&["runs"]), @"
     Run                                                     Status    Model   Started                 Seconds   Issues   Pipelines   Success %
    ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     github-actions_UKGovernmentBEIS_2Finspect_ai-3897f95e   running   –       2026-08-04T07:47:49Z   104889.0       40         284           –
    ");
    let report = sandbox.run(&["report", RUN, "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&report).expect("the report is JSON");
    assert_eq!(report["pipeline_attempts"], 284);
    assert_eq!(report["succeeded_pipelines"], 232);
    assert_eq!(report["failed_pipelines"], 12);
    let mut canceled = 0;
    let mut second_attempts = 0;
    let mut action_required = 0;
    sandbox.run(&["rebuild"]);
    for (name, bytes) in sandbox.reports(RUN) {
        let report: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
        for pipeline in report["pipeline_details"].as_array().into_iter().flatten() {
            assert!(name.starts_with("issues/"));
            canceled += usize::from(pipeline["status"] == "canceled");
            action_required += usize::from(pipeline["status"] == "action_required");
            second_attempts += usize::from(pipeline["attempt"] == 2);
        }
    }
    assert_eq!((canceled, action_required, second_attempts), (37, 3, 6));
}

#[test]
fn foreign_lines_are_imported_and_bad_ones_named() {
    let sandbox = Sandbox::new();
    let lines = concat!(
        "{\"ts\":\"2024-12-03T14:30:22+01:00\",\"type\":\"issue.started\",\"issue_iid\":7}\n",
        "{\"ts\":\"2024-12-03T14:30:22\",\"type\":\"issue.started\",\"issue\":8}\n",
        "half a li",
    );
    std::fs::write(sandbox.path("bot.jsonl"), lines).expect("written");
    assert_snapshot!(sandbox.run(&["import", "jsonl", "bot.jsonl"]), @r#"
    exit 3
     File        Run         Appended   Known before
    ─────────────────────────────────────────────────
     bot.jsonl   jsonl_bot          1              0
    --- stderr
    error: `bot.jsonl` record 2 at byte 72: `ts` is "2024-12-03T14:30:22" (want a time with a zone: `Z` or an offset)
    error: `bot.jsonl` record 3 at byte 134: not a JSON object: expected value at line 1 column 1
    error: 2 records could not be used, all others were imported
    "#);
    assert_snapshot!(sandbox.run(&["import", "jsonl", "bot.jsonl", "--run", "nightly_1"]), @r#"
    exit 3
     File        Run         Appended   Known before
    ─────────────────────────────────────────────────
     bot.jsonl   nightly_1          1              0
    --- stderr
    error: `bot.jsonl` record 2 at byte 72: `ts` is "2024-12-03T14:30:22" (want a time with a zone: `Z` or an offset)
    error: `bot.jsonl` record 3 at byte 134: not a JSON object: expected value at line 1 column 1
    error: 2 records could not be used, all others were imported
    "#);
    assert_snapshot!(sandbox.run(&["runs"]), @"
     Run         Status    Model   Started                Seconds   Issues   Pipelines   Success %
    ───────────────────────────────────────────────────────────────────────────────────────────────
     jsonl_bot   running   –       2024-12-03T13:30:22Z       0.0        1           0           –
     nightly_1   running   –       2024-12-03T13:30:22Z       0.0        1           0           –
    ");
}

#[test]
fn an_import_that_cannot_be_done_says_why() {
    let sandbox = sandbox();
    std::fs::write(sandbox.path("list.json"), "[1]").expect("written");
    std::fs::write(sandbox.path("cut.json"), "{\"repo\":\"a/b\",\"runs\":[{").expect("written");
    let import = |words: &[&str]| sandbox.run(&[&["import"], words].concat());
    assert_snapshot!(import(&["github-actions", "nowhere.json"]), @"
    exit 3
    --- stderr
    error: cannot read `nowhere.json`: No such file or directory (os error 2)
    ");
    assert_snapshot!(import(&["github-actions", "list.json"]), @"
    exit 3
    --- stderr
    error: `list.json` holds 1 at byte 1 (want an object with `workflow_runs`, or with `repo` and `runs`)
    ");
    assert_snapshot!(import(&["github-actions", "cut.json"]), @"
    exit 3
    --- stderr
    error: `cut.json` cannot be read at byte 23 (is the file whole, and of this format?): EOF while parsing an object at line 1 column 23
    ");
    assert_snapshot!(import(&["travis", "list.json"]), @"
    exit 2
    --- stderr
    error: invalid value 'travis' for '<FORMAT>'
      [possible values: github-actions, jsonl]

    For more information, try '--help'.
    ");
    assert_snapshot!(import(&["github-actions"]), @"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      <FILE>...

    Usage: retally import <FORMAT> <FILE>...

    For more information, try '--help'.
    ");
    assert_snapshot!(import(&["jsonl", "-", "--run", "prices.toml"]), @"
    exit 2
    --- stderr
    error: --run cannot be `prices.toml`, which is the name of the price book
    ");
    assert_snapshot!(import(&["jsonl", "-", "--run", "latest"]), @"
    exit 2
    --- stderr
    error: --run cannot be `latest`, which means another run each time
    ");
    assert_snapshot!(import(&["jsonl", "-"]), @"
     File   Run   Appended   Known before
    ──────────────────────────────────────
    ");
}
