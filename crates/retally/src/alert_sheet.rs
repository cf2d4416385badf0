use crate::sheet::{Format, Sheet};
use anyhow::Result;
use retally_alerts::Alert;
use serde_json::json;
use std::io::Write;

/// Prints alerts: to people what they say, to machines all of it.
pub(crate) fn print_alerts(alerts: &[Alert], format: Format, out: &mut dyn Write) -> Result<()> {
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, alerts)?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            for alert in alerts {
                serde_json::to_writer(&mut *out, alert)?;
                writeln!(out)?;
            }
        }
        Format::Table | Format::Md | Format::Csv | Format::RawCsv => {
            sheet(alerts).print(format, out)?;
        }
    }
    Ok(())
}

fn sheet(alerts: &[Alert]) -> Sheet {
    let mut sheet = Sheet::new()
        .text("ts", "Time")
        .whole()
        .text("severity", "Severity")
        .whole()
        .text("rule", "Rule")
        .whole()
        .text("run", "Run")
        .minor()
        .text("text", "What");
    for alert in alerts {
        sheet.push(vec![
            json!(alert.ts),
            json!(alert.severity.as_str()),
            json!(alert.rule.as_str()),
            json!(alert.run),
            json!(alert.text),
        ]);
    }
    sheet
}
