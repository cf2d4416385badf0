use crate::cli::Report;
use crate::exit::{Exit, wrong_usage};
use crate::facts::{Facts, counted, duration, percent, shown, time};
use crate::setting::{Setting, short_name};
use crate::sheet::{Format, Sheet};
use crate::terminal::print_data;
use anyhow::{Context, Result};
use retally_log::IssueId;
use retally_reduce::{AsOf, AsOfError, IssueReport, RunState, to_json_bytes};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Write;

pub(crate) fn run(setting: &Setting, options: &Report) -> Result<Exit> {
    let run = setting.find_run(&options.run.run)?;
    let as_of = options.as_of.as_deref().map(parse_as_of).transpose()?;
    let state = setting.fold(&run, as_of.as_ref())?;
    if let Some(as_of) = options.as_of.as_deref().filter(|_| !state.has_events()) {
        let (id, as_of) = (run.id(), short_name(as_of));
        setting.say(&format!("note: as of `{as_of}` run `{id}` had not started"));
    }
    let format = setting.format.unwrap_or(Format::Table);
    match &options.issue {
        Some(issue) => {
            let report = state.issue_report(&IssueId::from(issue.as_str()));
            let report = report.with_context(|| {
                let (id, issue) = (run.id(), short_name(issue));
                format!("no event of run `{id}` names issue `{issue}` (see `retally report {id}`)")
            })?;
            print_data(format, |out| print_issue(&report, format, out))?;
        }
        None => print_data(format, |out| print_run(&state, format, out))?,
    }
    Ok(Exit::Done)
}

pub(crate) fn parse_as_of(text: &str) -> Result<AsOf> {
    text.parse()
        .map_err(|error: AsOfError| wrong_usage(format!("--as-of: {error}")))
}

/// Prints the final report of a run that ended, else what is known so far.
fn print_run(state: &RunState, format: Format, out: &mut dyn Write) -> Result<()> {
    let (bytes, line) = match state.has_ended() {
        true => both_forms(&state.run_report())?,
        false => both_forms(&state.metadata())?,
    };
    let report: Value = serde_json::from_slice(&bytes)?;
    match format {
        Format::Json => out.write_all(&bytes)?,
        Format::Jsonl => writeln!(out, "{line}")?,
        Format::Csv | Format::RawCsv => issues_sheet(state).print(format, out)?,
        Format::Table | Format::Md => {
            run_facts(&report).print(format, out)?;
            let issues = issues_sheet(state);
            if !issues.is_empty() {
                writeln!(out)?;
                issues.print(format, out)?;
            }
        }
    }
    Ok(())
}

/// Returns a report as its file and as one line.
fn both_forms(report: &impl Serialize) -> Result<(Vec<u8>, String)> {
    Ok((to_json_bytes(report), serde_json::to_string(report)?))
}

/// Returns what a report of a run says, in words.
pub(crate) fn run_facts(report: &Value) -> Facts {
    let mut facts = Facts::new();
    let get = |key: &str| &report[key];
    facts.push("Run", shown(get("run_id")));
    facts.push("Project", shown(get("project_id")));
    facts.push("Status", shown(get("status")));
    facts.push("Model", model(get("llm_configuration")));
    let lasted = duration(get("duration_seconds"));
    facts.push("Time", format!("{}, {lasted}", time(get("started_at"))));
    facts.push("Issues", issues_sentence(report));
    facts.push(
        "Pipelines",
        format!(
            "{}: {} succeeded, {} failed ({}); first pass {} of {} ({})",
            counted(get("pipeline_attempts"), "attempt", "attempts"),
            get("succeeded_pipelines"),
            get("failed_pipelines"),
            percent(get("pipeline_success_rate")),
            get("first_pass_pipelines"),
            get("first_pass_base"),
            percent(get("first_pass_rate")),
        ),
    );
    facts.push("Debugging", cycles_sentence(report));
    facts.push("Calls", calls_sentence(report));
    let problems = problems_sentence(report);
    if !problems.is_empty() {
        facts.push("Problems", problems);
    }
    facts
}

fn model(llm: &Value) -> String {
    if llm.is_null() {
        return "unknown".to_owned();
    }
    let parts = [&llm["provider"], &llm["model"]];
    let names: Vec<String> = parts
        .into_iter()
        .filter(|name| !name.is_null())
        .map(shown)
        .collect();
    match &llm["temperature"] {
        Value::Null => names.join("/"),
        temperature => format!("{}, temperature {temperature}", names.join("/")),
    }
}

