//! Logs such as orchestrators leave.

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use retally_log::{Clock, Draft, ManualClock, Root, RunDir, RunId, Times, Writer, WriterOptions};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What is written where.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Options {
    /// Where the runs go; nothing may be there
    #[arg(long)]
    pub(crate) root: PathBuf,
    /// How many runs there are
    #[arg(long, default_value_t = 300)]
    pub(crate) runs: u64,
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

/// Writes all runs.
pub(crate) fn write(options: &Options) -> Result<()> {
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
        let lines = Script::new(number, options).lines();
        let clock = Arc::new(ManualClock::new(START.parse()?));
        clock.advance(BETWEEN_RUNS * u32::try_from(number)?);
        let run = root.create_run(&id)?;
        match options.shape {
            Shape::Own => append(&run, &clock, options.segments, &lines)?,
            Shape::Foreign => write_as_others_do(&run, &clock, &lines)?,
        }
    }
    Ok(())
}

const START: &str = "2024-12-03T14:30:22Z";
const BETWEEN_RUNS: Duration = Duration::from_secs(17 * 60);

/// Writes events with retally, each segment in its turn.
fn append(run: &RunDir, clock: &Arc<ManualClock>, segments: u64, lines: &[Line]) -> Result<()> {
    let options = || WriterOptions {
        times: Times::Stamped,
        clock: clock.clone(),
        ..WriterOptions::default()
    };
    let writers: Vec<Writer> = (0..segments)
        .map(|_| Writer::new(run.clone(), options()))
        .collect();
    for (line, writer) in lines.iter().zip(writers.iter().cycle()) {
        clock.advance(line.pause);
        writer.append(Draft::from_json(line.json.as_bytes())?)?;
    }
    Ok(())
}

fn write_as_others_do(run: &RunDir, clock: &ManualClock, lines: &[Line]) -> Result<()> {
    let mut text = String::new();
    for Line { pause, json } in lines {
        clock.advance(*pause);
        let rest = json.trim_start_matches('{').replacen(",\"", ", \"", 2);
        let rest = rest.strip_suffix('}').unwrap_or(&rest);
        let ts = clock.now().to_string().replace('Z', "+00:00");
        writeln!(text, "{{{rest}, \"ts\": \"{ts}\"}}")?;
    }
    std::fs::write(run.events_path().join("foreign.jsonl"), text)?;
    Ok(())
}

/// An event without its time.
struct Line {
    /// How long after the one before.
    pause: Duration,
    json: String,
}

/// What happens in one run.
struct Script {
    random: u64,
    events: u64,
    lines: Vec<Line>,
    model: Model,
}

/// A model, and how well it does.
#[derive(Clone, Copy)]
struct Model {
    provider: &'static str,
    name: &'static str,
    /// Issues of a hundred that it completes, before what temperature takes away.
    completes: usize,
    /// Of a call, in hundredths of a cent, on an average.
    price: usize,
}

const AGENTS: [&str; 4] = ["planning", "coding", "testing", "review"];
const MODELS: [Model; 3] = [
    Model {
        provider: "anthropic",
        name: "claude-sonnet-4-20250514",
        completes: 84,
        price: 420,
    },
    Model {
        provider: "openai",
        name: "gpt-4o",
        completes: 72,
        price: 300,
    },
    Model {
        provider: "deepseek",
        name: "deepseek-chat",
        completes: 66,
        price: 40,
    },
];
const TEMPERATURES: [&str; 3] = ["0.0", "0.2", "0.8"];
const TOOLS: [&str; 5] = ["read_file", "edit_file", "run_tests", "grep", "git_commit"];
/// What goes wrong, and whose work it is to put that right; the first more often than the others.
const ERRORS: [(&str, &str, &str); 4] = [
    (
        "test_failure",
        "coding",
        "assertion failed: left == right in login_page_is_shown",
    ),
    (
        "build_error",
        "coding",
        "cannot find value `session` in this scope",
    ),
    (
        "flaky_test",
        "testing",
        "timed out after 30 s: mail_is_sent",
    ),
    (
        "merge_conflict",
        "review",
        "CONFLICT (content): Merge conflict in src/login.rs",
    ),
];
/// How many issues the project has, of which a run takes some in a row.
const ISSUES: usize = 2_000;

impl Script {
    fn new(number: u64, options: &Options) -> Self {
        let seed = options.seed.wrapping_add(number);
        let mut script = Self {
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            events: options.events / options.runs,
            lines: Vec::new(),
            model: MODELS[0],
        };
        script.model = MODELS[script.below(3)];
        // The project's prompts get better.
        script.model.completes += usize::try_from(12 * number / options.runs).unwrap_or(0);
        script
    }

