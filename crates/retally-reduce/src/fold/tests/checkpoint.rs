//! A fold that was saved and taken up again is the fold that it was.

use super::*;
use crate::report_json::to_json_bytes;

fn saved(fold: &mut RunFold) -> Vec<u8> {
    let saved = fold.checkpoint().expect("the log is readable");
    saved.expect("the state is current and the files are plain")
}

impl Root {
    fn resume(&self, checkpoint: &[u8]) -> Option<RunFold> {
        RunFold::resume(self.path(), &run_id(), prices(), checkpoint.to_vec()).expect("a log")
    }
}

/// Returns all reports of a state as they would stand in files.
fn reports(state: &RunState) -> Vec<Vec<u8>> {
    let issues = state
        .issue_ids()
        .map(|id| to_json_bytes(&state.issue_report(id)));
    let of_run = [
        to_json_bytes(&state.metadata()),
        to_json_bytes(&state.run_report()),
    ];
    issues.chain(of_run).collect()
}

/// A log in which every kind of state is open, closed, or both.
fn busy() -> Root {
    let root = Root::new();
    root.append("a", &[
        r#"10 "run.started","project_id":"p","llm":{"model":"m","temperature":0.70,"top":{"k":[1,2.0]}},"mode":"x","specific_issue":7,"config":{"a":1.50,"b":[null,true,"t"]},"tags":{"t":"u"}"#,
        r#"11 "issue.started","issue":1,"title":"t","key":"k""#,
        r#"12 "agent.started","issue":1,"agent":"coding","span":"s""#,
        r#"13 "agent.finished","issue":1,"agent":"coding","success":true"#,
        r#"14 "pipeline.recorded","issue":1,"pipeline_id":9,"status":"failed","failed_jobs":["j"],"duration_ms":1234,"queue_ms":1"#,
        r#"15 "debug.started","issue":1,"agent":"a","error_type":"e","error_message":"m""#,
        r#"16 "debug.attempted","issue":1"#,
        r#"17 "debug.finished","issue":1,"resolved":true,"resolution_method":"r""#,
        r#"18 "debug.started","issue":1,"agent":"a","error_type":"e","error_message":"m","span":"z""#,
        r#"19 "llm.called","issue":1,"agent":"a","model":"m","input_tokens":5,"cost_usd":0.123456789"#,
        r#"20 "tool.called","issue":"PROJ-7","tool":"sh","success":false,"duration_ms":3"#,
        r#"21 "code.changed","issue":1,"lines_added":3,"test_coverage_percent":81.25"#,
        r#"22 "error.recorded","error_type":"e","message":"m","severity":"s""#,
        r#"23 "note.added","issue":1,"text":"t","agent":"q""#,
        r#"24 "agent.finished","issue":1,"agent":"ghost","success":false"#,
        r#"25 "issue.finished","issue":1,"status":"failed""#,
        r#"26 "run.scored","success":true"#,
        r#"27 "something.new","x":1"#,
        r#"28 "issue.finished""#,
        r#"29 "run.finished","status":"stopped""#,
    ]);
    root.append(
        "b",
        &[r#"30 "pipeline.recorded","issue":2,"pipeline_id":1,"status":"running""#],
    );
    root
}

#[test]
fn a_state_comes_back_as_it_was() {
    let root = busy();
    let mut fold = root.open();
    fold.catch_up().expect("read");
    let checkpoint = saved(&mut fold);
    let mut resumed = root.resume(&checkpoint).expect("it fits");
    assert_eq!(resumed.advance(9).expect("read"), Advance::Nothing);
    assert_eq!(reports(resumed.state()), reports(fold.state()));
    assert_eq!(saved(&mut resumed), checkpoint);
    assert_eq!(resumed.state().metadata().misfit_lines, 1);
}

#[test]
fn no_damaged_checkpoint_is_used() {
    let root = busy();
    let mut fold = root.open();
    fold.catch_up().expect("read");
    let checkpoint = saved(&mut fold);
    for bit in 0..checkpoint.len() * 8 {
        let mut damaged = checkpoint.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(root.resume(&damaged).is_none(), "bit {bit}");
    }
    for length in 0..checkpoint.len() {
        assert!(
            root.resume(&checkpoint[..length]).is_none(),
            "{length} bytes"
        );
    }
    proved(checkpoint.len());
}

#[test]
fn a_state_that_is_none_under_a_right_checksum_has_the_log_folded_again() {
    let root = busy();
    let mut fold = root.open();
    fold.catch_up().expect("read");
    let whole = reports(fold.state());
    let mut forged = saved(&mut fold);
    // The states of the issues end it; no number is as long as this.
    let states = forged.len() - 100;
    forged[states..].fill(0xff);
    let checksum = crc32c::crc32c(&forged[12..]).to_le_bytes();
    forged[8..12].copy_from_slice(&checksum);
    let mut fold = root.resume(&forged).expect("it says nothing of its states");
    assert!(!fold.is_stale());
    reports(fold.state());
    assert!(fold.is_stale());
    assert!(fold.catch_up().expect("read"));
    assert_eq!(reports(fold.state()), whole);

    fold.update_files().expect("written");
    let files = || RunFiles::open(root.path(), &run_id()).expect("a run");
    let stamp = files().stamp().expect("readable");
    let touched = root.path().join("run_1/issues/issue_2_metrics.json");
    for is_trusted in [false, true] {
        fs::write(&touched, "{}").expect("written");
        let mut resumed = root.resume(&forged).expect("it says nothing of its states");
        if is_trusted {
            resumed.trust_files(stamp);
            root.append("a", &[r#"41 "note.added","issue":1,"text":"t""#]);
        }
        resumed.update_files().expect("written");
        fold.catch_up().expect("read");
        assert_eq!(files().compare(fold.state()).expect("readable"), []);
    }
}

#[expect(clippy::print_stdout, reason = "`just guarantees` prints it")]
fn proved(bytes: usize) {
    let bits = bytes * 8;
    println!("proved I2: {bits} flipped bits and {bytes} cuts of a checkpoint, 0 used");
}

#[test]
fn a_checkpoint_fits_its_run_its_prices_and_its_log_alone() {
    let root = busy();
    let mut fold = root.open();
    fold.catch_up().expect("read");
    let checkpoint = saved(&mut fold);
    // A run of another name with the very same log.
    let other = RunId::new("run_2").expect("an id");
    let events = root.path().join("run_2/events");
    fs::create_dir_all(&events).expect("created");
    for segment in ["a.jsonl", "b.jsonl"] {
        let from = root.path().join("run_1/events").join(segment);
        fs::copy(from, events.join(segment)).expect("copied");
    }
    let resume =
        |run: &RunId, prices| RunFold::resume(root.path(), run, prices, checkpoint.clone());
    assert!(resume(&other, prices()).expect("a log").is_none());
    let book = "[[price]]\nprovider = \"p\"\nmodel = \"m\"\nvalid_from = 2024-01-01\ninput = 1\noutput = 1\n";
    let book = PriceBook::parse(book, "book").expect("a price book");
    assert!(resume(&run_id(), Arc::new(book)).expect("a log").is_none());
    let path = root.path().join("run_1/events/a.jsonl");
    let text = fs::read_to_string(&path).expect("text");
    fs::write(&path, text.replace("stopped", "failed!")).expect("written");
    assert!(root.resume(&checkpoint).is_none());
}

#[test]
fn a_checkpoint_fits_no_log_with_another_first_line_however_far_that_is_behind() {
    let root = Root::new();
    let note = r#"10 "note.added","issue":1,"text":"a text that takes its room""#;
    root.append("a", &vec![note; 5_000]);
    let mut fold = root.open();
    fold.catch_up().expect("read");
    let checkpoint = saved(&mut fold);
    assert!(root.resume(&checkpoint).is_some());
    let path = root.path().join("run_1/events/a.jsonl");
    let text = fs::read_to_string(&path).expect("text");
    fs::write(&path, text.replacen("a text", "o text", 1)).expect("written");
    assert!(root.resume(&checkpoint).is_none());
}

/// Returns the names of the files that a change wrote.
fn names(changes: Result<Vec<Change>, UpdateError>) -> Vec<String> {
    let changes = changes.expect("written").into_iter();
    let name = |change: Change| {
        change
            .path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    changes.filter_map(name).collect()
}

#[test]
fn after_a_resume_files_are_compared_unless_they_stand_as_they_are_known_to() {
    let root = busy();
    let mut fold = root.open();
    fold.update_files().expect("written");
    let checkpoint = saved(&mut fold);
    let files = || RunFiles::open(root.path(), &run_id()).expect("a run");
    let settle = |fold: &mut RunFold| names(fold.settle_files(&files().lock().expect("free")));
    let report = root.path().join("run_1/issues/issue_1_report.json");
    // Nothing but reading them could tell that this one is wrong.
    fs::write(&report, "{}").expect("written");
    let stamp = files().stamp().expect("readable");
    let trusting = || {
        let mut fold = root.resume(&checkpoint).expect("it fits");
        fold.trust_files(stamp);
        fold
    };
    let mut fold = trusting();
    assert_eq!(names(fold.update_files()), [""; 0]);
    root.append("a", &[r#"40 "issue.started","issue":3"#]);
    assert_eq!(
        names(fold.update_files()),
        [
            "issue_3_metrics.json",
            "run_1_metadata.json",
            "run_1_final.json"
        ]
    );
    fs::write(root.path().join("run_1/run_1_metadata.json"), "{}").expect("written");
    fs::write(root.path().join("run_1/issues/.retally-1-7.tmp"), "{").expect("written");
    assert_eq!(settle(&mut fold), ["run_1_metadata.json"]);
    assert!(!root.path().join("run_1/issues/.retally-1-7.tmp").exists());
    assert_eq!(settle(&mut fold), [""; 0]);
    fs::remove_file(&report).expect("removed");
    assert_eq!(settle(&mut fold), ["issue_1_report.json"]);
    assert_eq!(settle(&mut fold), [""; 0]);

    fs::remove_file(&report).expect("removed");
    assert_eq!(names(trusting().update_files()), ["issue_1_report.json"]);
    let mut fold = root.resume(&checkpoint).expect("it fits");
    fs::remove_file(&report).expect("removed");
    assert_eq!(names(fold.update_files()), ["issue_1_report.json"]);
}

#[test]
fn there_is_no_checkpoint_of_a_state_that_is_not_current() {
    let root = busy();
    let mut fold = root.open();
    assert_eq!(fold.checkpoint().expect("readable"), None);
    fold.catch_up().expect("read");
    root.append("c", &[r#"10 "issue.finished","issue":1,"status":"failed""#]);
    assert_eq!(fold.advance(9).expect("read"), Advance::Stale);
    assert_eq!(fold.checkpoint().expect("readable"), None);
}

#[test]
fn a_checkpoint_of_another_reducer_is_not_used() {
    let root = busy();
    let mut fold = root.open();
    fold.catch_up().expect("read");
    let mut with_version = |version: u8| {
        let mut checkpoint = saved(&mut fold);
        let (start, body) = checkpoint.split_at_mut(12);
        body[0] = version;
        start[8..].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
        checkpoint
    };
    let ours = u8::try_from(crate::REDUCER_VERSION).expect("a small number");
    let (same, next) = (with_version(ours), with_version(ours + 1));
    assert!(root.resume(&same).is_some());
    assert!(root.resume(&next).is_none());
}

/// Where this fails, the form of a checkpoint has changed: then its magic has to change too, for
/// the checkpoints of earlier builds would be misread.
#[test]
fn the_form_of_a_checkpoint_is_that_of_its_magic() {
    let root = busy();
    let no_prices = Arc::new(PriceBook::default());
    let mut fold = RunFold::open(root.path(), &run_id(), no_prices).expect("a log");
    fold.catch_up().expect("read");
    let checkpoint = saved(&mut fold);
    let checksum = crc32c::crc32c(&checkpoint);
    assert_eq!(&checkpoint[..8], b"rtlyfld2");
    assert_eq!((checkpoint.len(), checksum), (1100, 0xedcdc581));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Property: a checkpoint and the rest of the log give what the whole log gives.
    #[test]
    fn a_checkpoint_and_the_rest_are_the_whole(
        lines in proptest::collection::vec(("[abc]", 10..60_u32, any_event(), any::<bool>()), 1..40)
    ) {
        let root = Root::new();
        root.append("a", &[]);
        let mut fold = root.open();
        for (segment, second, event, is_cut) in &lines {
            root.append(segment, &[&format!("{second} {event}")]);
            if *is_cut {
                fold.catch_up().expect("read");
                fold = root.resume(&saved(&mut fold)).expect("nothing was changed");
            }
        }
        fold.catch_up().expect("read");
        let mut whole = root.open();
        whole.catch_up().expect("read");
        prop_assert_eq!(reports(fold.state()), reports(whole.state()));
        prop_assert_eq!(saved(&mut fold), saved(&mut whole));
    }
}
