use crate::exit::Exit;
use crate::setting::Setting;
use crate::sheet::{Format, Sheet};
use anyhow::Result;
use serde_json::{Value, json};

pub(crate) fn run(setting: &Setting) -> Result<Exit> {
    let mut sheet = Sheet::new()
        .text("run", "Run")
        .text("status", "Status")
        .text("model", "Model")
        .text("started_at", "Started")
        .number("duration_seconds", "Seconds")
        .number("issues", "Issues")
        .number("pipelines", "Pipelines")
        .number("success_rate", "Success %");
    let runs = setting.find_runs(&[])?;
    if runs.is_empty() {
        setting.say(&format!(
            "no runs in `{}` (start one with `retally start --project P`)",
            setting.root.path().display()
        ));
    }
    for run in &runs {
        let state = setting.fold(run, None)?;
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
        sheet.print(format, &mut anstream::stdout())?;
    }
    Ok(Exit::Done)
}

fn to_the_second(time: &Value) -> Value {
    match time.as_str().and_then(|text| text.get(..19)) {
        Some(text) => json!(format!("{text}Z")),
        None => Value::Null,
    }
}
