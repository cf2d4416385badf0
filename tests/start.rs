use crate::support::Sandbox;
use insta::assert_snapshot;

#[test]
fn start_prints_the_id_and_two_runs_of_one_second_get_two() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.run(&["start", "--project", "168"]), @"run_20241203_143022_project_168");
    assert_snapshot!(sandbox.run(&["start", "--project", "168"]), @"run_20241203_143022_project_168_2");
    assert_snapshot!(sandbox.run(&["start", "--project", "group/app"]), @"run_20241203_143022_project_group_2Fapp-4658e38d");
}

#[test]
fn start_records_what_configures_the_run() {
    let sandbox = Sandbox::new();
    sandbox.run(&[
        "start",
        "--project",
        "168",
        "--provider",
        "deepseek",
        "--model",
        "deepseek-chat",
        "--temperature",
        "0.0",
        "--mode",
        "implement_all",
        "--tag",
        "team=a",
        "--config",
        "retries:=3",
        "--config",
        "note=x",
    ]);
    assert_snapshot!(sandbox.events("run_20241203_143022_project_168"), @r#"{"seq":1,"ts":"2024-12-03T14:30:22.000000Z","type":"run.started","project_id":"168","llm":{"provider":"deepseek","model":"deepseek-chat","temperature":0.0},"mode":"implement_all","config":{"note":"x","retries":3},"tags":{"team":"a"}"#);
}

#[test]
fn start_refuses_what_it_cannot_record() {
    let sandbox = Sandbox::new();
    let start = |words: &[&str]| sandbox.run(&[&["start", "--project", "168"], words].concat());
    assert_snapshot!(start(&["--temperature", "warm"]), @"
    exit 2
    --- stderr
    error: --temperature is `warm`, want a number such as 0.7
    ");
    assert_snapshot!(start(&["--tag", "team"]), @"
    exit 2
    --- stderr
    error: --tag is `team`, want NAME=VALUE
    ");
    assert_snapshot!(start(&["--tag", "a=1", "--tag", "a=2"]), @"
    exit 2
    --- stderr
    error: --tag names `a` twice
    ");
    assert_snapshot!(start(&["--config", "a:={"]), @"
    exit 2
    --- stderr
    error: --config `a` is `{`, want JSON: EOF while parsing an object at line 1 column 1
    ");
    assert_snapshot!(sandbox.run(&["start"]), @"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      --project <P>

    Usage: retally start --project <P>

    For more information, try '--help'.
    ");
    assert!(
        !sandbox.path("logs").exists(),
        "a refused start leaves nothing behind"
    );
}

#[test]
fn start_says_why_a_root_is_unusable() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("file"), "").expect("written");
    assert_snapshot!(sandbox.run(&["--root", "file/runs", "start", "--project", "168"]), @"
    exit 3
    --- stderr
    error: cannot create the folder `file/runs` (check its parent's permissions and free space): Not a directory (os error 20)
    ");
}

#[test]
fn a_run_that_is_ended_again_is_mentioned() {
    let sandbox = Sandbox::new();
    sandbox.run(&["start", "--project", "168"]);
    assert_snapshot!(sandbox.run(&["finish", "latest"]), @"");
    assert_snapshot!(sandbox.run(&["finish", "latest", "--status", "failed"]), @"
    --- stderr
    note: run `run_20241203_143022_project_168` had ended before as completed; the last end counts: failed
    ");
    assert_snapshot!(sandbox.run(&["finish", "latest", "--quiet"]), @"");
}
