//! Appending, and the floor below it.

use crate::stopwatch::{Stopwatch, Took};
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use retally_log::{Decimal, Draft, Durability, IssueId, LlmCalled, Root, RunId, ToolCalled};
use retally_log::{Writer, WriterOptions};
use retally_redact::SecretRedactor;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::thread;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The root
    root: PathBuf,
    /// The run
    #[arg(long, default_value = "run_1")]
    run: String,
    /// How many events are appended by each thread
    #[arg(long)]
    events: u64,
    /// How many of them a call appends
    #[arg(long, default_value_t = 1)]
    batch: u64,
    /// How many threads share the writer
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// What an event survives
    #[arg(long, value_enum, default_value_t)]
    durability: Survives,
    /// Take secrets out of texts first
    #[arg(long)]
    redact: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Survives {
    /// The death of the process
    #[default]
    Process,
    /// Power loss too
    Power,
}

pub(crate) fn append(options: &Options) -> Result<Took> {
    ensure!(options.batch > 0, "a call appends at least one event");
    let run = Root::new(&options.root).open_or_create_run(&RunId::new(options.run.as_str())?)?;
    let durability = match options.durability {
        Survives::Process => Durability::Process,
        Survives::Power => Durability::Power,
    };
    let writer = Writer::new(
        run,
        WriterOptions {
            durability,
            redactor: options.redact.then(|| Arc::new(SecretRedactor::new()) as _),
            ..WriterOptions::default()
        },
    );
    // The first takes a segment.
    writer.append(event(0))?;
    let start = Stopwatch::start();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads)
            .map(|_| scope.spawn(|| append_share(&writer, options)))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            let result = thread.join().ok();
            result.context("a thread panicked")?
        })
    })?;
    Ok(start.took())
}

fn append_share(writer: &Writer, options: &Options) -> Result<()> {
    if options.batch == 1 {
        for number in 0..options.events {
            writer.append(event(number))?;
        }
        return Ok(());
    }
    for first in (0..options.events).step_by(usize::try_from(options.batch)?) {
        let numbers = first..options.events.min(first + options.batch);
        let drafts: Vec<_> = numbers.map(event).collect();
        writer.append_batch(&drafts)?;
    }
    Ok(())
}

/// Writes the lines that appending the same events gave.
pub(crate) fn write(options: &Options) -> Result<Took> {
    append(options)?;
    let events = Root::new(&options.root)
        .run(&RunId::new(options.run.as_str())?)
        .events_path();
    let segment = events.read_dir()?.next().context("there is a segment")??;
    let content = std::fs::read(segment.path())?;
    let mut file = File::options()
        .append(true)
        .create_new(true)
        .open(options.root.join("bare"))?;
    let start = Stopwatch::start();
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        file.write_all(line)?;
    }
    Ok(start.took())
}

/// The ids of issues, as texts, which is how orchestrators hold them.
static ISSUES: LazyLock<Vec<String>> =
    LazyLock::new(|| (100..1_100).map(|number| number.to_string()).collect());

/// Returns one of the two events that logs are full of.
pub(crate) fn event(number: u64) -> Draft<'static> {
    let at = usize::try_from(number / 40).unwrap_or(0) % ISSUES.len();
    let (issue, agent) = (IssueId::new(&*ISSUES[at]), "coding".into());
    let (issue, agent) = (Some(issue), Some(agent));
    let (duration_ms, success) = (Some(1_000 + number % 1_000), Some(true));
    if !number.is_multiple_of(4) {
        return Draft::from(ToolCalled {
            issue,
            agent,
            tool: "run_tests".into(),
            success,
            duration_ms,
            error: None,
            calls: None,
        });
    }
    Draft::from(LlmCalled {
        issue,
        agent,
        provider: Some("anthropic".into()),
        model: "claude-sonnet-4-20250514".into(),
        input_tokens: Some(10_000 + number % 1_000),
        output_tokens: Some(100 + number % 100),
        cache_read_tokens: Some(5_000),
        cache_write_tokens: None,
        reasoning_tokens: None,
        cost_usd: Decimal::from_nanos(123_000),
        duration_ms,
        success,
        error: None,
        calls: None,
    })
}
