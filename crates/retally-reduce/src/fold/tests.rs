mod checkpoint;

use super::*;
use crate::test_helpers::any_event;
use crate::{AsOf, ChangeKind, RebuildMode, fold_as_of, rebuild};
use proptest::prelude::*;
use std::fs::{self, OpenOptions};
use std::io::Write;
use tempfile::TempDir;

/// A root whose segments are foreign ones, written by the test.
struct Root(TempDir);

impl Root {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Appends events to a segment, a line each; `12 "issue.started",…` is one at second 12.
    fn append(&self, segment: &str, lines: &[&str]) {
        let events = self.path().join("run_1/events");
        fs::create_dir_all(&events).expect("a folder");
        let path = events.join(format!("{segment}.jsonl"));
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .expect("a file");
        let seq = fs::read_to_string(&path).expect("text").lines().count();
        for (more, line) in lines.iter().enumerate() {
            let (second, event) = line.split_once(' ').expect("a time");
            let seq = seq + more;
            let text = format!(
                "{{\"seq\":{seq},\"ts\":\"2024-12-03T12:00:{second}Z\",\"type\":{event}}}\n"
            );
            file.write_all(text.as_bytes()).expect("appended");
        }
    }

    fn open(&self) -> RunFold {
        RunFold::open(self.path(), &run_id(), prices()).expect("a log")
    }

    fn report(&self, name: &str) -> String {
        fs::read_to_string(self.path().join("run_1").join(name)).expect("a report")
    }

    /// Fails unless a rebuild would change nothing.
    fn check_rebuilt(&self) {
        let rebuilt = rebuild(
            self.path(),
            &[run_id()],
            &prices(),
            RebuildMode::DryRun,
            |_| {},
        );
        let changes = rebuilt[0].changes.as_ref().expect("folded");
        assert_eq!(changes, &[], "a rebuild writes the same bytes");
    }
}

fn run_id() -> RunId {
    RunId::new("run_1").expect("an id")
}

fn prices() -> Arc<PriceBook> {
    Arc::new(PriceBook::built_in())
}