fn issues_sentence(report: &Value) -> String {
    let mut parts = Vec::new();
    if let Some(statuses) = report["issues_by_status"].as_object() {
        for status in ["completed", "failed", "skipped", "abandoned", "in_progress"] {
            let count = statuses.get(status).unwrap_or(&Value::Null);
            if count.as_u64().is_some_and(|count| count > 0) {
                parts.push(format!("{count} {}", status.replace('_', " ")));
            }
        }
    }
    let total = &report["total_issues"];
    if parts.is_empty() {
        return shown(total);
    }
    let mut sentence = format!("{total}: {}", parts.join(", "));
    if !report["success_rate"].is_null() {
        sentence += &format!("; success rate {}", percent(&report["success_rate"]));
    }
    sentence
}

fn cycles_sentence(report: &Value) -> String {
    let cycles = counted(&report["debugging_cycles"], "cycle", "cycles");
    format!("{cycles}, {} resolved", report["resolved_cycles"])
}

fn calls_sentence(report: &Value) -> String {
    let mut sentence = format!(
        "{} of models, {} of tools",
        report["llm_calls"], report["tool_calls"]
    );
    if !report["input_tokens"].is_null() || !report["output_tokens"].is_null() {
        let (input, output) = (
            shown(&report["input_tokens"]),
            shown(&report["output_tokens"]),
        );
        sentence += &format!("; {input} tokens in, {output} out");
    }
    if !report["cost_usd"].is_null() {
        sentence += &format!("; {} USD", report["cost_usd"]);
    }
    if report["calls_without_cost"]
        .as_u64()
        .is_some_and(|count| count > 0)
    {
        sentence += &format!(
            "; cost unknown of {}",
            counted(&report["calls_without_cost"], "call", "calls")
        );
    }
    sentence
}

fn problems_sentence(report: &Value) -> String {
    let length = |value: &Value| match value {
        Value::Array(items) => json!(items.len()),
        other => other.clone(),
    };
    let unknown: u64 = report["unknown_types"]
        .as_object()
        .map(|types| types.values().filter_map(Value::as_u64).sum())
        .unwrap_or_default();
    let parts = [
        (
            length(&report["damaged_lines"]),
            "damaged line",
            "damaged lines",
        ),
        (length(&report["misfit_lines"]), "misfit", "misfits"),
        (length(&report["anomalies"]), "anomaly", "anomalies"),
        (
            json!(unknown),
            "event of unknown type",
            "events of unknown type",
        ),
    ];
    let named: Vec<String> = parts
        .iter()
        .filter(|(count, ..)| count.as_u64().is_some_and(|count| count > 0))
        .map(|(count, one, several)| counted(count, one, several))
        .collect();
    match named.is_empty() {
        true => String::new(),
        false => format!("{} (see `retally check`)", named.join(", ")),
    }
}

/// A row for each issue, in the order of first appearance.
fn issues_sheet(state: &RunState) -> Sheet {
    let mut sheet = Sheet::new()
        .text("issue", "Issue")
        .text("status", "Status")
        .whole()
        .number("duration_seconds", "Seconds")
        .number("agent_attempts", "Attempts")
        .minor()
        .number("agent_retries", "Retries")
        .minor()
        .number("pipelines", "Pipelines")
        .number("failed_pipelines", "Failed")
        .number("debugging_cycles", "Cycles")
        .minor()
        .number("errors", "Errors")
        .minor()
        .number("cost_usd", "USD");
    for issue in state.run_report().issues_processed {
        let Some(report) = state.issue_report(&issue) else {
            continue;
        };
        let attempts: u64 = report
            .agent_metrics
            .iter()
            .map(|(_, agent)| agent.attempts)
            .sum();
        sheet.push(vec![
            json!(report.issue_id.as_str()),
            json!(report.status.as_str()),
            json!(report.duration_seconds),
            json!(attempts),
            json!(report.total_agent_retries),
            json!(report.pipeline_attempts),
            json!(report.failed_pipelines),
            json!(report.debugging_cycles),
            json!(report.total_errors),
            json!(report.cost_usd),
        ]);
    }
    sheet
}

