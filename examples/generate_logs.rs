//! Writes logs such as orchestrators leave, the same bytes for the same options but for the names
//! of segments and what they state of the machine.
//!
//! ```sh
//! cargo run --release --example generate_logs -- --root /tmp/tree --runs 2815 --events 5000000
//! cargo run --release --example generate_logs -- --root /tmp/one --runs 1 --events 1000000
//! cargo run --release --example generate_logs -- --root /tmp/foreign --runs 300 --shape foreign
//! ```

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use retally_log::{Draft, ManualClock, Root, RunDir, RunId, Times, Writer, WriterOptions};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug, Parser)]
struct Options {
    /// Where the runs go; nothing may be there
    #[arg(long)]
    root: PathBuf,
    /// How many runs there are
    #[arg(long, default_value_t = 300)]
    runs: u64,
    /// How many events there are in all, about
    #[arg(long, default_value_t = 500_000)]
    events: u64,
    /// How many segments each run has
    #[arg(long, default_value_t = 1)]
    segments: u64,
    /// What chance starts from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How lines are written
    #[arg(long, value_enum, default_value_t)]
    shape: Shape,
}

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// As retally writes them
    #[default]
    Own,
    /// Without `seq` and checksum, keys in another order, with spaces
    Foreign,
}

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(
        !options.root.exists(),
        "{} is there",
        options.root.display()
    );
    let root = Root::new(&options.root);
    for number in 0..options.runs {
        let id = RunId::new(format!(
            "run_20241203_{:06}_project_{}",
            number % 240_000,
            number % 7
        ))?;
        let events = options.events / options.runs;
        let mut lines = Vec::new();
        Script::new(options.seed.wrapping_add(number), events).write(&mut lines);
        write_run(&root.create_run(&id)?, &options, &lines)?;
    }
    Ok(())
}

fn write_run(run: &RunDir, options: &Options, lines: &[(u64, String)]) -> Result<()> {
    if options.shape == Shape::Foreign {
        let mut file = std::fs::File::create(run.events_path().join("foreign.jsonl"))?;
        let text: String = lines
            .iter()
            .map(|(micros, line)| foreign(*micros, line))
            .collect();
        file.write_all(text.as_bytes())?;
        return Ok(());
    }
    let clock = Arc::new(ManualClock::new(START.parse()?));
    let writers: Vec<_> = (0..options.segments)
        .map(|_| {
            let clock = clock.clone();
            Writer::new(
                run.clone(),
                WriterOptions {
                    times: Times::Stamped,
                    clock,
                    ..WriterOptions::default()
                },
            )
        })
        .collect();
    let mut now = 0;
    for ((micros, line), writer) in lines.iter().zip(writers.iter().cycle()) {
        clock.advance(Duration::from_micros(micros - now));
        now = *micros;
        writer.append(Draft::from_json(line.as_bytes())?)?;
    }
    Ok(())
}

const START: &str = "2024-12-03T14:30:22Z";

fn foreign(micros: u64, line: &str) -> String {
    let rest = line.trim_start_matches('{').replacen(",\"", ", \"", 2);
    let rest = rest.strip_suffix('}').unwrap_or(&rest);
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!(
        "{{{rest}, \"ts\": \"2024-12-03T{hours:02}:{minutes:02}:{:02}.{micros:06}+00:00\"}}\n",
        seconds % 60
    )
}

/// What happens in one run.
struct Script {
    random: u64,
    events: u64,
    micros: u64,
    lines: Vec<(u64, String)>,
}

const AGENTS: [&str; 4] = ["planning", "coding", "testing", "review"];
const MODELS: [(&str, &str); 3] = [
    ("anthropic", "claude-sonnet-4-20250514"),
    ("openai", "gpt-4o"),
    ("deepseek", "deepseek-chat"),
];
const TOOLS: [&str; 5] = ["read_file", "edit_file", "run_tests", "grep", "git_commit"];

impl Script {
    fn new(seed: u64, events: u64) -> Self {
        Self {
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            events,
            micros: 0,
            lines: Vec::new(),
        }
    }