#[test]
fn a_growing_log_gives_the_files_of_a_rebuild_at_each_step() {
    let root = Root::new();
    root.append("a", &[r#"10 "issue.started","issue":1"#]);
    let mut fold = root.open();
    let steps: [(&str, &[&str]); 5] = [
        ("a", &[r#"20 "agent.started","issue":1,"agent":"x""#]),
        // A segment that turns up late, with an event that only adds.
        ("b", &[r#"15 "note.added","issue":2,"text":"t""#]),
        // One that makes the state stale.
        ("b", &[r#"16 "agent.started","issue":1,"agent":"y""#]),
        (
            "a",
            &[
                r#"30 "issue.finished","issue":1,"status":"completed""#,
                r#"31 "nonsense""#,
            ],
        ),
        (
            "b",
            &[
                r#"40 "run.finished","status":"completed""#,
                r#"41 "note.added""#,
            ],
        ),
    ];
    fold.update_files().expect("written");
    root.check_rebuilt();
    for (segment, lines) in steps {
        root.append(segment, lines);
        assert!(
            !fold.update_files().expect("written").is_empty(),
            "{lines:?}"
        );
        root.check_rebuilt();
    }
    assert!(
        root.report("issues/issue_1_report.json")
            .contains("\"attempts\": 1")
    );
    assert!(
        root.report("run_1_final.json")
            .contains("\"misfit_lines\": 1")
    );
    assert_eq!(fold.update_files().expect("nothing to do"), []);
}

#[test]
fn a_stale_state_waits_for_its_fold_where_the_caller_wants_that() {
    let root = Root::new();
    root.append("a", &[r#"20 "issue.started","issue":1"#]);
    let mut fold = root.open();
    assert!(fold.catch_up().expect("read"));
    assert!(!fold.catch_up().expect("nothing new"));
    root.append("b", &[r#"10 "issue.started","issue":1"#]);
    assert_eq!(fold.advance(9).expect("read"), Advance::Stale);
    assert_eq!(fold.advance(9).expect("read"), Advance::Stale);
    fold.start_over().expect("read");
    assert!(!fold.is_stale() && !fold.state().has_events());
    assert_eq!(fold.rewinds(), 0);
    assert_eq!(fold.advance(9).expect("read"), Advance::Caught);
    assert_eq!(
        fold.state()
            .run_report()
            .duration_seconds
            .map(|it| it.to_string())
            .as_deref(),
        Some("10.0")
    );
}

#[test]
fn a_log_is_folded_in_parts_where_the_caller_wants_that() {
    let root = Root::new();
    let notes: Vec<String> = (10..15)
        .map(|second| format!(r#"{second} "note.added","issue":{second},"text":"t""#))
        .collect();
    root.append("a", &notes.iter().map(String::as_str).collect::<Vec<_>>());
    let mut fold = root.open();
    let mut advance = |entries_max| {
        let advance = fold.advance(entries_max).expect("read");
        (advance, fold.state().run_report().total_issues)
    };
    assert_eq!(advance(2), (Advance::Behind, 2));
    assert_eq!(advance(3), (Advance::Behind, 5));
    assert_eq!(advance(3), (Advance::Nothing, 5));
    root.append("a", &[r#"19 "note.added","issue":19,"text":"t""#]);
    assert_eq!(advance(3), (Advance::Caught, 6));
}

#[test]
fn a_log_that_was_replaced_is_folded_from_its_beginning() {
    let root = Root::new();
    root.append(
        "a",
        &[
            r#"10 "issue.started","issue":1"#,
            r#"11 "issue.started","issue":2"#,
        ],
    );
    let mut fold = root.open();
    fold.update_files().expect("written");
    fs::remove_file(root.path().join("run_1/events/a.jsonl")).expect("removed");
    root.append("b", &[r#"10 "issue.started","issue":3"#]);
    fold.update_files().expect("written");
    assert_eq!(fold.rewinds(), 1);
    root.check_rebuilt();
    assert!(
        !root
            .path()
            .join("run_1/issues/issue_1_metrics.json")
            .exists()
    );
}

#[test]
fn another_file_in_the_place_of_a_segment_is_noticed_however_much_of_its_end_is_the_same() {
    let root = Root::new();
    root.append("a", &vec![r#"10 "issue.started","issue":1"#; 2_000]);
    let mut fold = root.open();
    fold.update_files().expect("written");
    let (path, other) = (
        root.path().join("run_1/events/a.jsonl"),
        root.path().join("other"),
    );
    let text = fs::read_to_string(&path).expect("text");
    let (first, rest) = text.split_once('\n').expect("lines");
    let rest = rest.replacen("\"issue\":1", "\"issue\":2", 9);
    fs::write(&other, format!("{first}\n{rest}")).expect("written");
    fs::rename(&other, &path).expect("replaced");
    fold.update_files().expect("written");
    assert_eq!(fold.rewinds(), 1);
    root.check_rebuilt();
}

#[test]
fn deleted_files_are_rebuilt_to_the_same_bytes() {
    let root = Root::new();
    root.append("a", &[r#"10 "issue.finished","issue":1,"status":"failed""#]);
    root.open().update_files().expect("written");
    let before = root.report("issues/issue_1_report.json");
    fs::remove_dir_all(root.path().join("run_1/issues")).expect("removed");
    let rebuilt = rebuild(
        root.path(),
        &[run_id()],
        &prices(),
        RebuildMode::Write,
        |_| {},
    );
    let changes = rebuilt[0].changes.as_ref().expect("written");
    assert_eq!(changes.len(), 2);
    assert!(
        changes
            .iter()
            .all(|change| change.kind == ChangeKind::Created)
    );
    assert_eq!(root.report("issues/issue_1_report.json"), before);
    root.check_rebuilt();
}

#[test]
fn a_fold_stops_at_the_point_that_is_asked_for() {
    let root = Root::new();
    let note = |second: u32| format!(r#"{second} "note.added","issue":{second},"text":"t""#);
    root.append("a", &[&note(10), &note(30), &note(50)]);
    root.append("b", &[&note(20), &note(40)]);
    let time = |second: u32| {
        AsOf::Time(
            format!("2024-12-03T12:00:{second}Z")
                .parse()
                .expect("a time"),
        )
    };
    let line = |segment: &str, seq| AsOf::Line {
        segment: segment.to_owned(),
        seq,
    };
    for (as_of, issues) in [
        (time(10), Some(1)),
        (time(29), Some(2)),
        (time(30), Some(3)),
        (time(59), Some(5)),
        (line("a", 0), Some(1)),
        (line("b", 0), Some(2)),
        (line("a", 1), Some(3)),
        (line("a", 2), Some(5)),
        (line("a", 3), None),
        (line("c", 0), None),
    ] {
        let known = fold_as_of(root.path(), &run_id(), prices(), &as_of).ok();
        let total = known.map(|state| state.run_report().total_issues);
        assert_eq!(total, issues, "{as_of:?}");
    }
}

#[test]
fn what_turns_up_while_a_point_is_looked_for_is_not_known_yet() {
    let root = Root::new();
    root.append("b", &[r#"20 "issue.started","issue":1"#]);
    let mut fold = root.open();
    // Had it been folded, it would have been too late, and the state stale.
    root.append("a", &[r#"10 "issue.finished","issue":1,"status":"failed""#]);
    assert_eq!(fold.fold_known(u64::MAX).expect("read"), Advance::Caught);
    assert!(!fold.is_stale());
    assert_eq!(fold.state().run_report().issues_by_status.in_progress, 1);
}

proptest! {
    // Each case writes some hundred files.
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Property: however a log grows, the files kept up with it are those of a rebuild.
    #[test]
    fn live_files_are_those_of_a_rebuild(
        lines in proptest::collection::vec(("[abc]", 10..60_u32, any_event(), any::<bool>()), 1..25)
    ) {
        let root = Root::new();
        root.append("a", &[]);
        let mut fold = root.open();
        for (segment, second, event, is_settled) in &lines {
            root.append(segment, &[&format!("{second} {event}")]);
            if *is_settled {
                fold.update_files().expect("written");
            }
        }
        fold.update_files().expect("written");
        root.check_rebuilt();
    }
}
