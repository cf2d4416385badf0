//! What an average engineer would write instead: read lines, parse each into a value, and count.

use crate::stopwatch::{Stopwatch, Took};
use anyhow::Result;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

/// What is counted of one agent in one issue of one run.
#[derive(Default)]
struct Counts {
    attempts: u64,
    successes: u64,
    failures: u64,
    pipelines_passed: u64,
    pipelines_failed: u64,
    cycles: u64,
    resolved: u64,
    llm_calls: u64,
    tool_calls: u64,
    tool_failures: u64,
    input_tokens: u64,
    output_tokens: u64,
    cost_usd: f64,
    duration_ms: u64,
    first: String,
    last: String,
}

pub(crate) fn fold(root: &Path) -> Result<Took> {
    let start = Stopwatch::start();
    let mut counts: HashMap<(String, String, String), Counts> = HashMap::new();
    for run in root.read_dir()? {
        let run = run?;
        let id = run.file_name().to_string_lossy().into_owned();
        for segment in run.path().join("events").read_dir()? {
            for line in BufReader::new(File::open(segment?.path())?).lines() {
                let event: Value = serde_json::from_str(&line?)?;
                let key = (id.clone(), text(&event["issue"]), text(&event["agent"]));
                counts.entry(key).or_default().take(&event);
            }
        }
    }
    black_box(&counts);
    Ok(start.took())
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Counts {
    fn take(&mut self, event: &Value) {
        let number = |key: &str| event[key].as_u64().unwrap_or(0);
        let success = event["success"].as_bool().unwrap_or(false);
        match event["type"].as_str().unwrap_or("") {
            "agent.started" => self.attempts += 1,
            "agent.finished" if success => self.successes += 1,
            "agent.finished" => self.failures += 1,
            "pipeline.recorded" => match event["status"].as_str() {
                Some("success") => self.pipelines_passed += 1,
                Some("failed") => self.pipelines_failed += 1,
                _ => {}
            },
            "debug.started" => self.cycles += 1,
            "debug.finished" => self.resolved += u64::from(event["resolved"] == true),
            "llm.called" => {
                self.llm_calls += 1;
                self.input_tokens += number("input_tokens");
                self.output_tokens += number("output_tokens");
                self.cost_usd += event["cost_usd"].as_f64().unwrap_or(0.0);
            }
            "tool.called" => {
                self.tool_calls += 1;
                self.tool_failures += u64::from(!success);
            }
            _ => {}
        }
        self.duration_ms += number("duration_ms");
        let time = text(&event["ts"]);
        if self.first.is_empty() || time < self.first {
            self.first.clone_from(&time);
        }
        if time > self.last {
            self.last = time;
        }
    }
}
