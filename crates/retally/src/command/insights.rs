use crate::answer::{Answer, Names, count, write_wrapped};
use crate::answers::Question;
use crate::cli::Insights as Options;
use crate::comparison_json::rounded;
use crate::exit::Exit;
use crate::run_reading::read_runs;
use crate::setting::Setting;
use crate::sheet::Format;
use crate::terminal::print_data;
use anyhow::{Result, bail};
use clap::ValueEnum;
use retally_stats::{Bootstrap, Confidence, Insights, RunWork};
use serde::Serialize;
use serde_json::Value;
use std::io::Write;

/// What holds for all answers.
const LEGEND: &str = "In brackets: 95 % intervals. Holm p: adjusted for the number of tests.";

pub(crate) fn run(setting: &Setting, options: &Options) -> Result<Exit> {
    let bootstrap = Bootstrap {
        confidence: Confidence::USUAL,
        seed: options.seed,
    };
    let runs = setting.find_runs(&options.runs)?;
    let as_of = options.as_of.as_deref();
    let (works, failed) = read_runs(setting, &runs, as_of, RunWork::of)?;
    if works.is_empty() {
        setting.say("no runs to look at (start one with `retally start --project P`)");
    }
    let insights = Insights::of(&works, bootstrap);
    let format = setting.format.unwrap_or(Format::Table);
    let is_asked = |it: &&Question| options.only.is_empty() || options.only.contains(it);
    let asked = Question::value_variants().iter().filter(is_asked);
    let names = Names::of(format);
    let answers: Vec<Answer> = asked.map(|it| it.answer(&insights, names)).collect();
    if format == Format::Json {
        print_data(format, |out| print_json(&insights, &answers, as_of, out))?;
    } else if format == Format::Md || !works.is_empty() {
        print_data(format, |out| {
            print_text(&insights, &answers, as_of, format, out)
        })?;
    }
    if failed > 0 {
        bail!("{failed} runs could not be read");
    }
    Ok(Exit::Done)
}

/// All answers as one object, its keys in the order of these fields.
#[derive(Serialize)]
struct InsightsJson<'a> {
    as_of: Option<&'a str>,
    confidence_percent: Value,
    seed: u64,
    runs: u64,
    issues: u64,
    tries: u64,
    completed: u64,
    failed: u64,
    skipped: u64,
    abandoned: u64,
    open: u64,
    left_out: u64,
    insights: &'a [Answer],
}

fn print_json(
    insights: &Insights,
    answers: &[Answer],
    as_of: Option<&str>,
    out: &mut dyn Write,
) -> Result<()> {
    let document = InsightsJson {
        as_of,
        confidence_percent: rounded(insights.bootstrap.confidence.level() * 100.0, 2),
        seed: insights.bootstrap.seed,
        runs: insights.runs,
        issues: insights.counts.issues,
        tries: insights.counts.tries,
        completed: insights.counts.completed,
        failed: insights.counts.failed,
        skipped: insights.counts.skipped,
        abandoned: insights.counts.abandoned,
        open: insights.counts.open,
        left_out: insights.left_out,
        insights: answers,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    Ok(writeln!(out)?)
}

fn print_text(
    insights: &Insights,
    answers: &[Answer],
    as_of: Option<&str>,
    format: Format,
    out: &mut dyn Write,
) -> Result<()> {
    let head = head(insights, as_of);
    if format == Format::Md {
        writeln!(out, "# Insights\n\n{head} {LEGEND}\n")?;
    } else {
        write_wrapped(&format!("{head} {LEGEND}"), out)?;
        writeln!(out)?;
    }
    for (place, answer) in answers.iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        answer.print(format, out)?;
    }
    Ok(())
}

/// Says what the answers are of.
fn head(insights: &Insights, as_of: Option<&str>) -> String {
    let counts = insights.counts;
    let repeated = match counts.tries == counts.issues {
        true => String::new(),
        false => format!(", tried {} times", counts.tries),
    };
    let outcomes = [
        (counts.completed, "completed"),
        (counts.failed, "failed"),
        (counts.skipped, "skipped"),
        (counts.abandoned, "abandoned"),
        (counts.open, "still open"),
    ];
    let outcomes = outcomes.iter().filter(|(number, _)| *number > 0);
    let outcomes: Vec<String> = outcomes
        .map(|(number, how)| format!("{number} {how}"))
        .collect();
    let outcomes = match outcomes.is_empty() {
        true => String::new(),
        false => format!(": {}", outcomes.join(", ")),
    };
    let left_out = match insights.left_out {
        0 => String::new(),
        more => format!(" {more} entries of lists that are too long for reports are left out."),
    };
    let as_of = as_of.map_or(String::new(), |time| format!(" As of {time}."));
    format!(
        "{}, {}{repeated}{outcomes}.{as_of}{left_out}",
        count(insights.runs, "run"),
        count(counts.issues, "issue")
    )
}