fn print_issue(report: &IssueReport, format: Format, out: &mut dyn Write) -> Result<()> {
    match format {
        Format::Json => return Ok(out.write_all(&to_json_bytes(report))?),
        Format::Jsonl => return Ok(writeln!(out, "{}", serde_json::to_string(report)?)?),
        Format::Csv | Format::RawCsv => {
            let text = "the report of an issue is no table (use --format json)";
            return Err(wrong_usage(text));
        }
        Format::Table | Format::Md => {}
    }
    let value = serde_json::to_value(report)?;
    issue_facts(&value).print(format, out)?;
    for sheet in [
        agents_sheet(report),
        pipelines_sheet(&value),
        cycles_sheet(&value),
    ] {
        if !sheet.is_empty() {
            writeln!(out)?;
            sheet.print(format, out)?;
        }
    }
    Ok(())
}

fn issue_facts(report: &Value) -> Facts {
    let mut facts = Facts::new();
    facts.push("Issue", shown(&report["issue_id"]));
    if !report["title"].is_null() {
        facts.push("Title", shown(&report["title"]));
    }
    facts.push("Run", shown(&report["run_id"]));
    facts.push("Status", shown(&report["status"]));
    let lasted = duration(&report["duration_seconds"]);
    facts.push("Time", format!("{}, {lasted}", time(&report["started_at"])));
    let right = match &report["first_time_right"] {
        Value::Null => "not ended".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        _ => "no".to_owned(),
    };
    facts.push(
        "Right at once",
        format!("{right}; complexity {} of 100", report["complexity_score"]),
    );
    facts.push(
        "Pipelines",
        format!(
            "{}: {} succeeded, {} failed ({})",
            counted(&report["pipeline_attempts"], "attempt", "attempts"),
            report["succeeded_pipelines"],
            report["failed_pipelines"],
            percent(&report["pipeline_success_rate"]),
        ),
    );
    facts.push(
        "Debugging",
        format!(
            "{}; {}",
            cycles_sentence(report),
            counted(&report["total_errors"], "error", "errors")
        ),
    );
    facts.push("Calls", calls_sentence(report));
    let problems = problems_sentence(report);
    if !problems.is_empty() {
        facts.push("Problems", problems);
    }
    facts
}

fn agents_sheet(report: &IssueReport) -> Sheet {
    let mut sheet = Sheet::new()
        .text("agent", "Agent")
        .number("attempts", "Attempts")
        .number("successes", "Successes")
        .number("failures", "Failures")
        .number("retries", "Retries")
        .number("duration", "Seconds");
    for (name, agent) in &report.agent_metrics {
        sheet.push(vec![
            json!(name),
            json!(agent.attempts),
            json!(agent.successes),
            json!(agent.failures),
            json!(agent.retries),
            json!(agent.duration),
        ]);
    }
    sheet
}

fn pipelines_sheet(report: &Value) -> Sheet {
    let sheet = Sheet::new()
        .text("pipeline_id", "Pipeline")
        .whole()
        .text("name", "Name")
        .number("attempt", "Attempt")
        .minor()
        .text("status", "Status")
        .whole()
        .text("commit_sha", "Commit")
        .minor()
        .number("duration_seconds", "Seconds")
        .text("failed_jobs", "Failed jobs");
    filled(sheet, &report["pipeline_details"])
}

fn cycles_sheet(report: &Value) -> Sheet {
    let sheet = Sheet::new()
        .text("agent", "Debugging by")
        .text("error_type", "Error")
        .text("error_message", "Message")
        .number("attempts", "Attempts")
        .text("resolved", "Resolved")
        .number("duration_seconds", "Seconds");
    filled(sheet, &report["debugging_details"])
}

/// Takes the columns of a sheet out of a list of objects.
fn filled(mut sheet: Sheet, list: &Value) -> Sheet {
    for item in list.as_array().into_iter().flatten() {
        let cell = |key: &str| match &item[key] {
            Value::Array(texts) => json!(texts.iter().map(shown).collect::<Vec<_>>().join(", ")),
            Value::Bool(true) => json!("yes"),
            Value::Bool(false) => json!("no"),
            other => other.clone(),
        };
        let row = sheet.keys().map(cell).collect();
        sheet.push(row);
    }
    sheet
}
