use super::*;
use crate::test_helpers::{fold, log};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use tempfile::TempDir;

/// A root with one run, whose log is only pretended: the state is handed in.
struct Root {
    folder: TempDir,
}

impl Root {
    fn new() -> Self {
        let root = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        fs::create_dir_all(root.path("events")).expect("a folder");
        fs::write(root.path("events/a.jsonl"), "").expect("a segment");
        root
    }

    fn path(&self, below_run: &str) -> PathBuf {
        self.folder.path().join("run_1").join(below_run)
    }

    fn open(&self) -> RunFiles {
        let run_id = RunId::new("run_1").expect("an id");
        RunFiles::open(self.folder.path(), &run_id).expect("the run's folder")
    }

    fn lock(&self) -> LockedRunFiles {
        self.open().lock().expect("nobody holds the lock")
    }

    /// Writes all reports and returns what changed, a line a file.
    fn write(&self, state: &RunState) -> Vec<String> {
        lines(self.lock().write(state).expect("written"))
    }

    fn compare(&self, state: &RunState) -> Vec<String> {
        lines(self.open().compare(state).expect("compared"))
    }
}

fn lines(changes: Vec<Change>) -> Vec<String> {
    let line = |change: Change| {
        let pointer = change.first_difference.unwrap_or_default();
        let line = format!("{:?} {} {pointer}", change.kind, change.path.display());
        line.trim_end().to_owned()
    };
    changes.into_iter().map(line).collect()
}

const STARTED: &str = r#"0 "issue.started","issue":1"#;
const ENDED: &str = r#"1 "issue.finished","issue":1,"status":"completed""#;
const OTHER: &str = r#"2 "note.added","issue":"../x","text":"t""#;
const RUN_ENDED: &str = r#"3 "run.finished","status":"completed""#;

fn state(events: &[&str]) -> RunState {
    fold(&log(events))
}

#[test]
fn each_file_exists_from_the_event_on_that_calls_for_it() {
    let root = Root::new();
    assert_eq!(root.write(&state(&[])), [""; 0]);
    assert_eq!(
        root.write(&state(&[STARTED])),
        [
            "Created issues/issue_1_metrics.json",
            "Created run_1_metadata.json"
        ]
    );
    assert_eq!(
        root.write(&state(&[STARTED, ENDED])),
        [
            "Replaced issues/issue_1_metrics.json",
            "Created issues/issue_1_report.json",
            "Replaced run_1_metadata.json",
        ]
    );
    assert_eq!(
        root.write(&state(&[STARTED, ENDED, OTHER, RUN_ENDED])),
        [
            "Created issues/issue_..%2Fx-d6b96a97_metrics.json",
            "Replaced run_1_metadata.json",
            "Created run_1_final.json",
        ]
    );
}

#[test]
fn unchanged_bytes_are_not_written_again() {
    let (root, state) = (Root::new(), state(&[STARTED, ENDED, RUN_ENDED]));
    root.write(&state);
    let inode = |name| fs::metadata(root.path(name)).expect("a file").ino();
    let before = inode("run_1_final.json");
    assert_eq!(root.compare(&state), [""; 0]);
    assert_eq!(root.write(&state), [""; 0]);
    assert_eq!(inode("run_1_final.json"), before);
}

#[test]
fn reports_of_an_issue_have_the_same_bytes_as_to_json_bytes() {
    let (root, state) = (Root::new(), state(&[STARTED, ENDED]));
    root.write(&state);
    let expected = crate::to_json_bytes(&state.issue_report(&IssueId::from("1")));
    for name in ["issue_1_metrics.json", "issue_1_report.json"] {
        let path = root.path("issues").join(name);
        assert_eq!(fs::read(path).expect("a file"), expected);
    }
}

#[test]
fn files_that_the_log_does_not_call_for_are_removed_and_no_others() {
    let root = Root::new();
    root.write(&state(&[STARTED, ENDED, OTHER, RUN_ENDED]));
    for kept in [
        "notes.txt",
        "issues/issue_9.json",
        "issues/notes_metrics.json",
    ] {
        fs::write(root.path(kept), "mine").expect("written");
    }
    fs::create_dir(root.path("issues/issue_8_report.json")).expect("a folder");
    let state = state(&[STARTED]);
    let expected = [
        "Replaced issues/issue_1_metrics.json /duration_seconds",
        "Replaced run_1_metadata.json /anomalies",
        "Removed run_1_final.json",
        "Removed issues/issue_..%2Fx-d6b96a97_metrics.json",
        "Removed issues/issue_1_report.json",
    ];
    let compared = root.compare(&state);
    assert_eq!(compared.len(), expected.len());
    assert_eq!(compared[0], expected[0]);
    assert_eq!(compared[2..], expected[2..]);
    root.write(&state);
    assert_eq!(root.compare(&state), [""; 0]);
    for kept in [
        "notes.txt",
        "issues/issue_9.json",
        "issues/notes_metrics.json",
    ] {
        assert_eq!(fs::read(root.path(kept)).expect("kept"), b"mine");
    }
    assert!(!root.path("run_1_final.json").exists());
}

