//! What the command does when the Nth call of the system fails, for every N.
//!
//! A library in front of the C library lets the calls fail. It sees those that std makes (all of
//! the writer's), not the system calls that the report files are written with.

use super::{proved, quick_or_soak};
use crate::support::Sandbox;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

const RUN: &str = "run_20241203_143022_project_168";
const EVENTS: usize = 40;

/// Builds the library, or says why it cannot.
fn shim(sandbox: &Sandbox) -> Option<String> {
    let (source, built) = (
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/guarantees/failing_calls.c"
        ),
        sandbox.path("failing_calls.so").display().to_string(),
    );
    let words = [
        "-shared", "-fPIC", "-O1", "-w", "-o", &built, source, "-ldl",
    ];
    match Command::new("cc").args(words).output() {
        Err(error) => {
            skipped(&format!("there is no C compiler: {error}"));
            None
        }
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{told}");
            Some(built)
        }
    }
}

#[expect(clippy::print_stdout, reason = "`just guarantees` prints it")]
fn skipped(reason: &str) {
    println!("skipped: {reason}");
}

/// Which call of a process fails.
#[derive(Clone, Copy, Debug)]
struct Fault {
    number: i64,
    errno: i32,
    /// Whether those behind it fail too.
    is_for_ever: bool,
}

const NONE: Fault = Fault {
    number: -1,
    errno: 0,
    is_for_ever: false,
};

/// How a command ended.
struct Outcome {
    code: Option<i32>,
    told: String,
    calls: i64,
}

/// A run, and what is asked of the command with some call failing.
struct Case<'c> {
    shim: &'c str,
    words: &'c [&'c str],
    input: &'c str,
}

impl Case<'_> {
    fn run(&self, sandbox: &Sandbox, fault: Fault) -> Outcome {
        let count = sandbox.path("calls");
        let mut command = sandbox.command();
        command
            .env("LD_PRELOAD", self.shim)
            .env("FAIL_NUMBER", fault.number.to_string())
            .env("FAIL_ERRNO", fault.errno.to_string())
            .env("FAIL_COUNT", &count);
        if fault.is_for_ever {
            command.env("FAIL_ALL", "1");
        }
        let told = sandbox.run_in(&mut command, self.words, self.input);
        let code = told
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("exit "));
        Outcome {
            code: code.map(|code| code.parse().expect("a number")),
            calls: std::fs::read_to_string(&count).map_or(0, |text| text.parse().unwrap_or(0)),
            told,
        }
    }

    /// Runs the command once for each call of it and each error, and returns how often.
    fn check_all(
        &self,
        prepare: impl Fn(&Sandbox) + Sync,
        check: impl Fn(&Sandbox, &Outcome, Fault) + Sync,
    ) -> usize {
        let sound = Sandbox::new();
        prepare(&sound);
        let calls = self.run(&sound, NONE).calls;
        assert!(calls > 2, "{:?} makes {calls} calls", self.words);
        let errnos = quick_or_soak(
            &[libc::ENOSPC, libc::EINTR][..],
            &[
                libc::ENOSPC,
                libc::EIO,
                libc::EDQUOT,
                libc::EINTR,
                libc::ENOLCK,
            ],
        );
        let mut faults = Vec::new();
        for (errno, is_for_ever) in errnos
            .iter()
            .flat_map(|errno| [(*errno, false), (*errno, true)])
        {
            // What is interrupted is tried again, for ever.
            if !is_for_ever || errno != libc::EINTR {
                faults.extend((0..calls).map(|number| Fault {
                    number,
                    errno,
                    is_for_ever,
                }));
            }
        }
        let refusals = AtomicUsize::new(0);
        let check = |fault: &Fault| {
            let sandbox = Sandbox::new();
            prepare(&sandbox);
            let outcome = self.run(&sandbox, *fault);
            let is_panic = outcome.told.contains("panicked") || outcome.code == Some(101);
            assert!(!is_panic, "{:?}, {fault:?}: {}", self.words, outcome.told);
            check(&sandbox, &outcome, *fault);
            refusals.fetch_add(usize::from(outcome.code.is_some()), Ordering::Relaxed);
        };
        let (some, others) = faults.split_at(faults.len() / 2);
        std::thread::scope(|scope| {
            scope.spawn(|| some.iter().for_each(&check));
            others.iter().for_each(&check);
        });
        assert!(refusals.into_inner() > 0, "nothing did fail");
        faults.len()
    }
}

