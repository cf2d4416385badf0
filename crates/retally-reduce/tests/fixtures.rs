//! The report files of whole logs, compared byte for byte with those in `fixtures/`.
//!
//! `RETALLY_BLESS=1` writes what the logs give instead. Look at the difference before you keep it.

use retally_log::{Json, Root, RunDir, RunId};
use retally_reduce::{Change, PRICES_FILE, PriceBook, RebuildMode, rebuild};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files by their path within a folder.
type Files = BTreeMap<String, Vec<u8>>;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// Returns the folders that hold a log, sorted by name.
fn scenarios() -> Vec<PathBuf> {
    let entries = fs::read_dir(fixtures()).expect("the folder of fixtures");
    let mut scenarios: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("events").is_dir())
        .collect();
    scenarios.sort();
    assert!(!scenarios.is_empty(), "no scenario has an `events` folder");
    scenarios
}

fn name(scenario: &Path) -> String {
    let name = scenario.file_name().expect("a folder has a name");
    name.to_str().expect("a plain name").to_owned()
}

fn run_id(scenario: &Path) -> RunId {
    let stated = fs::read_to_string(scenario.join("run_id"));
    let text = stated.unwrap_or_else(|_| format!("run_{}", name(scenario)));
    RunId::new(text.trim_end()).expect("the id of a run")
}

/// Rebuilds the log of a scenario in a root of its own and returns all report files.
fn reports(scenario: &Path, arrange: impl FnOnce(&RunDir)) -> Files {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Root::new(folder.path());
    let run = root.create_run(&run_id(scenario)).expect("a run");
    for (name, bytes) in files_of(&scenario.join("events")) {
        fs::write(run.events_path().join(name), bytes).expect("copied");
    }
    arrange(&run);
    // Without a book of its own a scenario prices nothing, whatever the built-in book says.
    let prices = fs::read(scenario.join(PRICES_FILE)).unwrap_or_default();
    fs::write(folder.path().join(PRICES_FILE), prices).expect("copied");
    let prices = Arc::new(PriceBook::for_root(root.path()).expect("a price book"));

    let events = files_of(&run.events_path());
    let rebuild = |mode| -> Vec<Change> {
        let runs = [run.id().clone()];
        let rebuilt = rebuild(root.path(), &runs, &prices, mode, |_| {});
        let changes = rebuilt.into_iter().map(|run| run.changes);
        changes
            .flat_map(|changes| changes.expect("the log is readable"))
            .collect()
    };
    rebuild(RebuildMode::Write);
    assert_eq!(files_of(&run.events_path()), events, "input was changed");
    let left = rebuild(RebuildMode::DryRun);
    assert_eq!(left, [], "a second rebuild would change files");

    let mut files = files_of(run.path());
    files.retain(|path, _| !path.starts_with("events/"));
    files
}

/// Returns all files below a folder; none where there is no folder.
fn files_of(folder: &Path) -> Files {
    let mut files = Files::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return files;
    };
    for entry in entries {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a UTF-8 name");
        if entry.path().is_dir() {
            let below = files_of(&entry.path()).into_iter();
            files.extend(below.map(|(path, bytes)| (format!("{name}/{path}"), bytes)));
        } else {
            files.insert(name, fs::read(entry.path()).expect("a readable file"));
        }
    }
    files
}

/// Says how two sets of files differ: each missing and extra file, and of each other the first
/// line that is not the same.
fn differences(got: &Files, want: &Files) -> Vec<String> {
    let missing = want.keys().filter(|path| !got.contains_key(*path));
    let missing = missing.map(|path| format!("{path}: missing"));
    let others = got.iter().filter_map(|(path, got)| match want.get(path) {
        None => Some(format!("{path}: not expected")),
        Some(want) if want == got => None,
        Some(want) => Some(format!("{path}{}", first_difference(got, want))),
    });
    missing.chain(others).collect()
}

fn first_difference(got: &[u8], want: &[u8]) -> String {
    let lines = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes);
        text.split('\n').map(|line| format!("{line:?}")).collect()
    };
    let (got, want) = (lines(got), lines(want));
    let same = got.iter().zip(&want).take_while(|(got, want)| got == want);
    let at = same.count();
    let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "nothing".into());
    format!(
        ":{}\n    got  {}\n    want {}",
        at + 1,
        line(&got),
        line(&want)
    )
}

