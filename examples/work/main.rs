//! One kind of work and nothing else, whose time `just bench` takes, and whose instructions
//! `just instructions` counts. Prints how many seconds passed, and how many seconds of processors
//! it used, without what it had to prepare.
//!
//! ```sh
//! cargo run --release --example work -- append /tmp/new --events 1000
//! cargo run --release --example work -- read /tmp/tree
//! ```

#![expect(clippy::print_stdout, reason = "it is what the example is for")]

mod append;
mod fold;
mod plain_loop;
mod reports;
mod stopwatch;

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;

#[derive(Debug, Parser)]
enum Work {
    /// Appends events to a run, which is made where it is not there
    Append(append::Options),
    /// Writes the bytes of such events with a bare `write(2)` each
    Write(append::Options),
    /// Reads, checks and parses all lines of a root
    Read {
        /// The root
        root: PathBuf,
    },
    /// Folds all runs of a root entry by entry, as a watcher does that keeps up
    Fold {
        /// The root
        root: PathBuf,
    },
    /// Folds the logs of a root as an average engineer would, with a loop over serde_json's values
    PlainLoop {
        /// The root
        root: PathBuf,
    },
    /// Writes all report files of a root, which are removed first
    Reports {
        /// The root
        root: PathBuf,
    },
    /// Writes as many files of that size as a root has reports, and renames each
    Files {
        /// The root
        root: PathBuf,
    },
    /// Appends events to a run that is kept up to date, and writes its reports after each
    Live {
        /// The root
        root: PathBuf,
        /// How many events are appended
        #[arg(long)]
        events: u32,
    },
}

fn main() -> Result<()> {
    let took = match Work::parse() {
        Work::Append(options) => append::append(&options)?,
        Work::Write(options) => append::write(&options)?,
        Work::Read { root } => fold::read(&root)?,
        Work::Fold { root } => fold::fold(&root)?,
        Work::PlainLoop { root } => plain_loop::fold(&root)?,
        Work::Reports { root } => reports::write(&root)?,
        Work::Files { root } => reports::write_plain_files(&root)?,
        Work::Live { root, events } => fold::live(&root, events)?,
    };
    let (passed, used) = (took.passed.as_secs_f64(), took.used.as_secs_f64());
    println!("{passed} {used}");
    Ok(())
}