#[test]
fn a_dry_run_names_the_first_differing_key_and_changes_nothing() {
    let (root, state) = (Root::new(), state(&[STARTED, ENDED]));
    assert_eq!(
        root.compare(&state),
        [
            "Created issues/issue_1_metrics.json",
            "Created issues/issue_1_report.json",
            "Created run_1_metadata.json",
        ]
    );
    assert!(!root.path("issues").exists());
    root.write(&state);
    let path = root.path("issues/issue_1_report.json");
    let text = fs::read_to_string(&path).expect("a report");
    fs::write(&path, text.replace("completed", "failed")).expect("written");
    assert_eq!(
        root.compare(&state),
        ["Replaced issues/issue_1_report.json /status"]
    );
    fs::write(&path, "{").expect("written");
    assert_eq!(
        root.compare(&state),
        ["Replaced issues/issue_1_report.json"]
    );
}

#[test]
fn a_folder_without_segments_is_never_touched() {
    let (root, state) = (Root::new(), state(&[STARTED]));
    fs::remove_file(root.path("events/a.jsonl")).expect("removed");
    fs::write(root.path("events/.hidden.jsonl"), "").expect("written");
    fs::create_dir(root.path("events/folder.jsonl")).expect("a folder");
    fs::create_dir(root.path("issues")).expect("a folder");
    fs::write(root.path("issues/issue_5_report.json"), "old").expect("written");
    assert_eq!(root.write(&state), [""; 0]);
    assert_eq!(root.compare(&state), [""; 0]);
    assert!(root.path("issues/issue_5_report.json").exists());
    fs::remove_dir_all(root.path("events")).expect("removed");
    assert_eq!(root.write(&state), [""; 0]);
}

#[test]
fn a_link_in_the_place_of_a_report_is_replaced_and_not_followed() {
    let (root, state) = (Root::new(), state(&[STARTED]));
    let target = root.folder.path().join("target");
    fs::write(&target, "precious").expect("written");
    fs::create_dir(root.path("issues")).expect("a folder");
    symlink(&target, root.path("issues/issue_1_metrics.json")).expect("a link");
    symlink(&target, root.path("issues/issue_7_metrics.json")).expect("a link");
    assert_eq!(
        root.write(&state),
        [
            "Replaced issues/issue_1_metrics.json",
            "Created run_1_metadata.json",
            "Removed issues/issue_7_metrics.json",
        ]
    );
    assert_eq!(fs::read(&target).expect("kept"), b"precious");
    let report = fs::symlink_metadata(root.path("issues/issue_1_metrics.json"));
    assert!(report.expect("a report").is_file());
}

