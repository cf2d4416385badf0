use crate::exit::Exit;
use crate::run_index::RunIndex;
use crate::setting::{Setting, complain};
use crate::sheet::{Format, Sheet};
use crate::terminal::print_data;
use anyhow::{Result, bail};
use rayon::prelude::*;
use retally_log::{LogStamp, RunDir};
use retally_reduce::RunState;
use serde_json::{Value, json};

pub(crate) fn run(setting: &Setting) -> Result<Exit> {
    let mut sheet = Sheet::new()
        .text("run", "Run")
        .text("status", "Status")
        .whole()
        .text("model", "Model")
        .minor()
        .text("started_at", "Started")
        .whole()
        .minor()
        .number("duration_seconds", "Seconds")
        .minor()
        .number("issues", "Issues")
        .number("pipelines", "Pipelines")
        .number("success_rate", "Success %");
    let folders = match setting.root.path().exists() {
        true => setting.find_folders()?,
        false => Vec::new(),
    };
    let (mut runs, mut failed) = (0, 0);
    for (run, row) in folders.iter().zip(rows(setting, &folders)) {
        let Some(row) = row else { continue };
        runs += 1;
        match row {
            Ok(cells) => sheet.push([vec![json!(run.id().as_str())], cells].concat()),
            Err(error) => {
                failed += 1;
                complain(&format!("run `{}`: {error:#}", run.id()));
            }
        }
    }
    if runs == 0 {
        setting.say(&format!(
            "no runs in `{}` (start one with `retally start --project P`)",
            setting.root.path().display()
        ));
    }
    let format = setting.format.unwrap_or(Format::Table);
    if format != Format::Table || !sheet.is_empty() {
        print_data(format, |out| sheet.print(format, out))?;
    }
    if failed > 0 {
        bail!("{failed} of {runs} runs could not be read");
    }
    Ok(Exit::Done)
}

/// How long ago a log must have changed for its run to be kept in mind without an end.
const QUIET_SECONDS: i64 = 60;

/// What is known of a run: how its log stood before it was read, whether to keep its cells in mind,
/// and these.
struct Row {
    log: Option<LogStamp>,
    is_new: bool,
    cells: Vec<Value>,
}

/// Returns the cells of each run, folding those whose logs changed since the last listing; `None`
/// where there is no log.
fn rows(setting: &Setting, runs: &[RunDir]) -> Vec<Option<Result<Vec<Value>>>> {
    let index = RunIndex::load(&setting.root);
    let now = setting.clock.now().as_micros() / 1_000_000;
    let rows: Vec<Option<Result<Row>>> = runs
        .par_iter()
        .map(|run| row(setting, run, &index, now).transpose())
        .collect();
    if rows.iter().flatten().flatten().any(|row| row.is_new) {
        let known = runs.iter().zip(&rows).filter_map(|(run, row)| {
            let row = row.as_ref()?.as_ref().ok()?;
            Some((run.id(), row.log?, &*row.cells))
        });
        // It is only the next listing that takes longer.
        _ = index.save(known);
    }
    let cells = |row: Result<Row>| row.map(|row| row.cells);
    rows.into_iter().map(|row| row.map(cells)).collect()
}

fn row(setting: &Setting, run: &RunDir, index: &RunIndex, now: i64) -> Result<Option<Row>> {
    let Some(log) = run.log_stamp()? else {
        return Ok(None);
    };
    if let Some(cells) = index.get(run.id(), &log) {
        let (log, is_new) = (Some(log), false);
        return Ok(Some(Row { log, is_new, cells }));
    }
    let state = setting.fold_without_costs(run)?;
    let is_quiet = now - log.modified_seconds() > QUIET_SECONDS;
    let log = Some(log).filter(|_| state.has_ended() || is_quiet);
    Ok(Some(Row {
        log,
        is_new: log.is_some(),
        cells: cells(&state)?,
    }))
}

fn cells(state: &RunState) -> Result<Vec<Value>> {
    let metadata = serde_json::to_value(state.metadata())?;
    Ok(vec![
        metadata["status"].clone(),
        metadata["llm_configuration"]["model"].clone(),
        to_the_second(&metadata["started_at"]),
        metadata["duration_seconds"].clone(),
        metadata["total_issues"].clone(),
        metadata["pipeline_attempts"].clone(),
        metadata["success_rate"].clone(),
    ])
}

fn to_the_second(time: &Value) -> Value {
    match time.as_str().and_then(|text| text.get(..19)) {
        Some(text) => json!(format!("{text}Z")),
        None => Value::Null,
    }
}
