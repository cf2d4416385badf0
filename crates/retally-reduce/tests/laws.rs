//! What holds for every log, however it was cut, copied, split or delivered.

#[path = "laws/guarantees.rs"]
mod guarantees;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use retally_log::{Root, RunDir, RunId};
use retally_reduce::{PriceBook, RunFold, RunState, to_json_bytes};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// An event as a payload, and how long after the one before it happened, in milliseconds.
#[derive(Clone, Debug)]
struct Happening {
    payload: String,
    later_ms: u64,
}

fn happening() -> impl Strategy<Value = Happening> {
    (payload(), 1..5000_u64).prop_map(|(payload, later_ms)| Happening { payload, later_ms })
}

fn payload() -> impl Strategy<Value = String> {
    let issue = prop_oneof![Just("1"), Just("2"), Just("\"PROJ-7\"")];
    let agent = prop_oneof![Just("coding"), Just("testing")];
    let span =
        prop_oneof![3 => Just(""), 1 => Just(",\"span\":\"a\""), 1 => Just(",\"span\":\"b\"")];
    let key = prop_oneof![6 => Just(""), 1 => Just(",\"key\":\"k\""), 1 => Just(",\"key\":\"l\"")];
    (issue, agent, span, key, 0..17_u8, 0..4_u8).prop_map(|(issue, agent, span, key, kind, n)| {
        let of_issue = format!("\"issue\":{issue}{key}");
        let of_agent = format!("{of_issue},\"agent\":\"{agent}\"{span}");
        let is_odd = n % 2 == 1;
        let status = ["running", "failed", "success", "canceled"][usize::from(n)];
        let outcome = ["completed", "failed", "skipped", "completed"][usize::from(n)];
        match kind {
            0 => format!("\"type\":\"run.started\",\"project_id\":\"p{n}\"{key}"),
            1 => format!("\"type\":\"run.finished\",\"status\":\"completed\"{key}"),
            2 => format!("\"type\":\"run.scored\",\"success\":{is_odd}{key}"),
            3 => format!("\"type\":\"issue.started\",{of_issue},\"title\":\"t{n}\""),
            4 => format!("\"type\":\"issue.finished\",{of_issue},\"status\":\"{outcome}\""),
            5 | 6 => format!("\"type\":\"agent.started\",{of_agent}"),
            7 | 8 => format!("\"type\":\"agent.finished\",{of_agent},\"success\":{is_odd}"),
            9 => format!(
                "\"type\":\"pipeline.recorded\",{of_issue},\"pipeline_id\":{},\"status\":\"{status}\"",
                n / 2
            ),
            10 => format!(
                "\"type\":\"debug.started\",{of_agent},\"error_type\":\"e\",\"error_message\":\"m{n}\""
            ),
            11 => format!("\"type\":\"debug.attempted\",{of_agent}"),
            12 => format!("\"type\":\"debug.finished\",{of_agent},\"resolved\":{is_odd}"),
            13 => format!(
                "\"type\":\"llm.called\",{of_issue},\"model\":\"m\",\"input_tokens\":{n},\"cost_usd\":0.{n}"
            ),
            14 => format!("\"type\":\"tool.called\",{of_issue},\"tool\":\"t{n}\",\"success\":{is_odd}"),
            15 => format!("\"type\":\"note.added\",{of_issue},\"text\":\"n{n}\""),
            _ => format!("\"type\":\"x.y\",{of_issue},\"n\":{n}"),
        }
    })
}

/// The lines of a log; the times rise.
fn lines(happenings: &[Happening], opened: &str) -> Vec<String> {
    let mut millis = 0;
    let mut lines = vec![format!(
        "{{\"seq\":0,\"ts\":\"2024-12-03T14:00:00Z\",\"type\":\"segment.opened\",\"segment\":\"{opened}\"}}\n"
    )];
    for (at, happening) in happenings.iter().enumerate() {
        millis += happening.later_ms;
        let (minutes, rest) = (millis / 60_000, millis % 60_000);
        let (seconds, millis) = (rest / 1000, rest % 1000);
        lines.push(format!(
            "{{\"seq\":{},\"ts\":\"2024-12-03T14:{minutes:02}:{seconds:02}.{millis:03}Z\",{}}}\n",
            at + 1,
            happening.payload
        ));
    }
    lines
}

/// A run in a temporary root.
struct Run {
    folder: tempfile::TempDir,
    dir: RunDir,
}