#[test]
fn a_link_in_the_place_of_a_folder_is_refused() {
    let (root, state) = (Root::new(), state(&[STARTED]));
    let elsewhere = tempfile::tempdir().expect("a folder");
    symlink(elsewhere.path(), root.path("issues")).expect("a link");
    let error = root.lock().write(&state).expect_err("a link");
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` is a link or no folder (put a folder in its place)",
            root.path("issues").display()
        )
    );
    assert!(
        fs::read_dir(elsewhere.path())
            .expect("a folder")
            .next()
            .is_none()
    );
    symlink(root.path(""), root.folder.path().join("run_2")).expect("a link");
    let run_id = RunId::new("run_2").expect("an id");
    let opened = RunFiles::open(root.folder.path(), &run_id);
    assert!(matches!(opened, Err(ReportError::NotAFolder { .. })));
}

#[test]
fn a_folder_in_the_way_of_one_report_keeps_no_other_from_being_written() {
    let (root, state) = (Root::new(), state(&[STARTED, RUN_ENDED]));
    fs::create_dir_all(root.path("issues/issue_1_metrics.json/full")).expect("a folder");
    let error = root.lock().write(&state).expect_err("a folder");
    assert!(matches!(error, ReportError::Write { .. }), "{error}");
    assert!(root.path("run_1_final.json").exists());
    let names: Vec<_> = fs::read_dir(root.path("issues"))
        .expect("a folder")
        .collect();
    assert_eq!(names.len(), 1, "no temporary file is left");
}

#[test]
fn what_dead_writers_left_is_removed() {
    let (root, state) = (Root::new(), state(&[STARTED]));
    root.write(&state);
    let own = format!("issues/.retally-{}-0.tmp", std::process::id());
    for stale in [&own, "issues/.retally-1-7.tmp", ".retally-1-0.tmp"] {
        fs::write(root.path(stale), "{").expect("written");
    }
    fs::remove_file(root.path("issues/issue_1_metrics.json")).expect("removed");
    assert_eq!(root.write(&state), ["Created issues/issue_1_metrics.json"]);
    for stale in [&own, "issues/.retally-1-7.tmp", ".retally-1-0.tmp"] {
        assert!(!root.path(stale).exists(), "{stale}");
    }
}

#[test]
fn modes_follow_the_umask() {
    let (root, state) = (Root::new(), state(&[STARTED]));
    root.write(&state);
    fs::write(root.path("plain"), "").expect("written");
    let mode = |name| {
        fs::metadata(root.path(name))
            .expect("there")
            .permissions()
            .mode()
    };
    assert_eq!(mode("run_1_metadata.json"), mode("plain"));
    assert_eq!(mode("issues/issue_1_metrics.json"), mode("plain"));
    assert_eq!(mode("issues") & 0o777, mode("events") & 0o777);
}

#[test]
fn whoever_holds_the_lock_is_alone() {
    let root = Root::new();
    let held = root.lock();
    assert!(held.is_exclusive);
    let handle = fs::File::open(root.path("")).expect("the run's folder");
    assert!(handle.try_lock().is_err());
    drop(held);
    assert!(handle.try_lock().is_ok());
}

#[test]
fn a_handle_that_a_child_inherited_does_not_keep_the_lock() {
    let root = Root::new();
    let held = root.lock();
    let inherited = held.files.folder.copy_of_handle();
    drop(held);
    assert!(root.open().try_lock().is_some());
    drop(inherited);
}

#[test]
fn changed_issues_alone_are_written_where_all_others_were() {
    let root = Root::new();
    let events = log(&[STARTED, OTHER, ENDED]);
    let mut state = fold(&events[..2]);
    root.write(&state);
    state.take_changed();
    crate::test_helpers::apply(&mut state, &events[2]);
    fs::remove_file(root.path("issues/issue_..%2Fx-d6b96a97_metrics.json")).expect("removed");
    let changed = state.take_changed();
    let changes = root
        .lock()
        .write_changed(&state, &changed, true, None)
        .expect("written");
    assert_eq!(
        lines(changes),
        [
            "Replaced issues/issue_1_metrics.json",
            "Created issues/issue_1_report.json",
            "Replaced run_1_metadata.json",
        ]
    );
}

#[test]
fn the_stamp_changes_with_whatever_is_done_to_a_report_file() {
    let root = Root::new();
    let mut seen = vec![root.open().stamp().expect("readable")];
    let mut check = |what: &str| {
        let now = root.open().stamp().expect("readable");
        assert_eq!(now, root.open().stamp().expect("readable"), "{what}");
        assert!(!seen.contains(&now), "{what}");
        seen.push(now);
    };
    root.write(&state(&[STARTED]));
    check("written");
    let issue = root.path("issues/issue_1_metrics.json");
    // Two writes may fall into one tick of the kernel's clock.
    let touch = |seconds| {
        let file = fs::File::options().write(true).open(&issue);
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        file.and_then(|file| file.set_modified(time)).expect("set");
    };
    let text = fs::read_to_string(&issue).expect("readable");
    fs::write(&issue, text.replace('1', "2")).expect("written");
    touch(1);
    check("written in place, with the same length");
    fs::remove_file(&issue).expect("removed");
    check("removed");
    root.write(&state(&[STARTED]));
    touch(2);
    check("written again");
    fs::write(root.path("issues/notes.txt"), "mine").expect("written");
    let now = root.open().stamp().expect("readable");
    assert_eq!(now, *seen.last().expect("not empty"), "a file of others");
}

#[test]
fn of_issues_whose_files_have_one_name_the_first_has_it_whatever_came_first() {
    // Sought out: their hashes are equal, and all that is kept of them.
    let ids = ["37171", "37694"].map(|end| format!("{}{end}", "/".repeat(27)));
    let started = |id: &str| format!(r#"0 "issue.started","issue":"{id}""#);
    let ended = |id: &str| format!(r#"1 "issue.finished","issue":"{id}","status":"completed""#);
    let steps = [
        started(&ids[1]),
        ended(&ids[1]),
        started(&ids[0]),
        ended(&ids[0]),
    ];
    let root = Root::new();
    for count in 1..=steps.len() {
        let events: Vec<_> = steps[..count].iter().map(String::as_str).collect();
        let state = state(&events);
        // As a watcher does it, which knows what changed, then as a rebuild does.
        let changed = BTreeSet::from([IssueId::from(ids[usize::from(count < 3)].clone())]);
        let written = root.lock().write_changed(&state, &changed, true, None);
        assert!(!written.expect("written").is_empty(), "{count}");
        assert_eq!(root.compare(&state), [""; 0], "{count}");
        assert_eq!(root.write(&state), [""; 0], "{count}");
    }
    for entry in fs::read_dir(root.path("issues")).expect("a folder") {
        let report = fs::read_to_string(entry.expect("readable").path()).expect("a file");
        assert!(report.contains(&ids[0]), "{report}");
    }
}