fn started(sandbox: &Sandbox) {
    sandbox.run(&["start", "--project", "168"]);
}

/// Returns lines that the command takes in more than one piece.
fn input() -> String {
    let rest = "x".repeat(8000);
    let line = |at| format!("{{\"type\":\"note.added\",\"text\":\"event {at} {rest}\"}}\n");
    (0..EVENTS).map(line).collect()
}

/// Returns the numbers of the events that stand in the log.
fn standing(sandbox: &Sandbox) -> Vec<usize> {
    let events = sandbox.events(RUN);
    let texts = events
        .lines()
        .filter_map(|line| line.split_once("event ")?.1.split(' ').next());
    let mut numbers: Vec<usize> = texts.filter_map(|text| text.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
#[ignore = "hundreds of runs of the command: `just guarantees` runs it"]
fn whichever_call_fails_the_command_says_so_or_has_appended_everything() {
    let sandbox = Sandbox::new();
    let Some(shim) = shim(&sandbox) else { return };
    let input = input();
    let mut runs = 0;
    for words in [&["append", RUN][..], &["append", RUN, "--sync"]] {
        let case = Case {
            shim: &shim,
            words,
            input: &input,
        };
        runs += case.check_all(started, |sandbox, outcome, fault| {
            let numbers = standing(sandbox);
            let mut distinct = numbers.clone();
            distinct.dedup();
            assert_eq!(numbers, distinct, "{fault:?}: an event stands twice");
            if outcome.code.is_none() {
                assert_eq!(numbers.len(), EVENTS, "{fault:?}: {}", outcome.told);
            }
            // Whatever stands, the log is one that can be gone on with.
            assert_eq!(
                sandbox.run_with_input(
                    &["append", RUN],
                    "{\"type\":\"note.added\",\"text\":\"event 9999 \"}"
                ),
                ""
            );
            assert_eq!(standing(sandbox).len(), numbers.len() + 1, "{fault:?}");
        });
    }
    proved(
        "A3",
        &format!("{runs} runs of the command with a call that fails"),
    );
}

#[test]
#[ignore = "hundreds of runs of the command: `just guarantees` runs it"]
fn whichever_call_fails_report_files_are_whole_or_not_there() {
    let sandbox = Sandbox::new();
    let Some(shim) = shim(&sandbox) else { return };
    let input = input();
    let prepare = |sandbox: &Sandbox| {
        started(sandbox);
        sandbox.run_with_input(&["append", RUN], &input);
    };
    let whole = Sandbox::new();
    prepare(&whole);
    whole.run(&["rebuild"]);
    let expected = whole.reports(RUN);
    assert!(!expected.is_empty());
    let mut runs = 0;
    for words in [&["rebuild"][..], &["watch", "--once"]] {
        let case = Case {
            shim: &shim,
            words,
            input: "",
        };
        runs += case.check_all(prepare, |sandbox, outcome, fault| {
            let reports = sandbox.reports(RUN);
            let files: Vec<_> = reports.iter().filter(|(name, _)| is_report(name)).collect();
            for file in &files {
                assert!(expected.contains(file), "{fault:?}: {}", file.0);
            }
            if outcome.code.is_none() {
                assert_eq!(files.len(), expected.len(), "{fault:?}: {}", outcome.told);
            }
        });
    }
    proved(
        "F4",
        &format!("{runs} rebuilds and watches with a call that fails"),
    );
}

fn is_report(name: &str) -> bool {
    let name = Path::new(name)
        .file_name()
        .expect("a name")
        .to_string_lossy();
    name.ends_with(".json") && !name.starts_with('.')
}
