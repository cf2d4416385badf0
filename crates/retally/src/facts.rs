use crate::columns::{TEXT_COLUMNS_MAX, start_of};
use crate::sheet::Format;
use crate::terminal::printable;
use anstyle::Style;
use serde_json::Value;
use std::io::Write;

/// What is said about one thing, line by line: a name and a text each.
pub(crate) struct Facts(Vec<(&'static str, String)>);

impl Facts {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a line; texts may come from a log.
    pub(crate) fn push(&mut self, name: &'static str, text: impl Into<String>) {
        self.0.push((name, text.into()));
    }

    /// Returns the names and the texts, which may come from a log.
    pub(crate) fn into_lines(self) -> impl Iterator<Item = (&'static str, String)> {
        self.0.into_iter()
    }

    pub(crate) fn print(&self, format: Format, out: &mut dyn Write) -> std::io::Result<()> {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let bold = Style::new().bold();
        for (name, text) in &self.0 {
            let text = printable(text);
            if format == Format::Md {
                writeln!(out, "- **{name}**: {text}")?;
            } else {
                let text = start_of(&text, TEXT_COLUMNS_MAX);
                writeln!(out, "{bold}{name:width$}{bold:#}  {text}")?;
            }
        }
        Ok(())
    }
}

/// Returns a report's value as people read it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "unknown".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Returns a number of things with the word for one or for several of them.
pub(crate) fn counted(value: &Value, one: &str, several: &str) -> String {
    let is_one = value.as_u64() == Some(1);
    format!("{} {}", shown(value), if is_one { one } else { several })
}

/// Returns a number of seconds as people read it: `30m 47s`, `0.2s`.
pub(crate) fn duration(value: &Value) -> String {
    let Some(seconds) = value.as_f64() else {
        return "unknown".to_owned();
    };
    if seconds < 60.0 {
        return format!("{value}s");
    }
    let whole = seconds.round() as u64;
    let (days, hours) = (whole / 86_400, whole / 3600 % 24);
    let (minutes, seconds) = (whole / 60 % 60, whole % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}m {seconds:02}s"),
        (0, _) => format!("{hours}h {minutes:02}m"),
        _ => format!("{days}d {hours:02}h"),
    }
}

/// Returns a time of a report, to the second.
pub(crate) fn time(value: &Value) -> String {
    match value.as_str().and_then(|text| text.get(..19)) {
        Some(text) => format!("{} UTC", text.replace('T', " ")),
        None => "unknown".to_owned(),
    }
}

/// Returns a share in percent, or that there is none.
pub(crate) fn percent(value: &Value) -> String {
    match value {
        Value::Null => "no rate".to_owned(),
        other => format!("{other} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations_are_given_in_the_two_greatest_units() {
        let shown = [
            json!(0.2),
            json!(59.9),
            json!(1847.3),
            json!(7265),
            json!(90_000),
            json!(null),
        ]
        .map(|value| duration(&value));
        assert_eq!(
            shown,
            ["0.2s", "59.9s", "30m 47s", "2h 01m", "1d 01h", "unknown"]
        );
    }
}