impl Run {
    /// In memory where the system has that: what is tested is not the disk.
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        match memory.is_dir() {
            true => Self::new_in(memory),
            false => Self::new_in(&std::env::temp_dir()),
        }
    }

    fn new_in(folder: &Path) -> Self {
        let folder = tempfile::tempdir_in(folder).expect("a temporary folder");
        let dir = Root::new(folder.path()).run(&RunId::new("run_1").expect("an id"));
        fs::create_dir_all(dir.events_path()).expect("created");
        Self { folder, dir }
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.dir.events_path().join(file), text).expect("written");
    }

    fn open(&self) -> RunFold {
        RunFold::open(
            self.folder.path(),
            self.dir.id(),
            Arc::new(PriceBook::built_in()),
        )
        .expect("the log opens")
    }

    fn resume(&self, checkpoint: &[u8]) -> Option<RunFold> {
        let prices = Arc::new(PriceBook::built_in());
        RunFold::resume(
            self.folder.path(),
            self.dir.id(),
            prices,
            checkpoint.to_vec(),
        )
        .expect("the log opens")
    }

    fn reports(&self) -> String {
        {
            let mut fold = self.open();
            fold.catch_up().expect("the log is readable");
            reports(fold.state())
        }
    }
}

/// All that can be said of a run, as the bytes of its files.
fn reports(state: &RunState) -> String {
    let mut all = String::new();
    let mut add = |bytes: Vec<u8>| {
        _ = writeln!(
            all,
            "{}",
            String::from_utf8(bytes).expect("reports are UTF-8")
        );
    };
    add(to_json_bytes(&state.metadata()));
    add(to_json_bytes(&state.run_report()));
    for issue in state.issue_ids() {
        add(to_json_bytes(
            &state.issue_report(issue).expect("the issue is known"),
        ));
    }
    all
}

/// Deals the lines out to three segments, and damages a byte here and there.
fn deal(happenings: &[Happening], owners: &[usize], damage: &[usize]) -> [Vec<u8>; 3] {
    let mut segments: [Vec<u8>; 3] = Default::default();
    let lines = lines(happenings, "s");
    for (line, owner) in lines[1..].iter().zip(owners) {
        segments[*owner].extend(line.bytes());
    }
    for at in damage {
        let segment = &mut segments[at % 3];
        if let Some(byte) = segment.get_mut(at / 3) {
            *byte ^= 1;
        }
    }
    segments
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    prop::collection::vec(happening(), 1..40)
}

