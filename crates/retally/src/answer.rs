use crate::answers::Question;
use crate::columns::columns;
use crate::comparison_json::{bounds, rounded};
use crate::comparison_sheets::shown_interval;
use crate::setting::short_name;
use crate::sheet::{Format, Sheet, code_for_markdown};
use crate::verdict::{number, percent};
use anstyle::Style;
use anyhow::Result;
use retally_stats::{Counts, Interval, Spearman};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::Write;

/// The most rows of a table; where there are more, that is said.
pub(crate) const ROWS_MAX: usize = 8;

/// The longest line of text on a wide terminal.
const LINE_COLUMNS_MAX: usize = 100;

/// What is said on a question: sentences, and a table. Machines get the fields in this order.
#[derive(Serialize)]
pub(crate) struct Answer {
    /// Names it for machines.
    #[serde(rename = "insight")]
    pub(crate) key: Question,
    pub(crate) question: &'static str,
    /// Names from logs in it are shown by [`Names`].
    #[serde(rename = "answer")]
    pub(crate) text: String,
    /// Whether there is enough evidence for an answer.
    #[serde(rename = "enough_evidence")]
    pub(crate) is_enough: bool,
    #[serde(rename = "rows")]
    pub(crate) sheet: Sheet,
    /// How many rows the table leaves out.
    #[serde(rename = "rows_left_out")]
    pub(crate) more_rows: usize,
}

/// How names from logs stand in a sentence.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    is_markdown: bool,
}

impl Names {
    pub(crate) fn of(format: Format) -> Self {
        Self {
            is_markdown: format == Format::Md,
        }
    }

    pub(crate) fn show(self, name: &str) -> String {
        let name = short_name(name);
        match self.is_markdown {
            true => code_for_markdown(&name),
            false => format!("`{name}`"),
        }
    }

    pub(crate) fn show_or(self, name: Option<&str>, nobody: &str) -> String {
        name.map_or_else(|| nobody.to_owned(), |name| self.show(name))
    }
}

impl Answer {
    /// Prints it to people, with the question as a heading.
    pub(crate) fn print(&self, format: Format, out: &mut dyn Write) -> Result<()> {
        if format == Format::Md {
            writeln!(out, "## {}\n\n{}", self.question, self.text)?;
        } else {
            let bold = Style::new().bold();
            writeln!(out, "{bold}{}{bold:#}", self.question)?;
            write_wrapped(&self.text, out)?;
        }
        if !self.sheet.is_empty() {
            writeln!(out)?;
            self.sheet.print(format, out)?;
        }
        if self.more_rows > 0 {
            // A line right below would be a row of the table to Markdown.
            let gap = if format == Format::Md { "\n" } else { " " };
            writeln!(out, "{gap}… and {} more", self.more_rows)?;
        }
        Ok(())
    }
}

/// Prints a text, between words broken into lines where a terminal is narrow.
pub(crate) fn write_wrapped(text: &str, out: &mut dyn Write) -> Result<()> {
    let Some(width) = comfy_table::Table::new().width() else {
        return Ok(writeln!(out, "{text}")?);
    };
    for line in wrapped(text, usize::from(width).min(LINE_COLUMNS_MAX)) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Returns the lines of a text; a word that is longer than a line has one for itself.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in unbroken(text) {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(&word);
        } else if columns(line) + 1 + columns(&word) <= width {
            line.push(' ');
            line.push_str(&word);
        } else {
            lines.push(word);
        }
    }
    lines
}

/// Returns the words of a text, an interval or a number with its `%` as one.
fn unbroken(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let begins = |it: &&mut String| it.starts_with('[') && it.ends_with(',');
        let last = words.last_mut();
        match last.filter(|it| begins(it) || word == "%") {
            Some(last) => {
                last.push(' ');
                last.push_str(word);
            }
            None => words.push(word.to_owned()),
        }
    }
    words
}

/// Returns an interval as a cell of a sheet.
pub(crate) fn interval_cell(name: &str, is_rate: bool, interval: Option<Interval>) -> Value {
    let (low, high) = bounds(name, is_rate, interval);
    json!([low, high, shown_interval(interval, is_rate)])
}

/// Returns the interval of a share as it stands in a sentence.
pub(crate) fn of_share(interval: Interval) -> String {
    format!("[{}, {}]", percent(interval.low), percent(interval.high))
}

/// Returns the interval of any number as it stands in a sentence.
pub(crate) fn of_numbers(interval: Interval) -> String {
    format!("[{}, {}]", short(interval.low), short(interval.high))
}

/// Returns a number for a sentence: with three digits, and at most two decimals where it is no
/// smaller than a hundredth.
pub(crate) fn short(value: f64) -> String {
    match value.abs() >= 0.01 {
        true => number((value * 100.0).round() / 100.0),
        false => number(value),
    }
}

/// Returns a correlation for a sentence.
pub(crate) fn shown_rho(found: Spearman) -> String {
    let two_decimals = |value: f64| number((value * 100.0).round() / 100.0);
    let interval = found.interval.map(|it| {
        let (low, high) = (two_decimals(it.low), two_decimals(it.high));
        format!(" [{low}, {high}]")
    });
    format!(
        "rho {}{}",
        two_decimals(found.rho),
        interval.unwrap_or_default()
    )
}

/// Returns a correlation and its interval as cells of a sheet.
pub(crate) fn rho_cells(found: Option<Spearman>) -> [Value; 2] {
    let two_decimals = |value: f64| number((value * 100.0).round() / 100.0);
    let interval = found.and_then(|it| it.interval);
    let (low, high) = bounds("rho", false, interval);
    let text = match interval {
        Some(it) => format!("{} to {}", two_decimals(it.low), two_decimals(it.high)),
        None => "not enough evidence".to_owned(),
    };
    let rho = found.map_or(Value::Null, |it| rounded(it.rho, 4));
    [rho, json!([low, high, text])]
}

/// Returns a number of things: "1 run", "2 runs".
pub(crate) fn count(number: u64, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    }
}

/// Returns a number of times that an issue was worked on, as issues where each was once.
pub(crate) fn count_tries(number: u64, of: Counts) -> String {
    match (of.tries == of.issues, number) {
        (true, _) => count(number, "issue"),
        (false, 1) => "1 try at an issue".to_owned(),
        (false, _) => format!("{number} tries at issues"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_keep_to_the_width() {
        let check = |text, width, lines: &[&str]| assert_eq!(wrapped(text, width), lines);
        check("one two three", 7, &["one two", "three"]);
        check("one two three", 6, &["one", "two", "three"]);
        check("日本 語", 4, &["日本", "語"]);
        check("a toolongaword b", 5, &["a", "toolongaword", "b"]);
        check("", 5, &[""]);
        check("of 80 % [75, 94] so", 8, &["of 80 %", "[75, 94]", "so"]);
    }
}
