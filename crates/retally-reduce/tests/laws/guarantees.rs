//! The laws that `docs/guarantees.md` promises, over so many logs as it states.

use super::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use retally_reduce::Advance;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// How often something was done, by its name.
type Counts = BTreeMap<&'static str, u64>;

/// What is done to a log and to its fold.
#[derive(Clone, Debug)]
enum Step {
    /// So many bytes more of a segment are written, which may end within a line.
    Append(usize, usize),
    /// What is written next goes to another segment.
    Rotate,
    /// So many entries are folded, at most.
    Fold(u64),
    CatchUp,
    /// The fold is saved, where it can be.
    Save,
    /// The fold is lost and taken up from where it was saved last, or else from the beginning.
    Crash,
    /// A segment is copied into the folder under another name, as a merge of two hosts does.
    Copy,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_usize, 1..600_usize).prop_map(|(at, bytes)| Step::Append(at, bytes)),
        1 => Just(Step::Rotate),
        3 => (1..5_u64).prop_map(Step::Fold),
        2 => Just(Step::CatchUp),
        2 => Just(Step::Save),
        2 => Just(Step::Crash),
        1 => Just(Step::Copy),
    ]
}

impl Step {
    fn name(&self) -> &'static str {
        match self {
            Self::Append(..) => "appends",
            Self::Rotate => "rotations",
            Self::Fold(_) | Self::CatchUp => "folds",
            Self::Save => "checkpoints",
            Self::Crash => "crashes",
            Self::Copy => "copies",
        }
    }
}

/// A run that is written to and folded step by step.
struct Work {
    run: Run,
    segments: [Vec<u8>; 3],
    /// How much of each is written, and to how many files.
    written: [usize; 3],
    files: [u32; 3],
    fold: RunFold,
    saved: Option<Vec<u8>>,
}

impl Work {
    fn new(segments: [Vec<u8>; 3]) -> Self {
        let run = Run::new();
        let fold = run.open();
        Self {
            run,
            segments,
            written: [0; 3],
            files: [0; 3],
            fold,
            saved: None,
        }
    }

    fn append(&mut self, at: usize, bytes: usize) {
        use std::io::Write as _;
        let start = self.written[at];
        let end = self.segments[at].len().min(start.saturating_add(bytes));
        let path = self.path(at);
        let file = fs::OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut file| file.write_all(&self.segments[at][start..end]))
            .expect("appended");
        self.written[at] = end;
    }

    fn path(&self, at: usize) -> std::path::PathBuf {
        let name = format!("{at}-{}.jsonl", self.files[at]);
        self.run.dir.events_path().join(name)
    }

    fn do_step(&mut self, step: &Step) {
        match *step {
            Step::Append(at, bytes) => self.append(at, bytes),
            Step::Rotate => {
                // A writer that goes on elsewhere has ended its line.
                for at in 0..3 {
                    let rest = self.segments[at][self.written[at]..].iter();
                    let to_line_end = rest.take_while(|byte| **byte != b'\n').count();
                    self.append(at, to_line_end + 1);
                    self.files[at] += 1;
                }
            }
            Step::Fold(entries) => {
                if self.fold.advance(entries).expect("readable") == Advance::Stale {
                    self.fold.start_over().expect("readable");
                }
            }
            Step::CatchUp => _ = self.fold.catch_up().expect("readable"),
            Step::Save => {
                if let Some(saved) = self.fold.checkpoint().expect("readable") {
                    self.saved = Some(saved);
                }
            }
            Step::Crash => {
                let resumed = self.saved.as_ref().and_then(|saved| self.run.resume(saved));
                self.fold = resumed.unwrap_or_else(|| self.run.open());
            }
            Step::Copy => {
                let copy = self.run.dir.events_path().join("copy.jsonl");
                _ = fs::copy(self.path(0), copy);
            }
        }
    }
}

/// Fails unless a fold that went through all this is that of the whole log at once.
fn check_steps(segments: [Vec<u8>; 3], steps: &[Step]) -> Result<(), TestCaseError> {
    let mut work = Work::new(segments);
    for step in steps {
        work.do_step(step);
    }
    for at in 0..3 {
        work.append(at, usize::MAX);
    }
    work.fold.catch_up().expect("readable");
    let mut whole = work.run.open();
    whole.catch_up().expect("readable");
    prop_assert_eq!(reports(work.fold.state()), reports(whole.state()));
    // Where lines had to be put in order, there is no checkpoint of either.
    prop_assert_eq!(
        work.fold.checkpoint().expect("readable"),
        whole.checkpoint().expect("readable")
    );
    Ok(())
}

