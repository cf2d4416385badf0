use crate::exit::Exit;
use crate::setting::{Setting, complain};
use crate::sheet::{Format, Sheet};
use crate::terminal::print_data;
use anyhow::{Result, bail};
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
    let runs = match setting.root.path().exists() {
        true => setting.find_runs(&[])?,
        false => Vec::new(),
    };
    if runs.is_empty() {
        setting.say(&format!(
            "no runs in `{}` (start one with `retally start --project P`)",
            setting.root.path().display()
        ));
    }
    let mut failed = 0;
    for run in &runs {
        let state = match setting.fold_without_costs(run) {
            Ok(state) => state,
            Err(error) => {
                failed += 1;
                complain(&format!("run `{}`: {error:#}", run.id()));
                continue;
            }
        };
        let metadata = serde_json::to_value(state.metadata())?;
        sheet.push(vec![
            json!(run.id().as_str()),
            metadata["status"].clone(),
            metadata["llm_configuration"]["model"].clone(),
            to_the_second(&metadata["started_at"]),
            metadata["duration_seconds"].clone(),
            metadata["total_issues"].clone(),
            metadata["pipeline_attempts"].clone(),
            metadata["success_rate"].clone(),
        ]);
    }
    let format = setting.format.unwrap_or(Format::Table);
    if format != Format::Table || !sheet.is_empty() {
        print_data(format, |out| sheet.print(format, out))?;
    }
    if failed > 0 {
        bail!("{failed} of {} runs could not be read", runs.len());
    }
    Ok(Exit::Done)
}

fn to_the_second(time: &Value) -> Value {
    match time.as_str().and_then(|text| text.get(..19)) {
        Some(text) => json!(format!("{text}Z")),
        None => Value::Null,
    }
}