    /// Returns all events.
    fn lines(mut self) -> Vec<Line> {
        let Model { provider, name, .. } = self.model;
        let temperature = self.below(3);
        self.model.completes -= 5 * temperature;
        let temperature = TEMPERATURES[temperature];
        self.say(&format!(r#"{{"type":"run.started","project_id":"group/app","llm":{{"provider":"{provider}","model":"{name}","temperature":{temperature}}},"mode":"implement_all","tags":{{"branch":"main"}}}}"#));
        let mut ends = Vec::new();
        let mut issue = 100 + self.below(ISSUES) as u64;
        while (self.lines.len() as u64) < self.events.saturating_sub(2) {
            issue += 1;
            self.issue(issue);
            ends.push(self.lines.len());
        }
        // A run ends between issues, but for the shortest, in which none ends.
        let most = usize::try_from(self.events.saturating_sub(1)).unwrap_or(usize::MAX);
        let ended = ends.into_iter().rfind(|end| *end <= most);
        self.lines.truncate(ended.unwrap_or(most));
        self.say(r#"{"type":"run.finished","status":"completed"}"#);
        self.lines
    }

    fn issue(&mut self, issue: u64) {
        self.say(&format!(r#"{{"type":"issue.started","issue":{issue},"title":"Let users reset their password by mail"}}"#));
        // The larger the change, the more often it takes another attempt.
        let size = 1 + self.below(300);
        let attempts = 1 + self.below(2 + size / 120);
        for agent in AGENTS.iter().take(1 + self.below(4)) {
            for attempt in 0..attempts {
                self.attempt(issue, agent, attempt, attempt + 1 == attempts);
            }
        }
        self.pipelines(issue, attempts);
        let (files, deleted) = (1 + size / 40, self.below(100));
        self.say(&format!(r#"{{"type":"code.changed","issue":{issue},"agent":"coding","files_modified":{files},"lines_added":{size},"lines_deleted":{deleted},"commits":1}}"#));
        let status = if self.below(100) < self.model.completes {
            "completed"
        } else {
            "failed"
        };
        self.say(&format!(
            r#"{{"type":"issue.finished","issue":{issue},"status":"{status}"}}"#
        ));
    }

    /// An agent's calls of its model and of tools.
    fn attempt(&mut self, issue: u64, agent: &str, attempt: usize, success: bool) {
        let Model { provider, name, .. } = self.model;
        self.say(&format!(r#"{{"type":"agent.started","issue":{issue},"agent":"{agent}","span":"{issue}-{agent}-{attempt}"}}"#));
        let calls = 2 + self.below(8);
        for _ in 0..calls {
            let (input, output, millis) = (
                2_000 + self.below(30_000),
                100 + self.below(2_000),
                800 + self.below(20_000),
            );
            let (cached, cost) = (input / 2, 1 + self.below(2 * self.model.price));
            self.say(&format!(r#"{{"type":"llm.called","issue":{issue},"agent":"{agent}","provider":"{provider}","model":"{name}","input_tokens":{input},"output_tokens":{output},"cache_read_tokens":{cached},"cost_usd":0.{cost:04},"duration_ms":{millis},"success":true}}"#));
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
        self.say(&format!(r#"{{"type":"agent.finished","issue":{issue},"agent":"{agent}","span":"{issue}-{agent}-{attempt}","success":{success}}}"#));
    }

    /// A pipeline for each attempt, and what it takes to get from one that failed to the next.
    fn pipelines(&mut self, issue: u64, attempts: usize) {
        let mut commit = self.commit();
        for pipeline in 0..attempts {
            let is_last = pipeline + 1 == attempts;
            let status = if is_last { "success" } else { "failed" };
            let id = issue * 10 + pipeline as u64;
            let millis = 120_000 + 1_000 * self.below(180);
            self.say(&format!(r#"{{"type":"pipeline.recorded","issue":{issue},"pipeline_id":{id},"status":"running","commit_sha":"{commit}","name":"CI"}}"#));
            self.say(&format!(r#"{{"type":"pipeline.recorded","issue":{issue},"pipeline_id":{id},"status":"{status}","commit_sha":"{commit}","name":"CI","duration_ms":{millis}}}"#));
            if is_last {
                break;
            }
            let (error_type, agent, message) = ERRORS[self.below(ERRORS.len()) * self.below(2)];
            self.say(&format!(r#"{{"type":"debug.started","issue":{issue},"agent":"{agent}","error_type":"{error_type}","error_message":"{message}"}}"#));
            for _ in 0..1 + self.below(3) {
                self.say(&format!(
                    r#"{{"type":"debug.attempted","issue":{issue},"agent":"{agent}"}}"#
                ));
            }
            let resolved = self.below(10) > 0;
            self.say(&format!(r#"{{"type":"debug.finished","issue":{issue},"agent":"{agent}","resolved":{resolved},"resolution_method":"fix_test"}}"#));
            // What was flaky passes on the same commit, when it is tried again.
            if error_type != "flaky_test" {
                commit = self.commit();
            }
        }
    }

    fn commit(&mut self) -> String {
        let (high, low) = (self.below(1 << 30), self.below(1 << 30));
        format!("{high:020x}{low:020x}")
    }

    /// Adds an event, some time after the one before.
    fn say(&mut self, json: &str) {
        let pause = Duration::from_micros(1_000 + self.below(400_000) as u64);
        let json = json.to_owned();
        self.lines.push(Line { pause, json });
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap_or(0) % limit
    }
}