/// Checks a law over so many cases, on two threads.
fn check_law<S: Strategy>(
    cases: u32,
    cases_of: impl Fn() -> S + Sync,
    law: impl Fn(S::Value) -> Result<(), TestCaseError> + Sync,
) {
    const THREADS: u32 = 2;
    let check = || {
        let config = ProptestConfig {
            cases: cases / THREADS,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        if let Err(error) = TestRunner::new(config).run(&cases_of(), &law) {
            panic!("{error}");
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(check);
        }
    });
}

fn few_happenings() -> impl Strategy<Value = Vec<Happening>> {
    prop::collection::vec(happening(), 1..16)
}

fn owners() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..3_usize, 16)
}

#[expect(clippy::print_stdout, reason = "`just guarantees` prints it")]
fn proved(promise: &str, counts: &str) {
    println!("proved {promise}: {counts}");
}

fn quick_or_soak<T>(quick: T, soak: T) -> T {
    match std::env::var_os("RETALLY_SOAK") {
        Some(_) => soak,
        None => quick,
    }
}

#[test]
#[ignore = "10,000 sequences: `just guarantees` runs it"]
fn a_fold_in_any_steps_is_the_fold_of_the_whole() {
    let sequences = quick_or_soak(10_000, 200_000);
    let counts: Mutex<Counts> = Mutex::default();
    let damage = || prop::collection::vec(0..3_000_usize, 0..2);
    let steps = || prop::collection::vec(step(), 1..16);
    let cases_of = || (few_happenings(), owners(), damage(), steps());
    check_law(
        sequences,
        cases_of,
        |(happenings, owners, damage, steps)| {
            check_steps(deal(&happenings, &owners, &damage), &steps)?;
            let mut counts = counts.lock().expect("nobody fails under the lock");
            for step in steps {
                *counts.entry(step.name()).or_default() += 1;
            }
            Ok(())
        },
    );
    let counts = counts.into_inner().expect("no thread failed");
    let done: Vec<_> = counts
        .iter()
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
    proved("I1", &format!("{sequences} sequences: {}", done.join(", ")));
}

/// What may be done to a segment between two lives of a fold.
fn change() -> impl Strategy<Value = (usize, u8, usize)> {
    (0..3_usize, 0..9_u8, 0..2_000_usize)
}

#[test]
#[ignore = "5,000 logs: `just guarantees` runs it"]
fn after_whatever_is_done_to_a_log_its_checkpoint_is_not_used_or_right() {
    let logs = quick_or_soak(5_000, 200_000);
    let used = Mutex::new(0_u64);
    let cases_of = || {
        (
            few_happenings(),
            owners(),
            prop::collection::vec(change(), 1..4),
        )
    };
    check_law(logs, cases_of, |(happenings, owners, changes)| {
        if check_changed(&deal(&happenings, &owners, &[]), changes)? {
            *used.lock().expect("nobody fails under the lock") += 1;
        }
        Ok(())
    });
    let used = used.into_inner().expect("no thread failed");
    assert!(
        used > 0 && used < u64::from(logs),
        "{used} of {logs} were used"
    );
    proved(
        "I2",
        &format!("{logs} logs changed, {used} checkpoints still fitted, all rightly"),
    );
}

#[test]
#[ignore = "1,000 shuffles: `just guarantees` runs it"]
fn in_whatever_order_lines_arrive_the_reports_are_those_of_log_order() {
    let shuffles = quick_or_soak(1_000, 50_000);
    let cases_of = || {
        let arrival = || Just(Vec::from_iter(0..16_usize)).prop_shuffle();
        (few_happenings(), owners(), arrival(), arrival())
    };
    check_law(
        shuffles,
        cases_of,
        |(happenings, owners, arrival, places)| {
            let lines = lines(&happenings, "s");
            let whole = Run::new();
            whole.write("s.jsonl", &lines.concat());
            let expected = whole.reports();
            // Numbered lines, in any order in their file.
            let shuffled = Run::new();
            let of = |at: &usize| lines.get(at + 1).map_or("", String::as_str);
            let text: String = places.iter().map(of).collect();
            shuffled.write("s.jsonl", &(lines[0].clone() + &text));
            prop_assert_eq!(shuffled.reports(), expected.as_str());
            // A segment for each line, which turns up at any time.
            let live = Run::new();
            let mut fold = live.open();
            for at in &arrival {
                live.write(&format!("{at}-{}.jsonl", owners[*at]), of(at));
                fold.catch_up().expect("readable");
            }
            prop_assert_eq!(reports(fold.state()), expected);
            Ok(())
        },
    );
    proved(
        "I3",
        &format!("{shuffles} shuffles of lines in a file, {shuffles} of segments as they arrive"),
    );
}
