//! Runs the proof of each promise in `docs/guarantees.md`, and prints what each counted.
//!
//! The file's tables are read as they stand: a row is a promise, and the last column but one names
//! its tests. A test that is not there, or that fails, is a failure of the promise.
//!
//! ```sh
//! just guarantees            # the counts of every run
//! just guarantees --soak     # those of the soak
//! just guarantees --write    # and the counts go into the file
//! ```

#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use anyhow::{Context, Result, ensure};
use clap::Parser;
use comfy_table::Table;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guarantees.md");

#[derive(Debug, Parser)]
struct Options {
    /// Count as far as the soak does
    #[arg(long)]
    soak: bool,
    /// Write the counts into the file that holds the promises
    #[arg(long)]
    write: bool,
    /// Only these promises, such as A1
    promises: Vec<String>,
}

/// A row of the tables.
struct Promise<'d> {
    id: &'d str,
    text: &'d str,
    /// The paths of the tests, of which each is a whole one or the end of one.
    tests: Vec<&'d str>,
}

/// What came out of the tests.
#[derive(Default)]
struct Outcome {
    /// Whether each test that ran passed, by its path.
    passed: BTreeMap<String, bool>,
    /// What was counted, by promise.
    counts: BTreeMap<String, Vec<String>>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let docs = std::fs::read_to_string(DOCS).with_context(|| format!("cannot read {DOCS}"))?;
    let mut promises: Vec<_> = docs.lines().filter_map(Promise::parse).collect();
    ensure!(!promises.is_empty(), "no table row of {DOCS} is a promise");
    if !options.promises.is_empty() {
        promises.retain(|promise| options.promises.iter().any(|id| id == promise.id));
    }
    let outcome = run(&promises, options.soak)?;
    let mut failures = Vec::new();
    let mut table = Table::new();
    table.set_header(["", "tests", "counted", "promise"]);
    for promise in &promises {
        let bad: Vec<_> = promise.bad_tests(&outcome).collect();
        let tests = match bad.is_empty() {
            true => promise.tests.len().to_string(),
            false => "failed".to_owned(),
        };
        table.add_row([
            promise.id,
            &tests,
            &outcome.counted(promise.id),
            promise.text,
        ]);
        failures.extend(
            bad.into_iter()
                .map(|test| format!("{}: {test}", promise.id)),
        );
    }
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    println!("{table}");
    ensure!(failures.is_empty(), "not proved:\n{}", failures.join("\n"));
    println!("{} promises, each with its proof", promises.len());
    if options.write {
        let written: Vec<_> = docs.lines().map(|line| outcome.fill_in(line)).collect();
        std::fs::write(DOCS, written.join("\n") + "\n")?;
    }
    Ok(())
}

/// Runs all tests that the promises name, and prints what cargo says.
fn run(promises: &[Promise<'_>], is_soak: bool) -> Result<Outcome> {
    let names: BTreeSet<_> = promises.iter().flat_map(|promise| &promise.tests).collect();
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .args([
            "test",
            "--workspace",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
            "--",
        ])
        .args(["--include-ignored", "--show-output"])
        .args(names)
        .stderr(Stdio::inherit());
    if is_soak {
        cargo.env("RETALLY_SOAK", "1");
    }
    let output = cargo.output().context("cannot run cargo")?;
    let mut outcome = Outcome::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        outcome.take_in(line);
        if !output.status.success() {
            println!("{line}");
        }
    }
    Ok(outcome)
}

impl<'d> Promise<'d> {
    /// Reads a row such as `| A1 | What is promised. | counts | `a::test`, `another` |`.
    fn parse(line: &'d str) -> Option<Self> {
        let mut cells = line
            .strip_prefix('|')?
            .strip_suffix('|')?
            .split('|')
            .map(str::trim);
        let [id, text, _counts, tests] =
            [cells.next()?, cells.next()?, cells.next()?, cells.next()?];
        let (letter, number) = id.split_at_checked(1)?;
        let is_id = letter.chars().all(|c| c.is_ascii_uppercase()) && number.parse::<u8>().is_ok();
        let tests = tests.split('`').skip(1).step_by(2).collect();
        is_id.then_some(Self { id, text, tests })
    }

    fn bad_tests<'p>(&'p self, outcome: &'p Outcome) -> impl Iterator<Item = String> + 'p {
        let none = self.tests.is_empty().then(|| "names no test".to_owned());
        let bad = self.tests.iter().filter_map(|test| {
            let mut found = outcome
                .passed
                .iter()
                .filter(|(path, _)| path.ends_with(test))
                .peekable();
            match found.peek() {
                None => Some(format!("{test} is not there")),
                Some(_) => (!found.all(|(_, passed)| *passed)).then(|| format!("{test} failed")),
            }
        });
        none.into_iter().chain(bad)
    }
}

impl Outcome {
    fn take_in(&mut self, line: &str) {
        if let Some((id, counts)) = line
            .strip_prefix("proved ")
            .and_then(|rest| rest.split_once(": "))
        {
            self.counts
                .entry(id.to_owned())
                .or_default()
                .push(counts.to_owned());
        }
        let test = line
            .strip_prefix("test ")
            .and_then(|rest| rest.split_once(" ... "));
        if let Some((path, result)) = test {
            self.passed.insert(path.to_owned(), result == "ok");
        }
    }

    fn counted(&self, id: &str) -> String {
        self.counts
            .get(id)
            .map(|counts| counts.join("; "))
            .unwrap_or_default()
    }

    /// Returns a line of the file with the counts of its promise.
    fn fill_in(&self, line: &str) -> String {
        let Some(promise) = Promise::parse(line) else {
            return line.to_owned();
        };
        let counted = self.counted(promise.id);
        let mut cells: Vec<_> = line.split('|').collect();
        let cell = format!(" {counted} ");
        if !counted.is_empty() {
            cells[3] = &cell;
        }
        cells.join("|")
    }
}