fn bless(expected: &Path, files: &Files) {
    if expected.is_dir() {
        fs::remove_dir_all(expected).expect("removed");
    }
    for (path, bytes) in files {
        let path = expected.join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
        fs::write(path, bytes).expect("written");
    }
}

#[test]
fn each_log_gives_the_expected_report_files() {
    let is_blessing = std::env::var_os("RETALLY_BLESS").is_some_and(|value| value == "1");
    let mut failures = Vec::new();
    for scenario in scenarios() {
        let (got, expected) = (reports(&scenario, |_| {}), scenario.join("expected"));
        if is_blessing {
            bless(&expected, &got);
            continue;
        }
        let name = name(&scenario);
        let found = differences(&got, &files_of(&expected)).into_iter();
        failures.extend(found.map(|difference| format!("{name}/expected/{difference}")));
    }
    assert!(
        failures.is_empty(),
        "{} files are not as expected (RETALLY_BLESS=1 rewrites them):\n{}",
        failures.len(),
        failures.join("\n")
    );
    proved(&format!("{} logs", scenarios().len()));
}

/// Says what was counted to prove that logs stay readable.
#[expect(clippy::print_stdout, reason = "`just guarantees` prints it")]
fn proved(counts: &str) {
    println!("proved R5: {counts}");
}

#[test]
fn each_scenario_says_what_it_shows_and_the_list_has_them_all() {
    let list = fs::read_to_string(fixtures().join("README.md")).expect("the list");
    for scenario in scenarios() {
        let readme = fs::read_to_string(scenario.join("README.md")).expect("a README");
        let (name, line) = (name(&scenario), readme.trim_end());
        assert_eq!(line.lines().count(), 1, "{name}/README.md is one line");
        let row = format!("| [`{name}`]({name}) | {line} |");
        assert!(list.lines().any(|line| line == row), "no row `{row}`");
    }
}

/// Compares a report with an example of the seed: each field of the example stands in the report
/// with the same text, and the report's keys begin with the example's, in its order.
fn check_seed(example: &str, report: &str) {
    let scenario = fixtures().join("seed");
    let example = fs::read_to_string(scenario.join(example)).expect("the example");
    let report = String::from_utf8(reports(&scenario, |_| {})[report].clone()).expect("UTF-8");
    let parse = |text: &str| Json::parse(text).expect("JSON");
    let mut differing = Vec::new();
    compare(&parse(&example), Some(&parse(&report)), "", &mut differing);
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    let (want, got) = (top_level_keys(&example), top_level_keys(&report));
    assert_eq!(got[..want.len()], want);
}

fn compare(want: &Json, got: Option<&Json>, path: &str, differing: &mut Vec<String>) {
    match (want, got) {
        (Json::Object(want), Some(Json::Object(got))) => {
            for (key, value) in want {
                compare(value, got.get(key), &format!("{path}/{key}"), differing);
            }
        }
        (Json::Array(want), Some(Json::Array(got))) if want.len() == got.len() => {
            for (at, value) in want.iter().enumerate() {
                compare(value, got.get(at), &format!("{path}/{at}"), differing);
            }
        }
        // A number is its literal, so `100.0` is not `100`.
        (want, Some(got)) if want == got => {}
        (want, got) => differing.push(format!("{path}: got {got:?}, want {want:?}")),
    }
}

/// Returns the keys of a JSON text that is indented by two spaces.
fn top_level_keys(text: &str) -> Vec<&str> {
    let keys = text.lines().filter_map(|line| line.strip_prefix("  \""));
    keys.filter_map(|line| line.split('"').next()).collect()
}

#[test]
fn the_run_report_of_the_seed_has_the_numbers_of_its_example() {
    check_seed(
        "seed_run.json",
        "run_20241203_143022_project_168_final.json",
    );
}

#[test]
fn the_issue_report_of_the_seed_has_the_numbers_of_its_example() {
    check_seed("seed_issue.json", "issues/issue_123_report.json");
}

#[test]
fn every_log_gives_the_same_report_files_once_it_is_archived() {
    for scenario in scenarios() {
        let archive = |run: &RunDir| {
            for segment in run.archive(19).expect("readable") {
                segment.result.expect("nobody writes it");
            }
            let names = run.segment_bytes().expect("readable").into_keys();
            assert!(names.into_iter().all(|name| name.ends_with(".zst")));
        };
        let (plain, archived) = (reports(&scenario, |_| {}), reports(&scenario, archive));
        assert!(plain == archived, "{}", name(&scenario));
    }
}
