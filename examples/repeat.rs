//! Does one thing as often as it is told to and nothing beside it, so that a profiler can tell what
//! once costs.
//!
//! ```sh
//! cargo run --release --example repeat -- append --events 10000 /tmp/root
//! cargo run --release --example repeat -- fold /tmp/root
//! ```

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use retally_log::{Decimal, LlmCalled, LogReader, Root, RunId, Writer, WriterOptions};
use retally_redact::SecretRedactor;
use retally_reduce::{PriceBook, RunFold};
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    thing: Thing,
}

#[derive(Debug, Subcommand)]
enum Thing {
    /// Append events to a new run of the root, one a call
    Append {
        root: PathBuf,
        #[arg(long)]
        events: u64,
        /// Look for secrets in them
        #[arg(long)]
        redact: bool,
    },
    /// Read the logs of the root
    Read { root: PathBuf },
    /// Fold the logs of the root
    Fold { root: PathBuf },
    /// Fold the logs of the root and make all their reports
    Report { root: PathBuf },
}

fn main() -> Result<()> {
    let thing = Options::parse().thing;
    // On a pool's thread nothing is shared with others, so that the same is done each time.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    pool.install(|| match thing {
        Thing::Append {
            root,
            events,
            redact,
        } => append(&Root::new(root), events, redact),
        Thing::Read { root } => read(&Root::new(root)),
        Thing::Fold { root } => fold(&Root::new(root), false),
        Thing::Report { root } => fold(&Root::new(root), true),
    })
}

fn append(root: &Root, events: u64, redact: bool) -> Result<()> {
    let run = root.create_run(&RunId::new("repeat")?)?;
    let mut options = WriterOptions::default();
    if redact {
        options.redactor = Some(Arc::new(SecretRedactor::new()));
    }
    let writer = Writer::new(run, options);
    let cost = Decimal::parse("0.0123").ok().context("a cost")?;
    for number in 0..events {
        writer.append(LlmCalled {
            issue: Some((number % 10).into()),
            agent: Some("coding".into()),
            provider: Some("deepseek".into()),
            model: "deepseek-chat".into(),
            input_tokens: Some(5200),
            output_tokens: Some(810),
            cache_read_tokens: None,
            cache_write_tokens: None,
            reasoning_tokens: None,
            cost_usd: Some(cost.clone()),
            duration_ms: Some(1500),
            success: None,
            error: None,
            calls: None,
        })?;
    }
    Ok(())
}

fn read(root: &Root) -> Result<()> {
    for id in root.runs()? {
        let mut log = LogReader::open(root.run(&id).events_path())?;
        while log.next(|entry| _ = black_box(entry))?.is_some() {}
    }
    Ok(())
}

fn fold(root: &Root, makes_reports: bool) -> Result<()> {
    let prices = Arc::new(PriceBook::for_root(root.path())?);
    for id in root.runs()? {
        let mut fold = RunFold::open(root.path(), &id, Arc::clone(&prices))?;
        fold.catch_up()?;
        let state = fold.state();
        if makes_reports {
            for issue in state.issues_by_appearance() {
                black_box(retally_reduce::to_json_bytes(&state.issue_report(issue)));
            }
            black_box(retally_reduce::to_json_bytes(&state.run_report()));
        }
    }
    Ok(())
}