    fn write(mut self, lines: &mut Vec<(u64, String)>) {
        let (provider, model) = MODELS[self.below(3)];
        self.say(&format!(r#"{{"type":"run.started","project_id":"group/app","llm":{{"provider":"{provider}","model":"{model}","temperature":0.2}},"mode":"implement_all","tags":{{"branch":"main"}}}}"#));
        let mut issue = 100;
        while (self.lines.len() as u64) < self.events.saturating_sub(2) {
            issue += 1;
            self.issue(issue, provider, model);
        }
        self.lines
            .truncate(usize::try_from(self.events.saturating_sub(1)).unwrap_or(usize::MAX));
        self.say(r#"{"type":"run.finished","status":"completed"}"#);
        *lines = self.lines;
    }

    fn issue(&mut self, issue: u64, provider: &str, model: &str) {
        self.say(&format!(r#"{{"type":"issue.started","issue":{issue},"title":"Let users reset their password by mail"}}"#));
        let attempts = 1 + self.below(3);
        for agent in AGENTS.iter().take(1 + self.below(4)) {
            for attempt in 0..attempts {
                self.say(&format!(r#"{{"type":"agent.started","issue":{issue},"agent":"{agent}","span":"{issue}-{agent}-{attempt}"}}"#));
                let calls = 2 + self.below(8);
                for _ in 0..calls {
                    let (input, output, millis) = (
                        2_000 + self.below(30_000),
                        100 + self.below(2_000),
                        800 + self.below(20_000),
                    );
                    let (cached, cost) = (input / 2, 1 + self.below(999));
                    self.say(&format!(r#"{{"type":"llm.called","issue":{issue},"agent":"{agent}","provider":"{provider}","model":"{model}","input_tokens":{input},"output_tokens":{output},"cache_read_tokens":{cached},"cost_usd":0.0{cost},"duration_ms":{millis},"success":true}}"#));
                    for _ in 0..2 + self.below(4) {
                        let (tool, millis) = (TOOLS[self.below(5)], 5 + self.below(4_000));
                        let mut line = format!(
                            r#"{{"type":"tool.called","issue":{issue},"agent":"{agent}","tool":"{tool}","success":"#
                        );
                        match self.below(12) {
                            0 => write!(line, r#"false,"duration_ms":{millis},"error":"exit status 1: 3 tests failed, 41 passed"}}"#),
                            _ => write!(line, r#"true,"duration_ms":{millis}}}"#),
                        }
                        .expect("a String takes every write");
                        self.say(&line);
                    }
                }
                let success = attempt + 1 == attempts;
                self.say(&format!(r#"{{"type":"agent.finished","issue":{issue},"agent":"{agent}","span":"{issue}-{agent}-{attempt}","success":{success}}}"#));
            }
        }
        for pipeline in 0..attempts {
            let status = if pipeline + 1 == attempts {
                "success"
            } else {
                "failed"
            };
            let id = issue * 10 + pipeline as u64;
            self.say(&format!(r#"{{"type":"pipeline.recorded","issue":{issue},"pipeline_id":{id},"status":"running","commit_sha":"3b18e512dba79e4c8300dd08aeb37f8e728b8dad","name":"CI"}}"#));
            self.say(&format!(r#"{{"type":"pipeline.recorded","issue":{issue},"pipeline_id":{id},"status":"{status}","commit_sha":"3b18e512dba79e4c8300dd08aeb37f8e728b8dad","name":"CI","duration_ms":184000}}"#));
            if status == "failed" {
                self.say(&format!(r#"{{"type":"debug.started","issue":{issue},"agent":"coding","error_type":"test_failure","error_message":"assertion failed: left == right in login_page_is_shown"}}"#));
                self.say(&format!(
                    r#"{{"type":"debug.attempted","issue":{issue},"agent":"coding"}}"#
                ));
                self.say(&format!(r#"{{"type":"debug.finished","issue":{issue},"agent":"coding","resolved":true,"resolution_method":"fix_test"}}"#));
            }
        }
        let (files, added, deleted) = (1 + self.below(9), self.below(300), self.below(100));
        self.say(&format!(r#"{{"type":"code.changed","issue":{issue},"agent":"coding","files_modified":{files},"lines_added":{added},"lines_deleted":{deleted},"commits":1}}"#));
        let status = if self.below(5) == 0 {
            "failed"
        } else {
            "completed"
        };
        self.say(&format!(
            r#"{{"type":"issue.finished","issue":{issue},"status":"{status}"}}"#
        ));
    }

    /// Adds an event, some time after the one before.
    fn say(&mut self, line: &str) {
        self.micros += 1_000 + self.below(400_000) as u64;
        self.lines.push((self.micros, line.to_owned()));
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap_or(0) % limit
    }
}