/// Changes the files of a log that was folded and saved, and fails where the saved fold is taken
/// up and ends at other reports than those of a rebuild; returns whether it was taken up.
fn check_changed(
    segments: &[Vec<u8>; 3],
    changes: Vec<(usize, u8, usize)>,
) -> Result<bool, TestCaseError> {
    let run = Run::new();
    let path = |at: usize| run.dir.events_path().join(format!("{at}.jsonl"));
    for (at, bytes) in segments.iter().enumerate() {
        fs::write(path(at), bytes).expect("written");
    }
    let mut fold = run.open();
    fold.catch_up().expect("the log is readable");
    let saved = fold
        .checkpoint()
        .expect("readable")
        .expect("files in order");
    for (at, kind, place) in changes {
        let mut bytes = fs::read(path(at)).unwrap_or_default();
        let place = place.min(bytes.len());
        match kind {
            0 => bytes.truncate(place),
            1 => bytes.drain(..place).for_each(drop),
            2 => bytes.get_mut(place).into_iter().for_each(|byte| *byte ^= 1),
            3 => bytes.extend_from_within(place..),
            4 => bytes = fs::read(path((at + 1) % 3)).unwrap_or_default(),
            5 => bytes.extend(b"torn"),
            6 => {
                _ = fs::rename(path(at), path((at + 1) % 3));
                continue;
            }
            // A copy under another inode number takes the place.
            7 => {
                let copy = run.dir.events_path().join("copy");
                fs::write(&copy, &bytes).expect("written");
                fs::rename(copy, path(at)).expect("renamed");
                continue;
            }
            _ => {
                let line =
                    &b"{\"ts\":\"2024-12-03T15:00:00Z\",\"type\":\"note.added\",\"text\":\"t\"}\n";
                bytes.extend_from_slice(line.as_slice());
            }
        }
        fs::write(path(at), bytes).expect("written");
    }
    let Some(mut resumed) = run.resume(&saved) else {
        return Ok(false);
    };
    resumed.catch_up().expect("the log is readable");
    prop_assert_eq!(reports(resumed.state()), run.reports());
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Property: following a log while it grows, cut anywhere and read after each piece, ends at
    /// the reports of a rebuild.
    #[test]
    fn live_reports_equal_a_rebuild(
        happenings in happenings(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let text = lines(&happenings, "s").concat();
        let run = Run::new();
        let mut fold = run.open();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        ends.sort_unstable();
        ends.push(text.len());
        for end in ends {
            run.write("s.jsonl", &text[..end]);
            fold.catch_up().expect("the log is readable");
        }
        prop_assert_eq!(reports(fold.state()), run.reports());
    }

    /// Property: two segments that are read whenever one of them grew, in any order of delivery,
    /// end at the reports of a rebuild; late events are folded where they belong.
    #[test]
    fn delivery_in_any_order_equals_a_rebuild(
        happenings in happenings(),
        owners in prop::collection::vec(0..3_usize, 40),
        deliveries in prop::collection::vec((0..3_usize, 1..10_usize), 0..12),
    ) {
        let mut segments: [Vec<String>; 3] = Default::default();
        for (line, owner) in lines(&happenings, "s").into_iter().skip(1).zip(&owners) {
            segments[*owner].push(line);
        }
        let run = Run::new();
        let mut fold = run.open();
        let mut delivered = [0; 3];
        let everything = [(0, 40), (1, 40), (2, 40)];
        for (at, count) in deliveries.into_iter().chain(everything) {
            delivered[at] = segments[at].len().min(delivered[at] + count);
            run.write(&format!("{at}.jsonl"), &segments[at][..delivered[at]].concat());
            fold.catch_up().expect("the log is readable");
        }
        prop_assert_eq!(reports(fold.state()), run.reports());
    }

    /// Property: with rising times, a log that is split into segments anyhow says what it said in
    /// one.
    #[test]
    fn a_split_into_segments_changes_nothing(
        happenings in happenings(),
        owners in prop::collection::vec(0..4_usize, 40),
    ) {
        let whole = Run::new();
        let lines = lines(&happenings, "s");
        whole.write("s.jsonl", &lines[1..].concat());
        let split = Run::new();
        let mut segments: [String; 4] = Default::default();
        for (line, owner) in lines[1..].iter().zip(&owners) {
            segments[*owner] += line;
        }
        for (at, text) in segments.iter().enumerate() {
            split.write(&format!("{at}.jsonl"), text);
        }
        prop_assert_eq!(whole.reports(), split.reports());
    }

    /// Property: copies of a segment, whole or cut, under any names, in one folder with it, change
    /// nothing; nor do lines that stand twice, or in another order.
    #[test]
    fn copies_and_repetitions_change_nothing(
        happenings in happenings(),
        cut in any::<prop::sample::Index>(),
        swap in any::<prop::sample::Index>(),
    ) {
        let lines = lines(&happenings, "s");
        let once = Run::new();
        once.write("s.jsonl", &lines.concat());
        let expected = once.reports();

        let copied = Run::new();
        let cut = cut.index(lines.len());
        copied.write("a copy.jsonl", &lines[..=cut].concat());
        copied.write("s.jsonl", &lines.concat());
        copied.write("z (2).jsonl", &lines.concat());
        prop_assert_eq!(copied.reports(), expected.as_str());

        let shuffled = Run::new();
        let mut moved = lines;
        let at = swap.index(moved.len() - 1) + 1;
        let line = moved.remove(at);
        moved.push(line.clone());
        moved.push(line);
        shuffled.write("s.jsonl", &moved.concat());
        prop_assert_eq!(shuffled.reports(), expected);
    }

    /// Property: a fold that is saved and taken up again after any piece of its log, cut anywhere,
    /// is the fold of the whole: in its reports, and as a checkpoint. Segments, late events,
    /// damage and keys included.
    #[test]
    fn checkpoints_and_the_rest_are_the_whole(
        happenings in happenings(),
        owners in prop::collection::vec(0..3_usize, 40),
        damage in prop::collection::vec(0..10_000_usize, 0..4),
        deliveries in prop::collection::vec((0..3_usize, 1..400_usize, any::<bool>()), 0..16),
    ) {
        let segments = deal(&happenings, &owners, &damage);
        let run = Run::new();
        let mut fold = run.open();
        let mut delivered = [0_usize; 3];
        let everything = [0, 1, 2].map(|at| (at, usize::MAX, true));
        for (at, count, is_saved) in deliveries.into_iter().chain(everything) {
            delivered[at] = segments[at].len().min(delivered[at].saturating_add(count));
            let path = run.dir.events_path().join(format!("{at}.jsonl"));
            fs::write(path, &segments[at][..delivered[at]]).expect("written");
            fold.catch_up().expect("the log is readable");
            // Lines out of order have to be sorted, of which there is no checkpoint.
            if is_saved && let Some(saved) = fold.checkpoint().expect("the log is readable") {
                let mut resumed = run.resume(&saved).expect("nothing was changed");
                resumed.catch_up().expect("the log is readable");
                prop_assert_eq!(resumed.checkpoint().expect("readable"), Some(saved));
                fold = resumed;
            }
        }
        let mut whole = run.open();
        whole.catch_up().expect("the log is readable");
        prop_assert_eq!(reports(fold.state()), reports(whole.state()));
        prop_assert_eq!(
            fold.checkpoint().expect("readable"),
            whole.checkpoint().expect("readable")
        );
    }

    /// Property: after whatever is done to the files of a log, its checkpoint is not used, or the
    /// fold that is taken up from it ends at the reports of a rebuild.
    #[test]
    fn a_checkpoint_of_another_log_is_never_believed(
        happenings in happenings(),
        owners in prop::collection::vec(0..3_usize, 40),
        changes in prop::collection::vec((0..3_usize, 0..9_u8, 0..2_000_usize), 1..4),
    ) {
        check_changed(&deal(&happenings, &owners, &[]), changes)?;
    }
}
