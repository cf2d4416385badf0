use crate::columns::{TEXT_COLUMNS_MAX, columns, start_of};
use crate::terminal::printable;
use clap::ValueEnum;
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, Table,
    TableStyle, Width,
};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::io::Write;

/// Nothing but a rule below the header.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Rows of data that a command prints, in whatever form is wanted.
pub(crate) struct Sheet {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

struct Column {
    key: &'static str,
    title: &'static str,
    is_number: bool,
    /// Whether its cells are `[low, high, text]`: machines get the bounds, people the text.
    is_interval: bool,
    /// Whether its cells are `[key, text]`: machines get the key, people the text.
    is_label: bool,
    /// Whether its cells are names from logs, which Markdown shows as code.
    is_name: bool,
    /// Whether its cells are never broken into lines; always so for numbers.
    is_whole: bool,
    /// Whether a narrow terminal can do without it.
    is_minor: bool,
}

impl Column {
    /// Returns what machines get of a cell, with its keys.
    fn for_machines<'v>(&self, value: &'v Value) -> Vec<(&'static str, &'v Value)> {
        match (self.is_interval, self.is_label) {
            (true, _) => vec![("low", &value[0]), ("high", &value[1])],
            (_, true) => vec![(self.key, &value[0])],
            _ => vec![(self.key, value)],
        }
    }

    /// Returns how long a cell is shown to people.
    fn columns_max(&self) -> usize {
        match self.is_name {
            true => NAME_COLUMNS_MAX,
            false => TEXT_COLUMNS_MAX,
        }
    }

    fn new(key: &'static str, title: &'static str) -> Self {
        Self {
            key,
            title,
            is_number: false,
            is_interval: false,
            is_label: false,
            is_name: false,
            is_whole: false,
            is_minor: false,
        }
    }
}

/// The longest name that people are shown whole.
const NAME_COLUMNS_MAX: usize = 60;

/// What stands around the text of a column, in columns of the terminal: a space on both sides,
/// which are part of its width, and a line.
const AROUND: usize = PADDING + 1;
const PADDING: usize = 2;

/// The least width that is left to a column whose cells may be broken.
const FOLDED_WIDTH_MIN: usize = 12;

/// The form in which data are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people: a table, or lines
    Table,
    /// One JSON document
    Json,
    /// One JSON object a line
    Jsonl,
    /// A Markdown table
    Md,
    /// Comma-separated values
    Csv,
    /// Comma-separated values, each text as it is
    #[value(skip)]
    RawCsv,
}

impl Sheet {
    pub(crate) fn new() -> Self {
        Self {
            columns: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Adds a column of texts; `key` names it for machines, `title` for people.
    pub(crate) fn text(mut self, key: &'static str, title: &'static str) -> Self {
        self.columns.push(Column::new(key, title));
        self
    }

    /// Adds a column of names from logs.
    pub(crate) fn name(mut self, key: &'static str, title: &'static str) -> Self {
        self.columns.push(Column {
            is_name: true,
            ..Column::new(key, title)
        });
        self
    }

    /// Adds a column of our own words; its cells are `[key, text]`, of which machines get the key
    /// and people the text.
    pub(crate) fn label(mut self, key: &'static str, title: &'static str) -> Self {
        self.columns.push(Column {
            is_label: true,
            is_whole: true,
            ..Column::new(key, title)
        });
        self
    }

    /// Adds a column of numbers.
    pub(crate) fn number(mut self, key: &'static str, title: &'static str) -> Self {
        self.columns.push(Column {
            is_number: true,
            is_whole: true,
            ..Column::new(key, title)
        });
        self
    }

    /// Adds a column of intervals; for machines it is the two columns `low` and `high`. Its cells
    /// are `[low, high, text]`, of which people see the text.
    pub(crate) fn interval(mut self, title: &'static str) -> Self {
        self.columns.push(Column {
            is_interval: true,
            is_whole: true,
            ..Column::new("interval", title)
        });
        self
    }

    /// Makes the cells of the last column be never broken into lines.
    pub(crate) fn whole(mut self) -> Self {
        if let Some(column) = self.columns.last_mut() {
            column.is_whole = true;
        }
        self
    }

    /// Lets the last column be left out where a terminal is too narrow; machines get it always.
    pub(crate) fn minor(mut self) -> Self {
        if let Some(column) = self.columns.last_mut() {
            column.is_minor = true;
        }
        self
    }

    /// Adds a row, a value for each column; `null` where nothing is known.
    pub(crate) fn push(&mut self, row: Vec<Value>) {
        debug_assert_eq!(row.len(), self.columns.len(), "a value for each column");
        self.rows.push(row);
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().map(|column| column.key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn print(&self, format: Format, out: &mut dyn Write) -> anyhow::Result<()> {
        match format {
            Format::Table => writeln!(out, "{}", self.to_table().trim_fmt())?,
            Format::Json => {
                serde_json::to_writer_pretty(&mut *out, self)?;
                writeln!(out)?;
            }
            Format::Jsonl => {
                for row in &self.rows {
                    serde_json::to_writer(&mut *out, &self.object(row))?;
                    writeln!(out)?;
                }
            }
            Format::Md => writeln!(out, "{}", self.to_markdown())?,
            Format::Csv => self.write_csv(out, harmless_for_spreadsheets)?,
            Format::RawCsv => self.write_csv(out, |text| text.into())?,
        }
        Ok(())
    }

    fn object<'s>(&'s self, row: &'s [Value]) -> Object<'s> {
        Object {
            columns: &self.columns,
            row,
        }
    }

    fn to_table(&self) -> Table {
        let mut table = Table::new();
        table
            .load_style(STYLE)
            .set_content_arrangement(ContentArrangement::Dynamic);
        let shown_columns = self.columns_within(table.width().map(usize::from));
        let columns = || shown_columns.iter().map(|at| (&self.columns[*at], *at));
        table.set_header(columns().map(|(column, _)| {
            self.aligned(Cell::new(column.title), column)
                .add_attribute(Attribute::Bold)
        }));
        for row in &self.rows {
            table.add_row(columns().map(|(column, at)| {
                let text = shown(&row[at]);
                let shown = start_of(&printable(&text), column.columns_max());
                let cell = self.aligned(Cell::new(shown), column);
                match colour(column, &text) {
                    Some(colour) => cell.fg(colour),
                    None => cell,
                }
            }));
        }
        for (place, (column, at)) in columns().enumerate() {
            let Some(shown) = table.column_mut(place) else {
                continue;
            };
            let least = u16::try_from(self.width_of(at) - AROUND + PADDING).unwrap_or(u16::MAX);
            shown.set_constraint(match column.is_whole {
                true => ColumnConstraint::ContentWidth,
                false => ColumnConstraint::LowerBoundary(Width::Fixed(least)),
            });
        }
        table
    }

    /// Returns the columns that a terminal of this width has room for: all, or as many minor ones
    /// less, from the right, as it takes.
    fn columns_within(&self, width: Option<usize>) -> Vec<usize> {
        let mut columns: Vec<usize> = (0..self.columns.len()).collect();
        let Some(width) = width else { return columns };
        let widths: Vec<usize> = columns.iter().map(|at| self.width_of(*at)).collect();
        while columns.iter().map(|at| widths[*at]).sum::<usize>() > width {
            let Some(place) = columns.iter().rposition(|at| self.columns[*at].is_minor) else {
                break;
            };
            columns.remove(place);
        }
        columns
    }

    /// Returns the least width of a column with what stands around it.
    fn width_of(&self, at: usize) -> usize {
        let column = &self.columns[at];
        let cells = self
            .rows
            .iter()
            .map(|row| columns(&printable(&shown(&row[at]))));
        let widest = cells.chain([columns(column.title)]).max().unwrap_or(0);
        let least = if column.is_whole {
            widest
        } else {
            widest.min(FOLDED_WIDTH_MIN)
        };
        least + AROUND
    }

    fn aligned(&self, cell: Cell, column: &Column) -> Cell {
        let right = column.is_number.then_some(CellAlignment::Right);
        cell.set_alignment(right.unwrap_or(CellAlignment::Left))
    }

    fn to_markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
        let titles = self
            .columns
            .iter()
            .map(|column| column.title.to_owned())
            .collect();
        let rules = self.columns.iter().map(|column| {
            if column.is_number {
                "---:".to_owned()
            } else {
                "---".to_owned()
            }
        });
        let mut lines = vec![line(titles), line(rules.collect())];
        for row in &self.rows {
            let cells = self.columns.iter().zip(row);
            let cell = |(column, value): (&Column, &Value)| match value {
                Value::String(name) if column.is_name => {
                    code_for_markdown(&start_of(&printable(name), NAME_COLUMNS_MAX))
                }
                value => escaped_for_markdown(&printable(&shown(value))),
            };
            lines.push(line(cells.map(cell).collect()));
        }
        lines.join("\n")
    }

    fn write_csv(&self, out: &mut dyn Write, cell: fn(&str) -> Cow<'_, str>) -> anyhow::Result<()> {
        let mut writer = csv::Writer::from_writer(out);
        let keys = self.columns.iter().flat_map(|column| {
            let cell = column.for_machines(&Value::Null);
            cell.into_iter().map(|(key, _)| key)
        });
        writer.write_record(keys)?;
        for row in &self.rows {
            let object = self.object(row);
            let cells = object.cells().map(|(_, value)| match value {
                Value::Null => Cow::Borrowed(""),
                Value::String(text) => cell(text),
                other => Cow::Owned(other.to_string()),
            });
            writer.write_record(cells.map(Cow::into_owned))?;
        }
        writer.flush()?;
        Ok(())
    }
}

/// The rows, as machines get them.
impl Serialize for Sheet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.iter().map(|row| self.object(row)))
    }
}

/// A row as JSON, its keys in the order of the columns.
struct Object<'s> {
    columns: &'s [Column],
    row: &'s [Value],
}

impl<'s> Object<'s> {
    fn cells(&self) -> impl Iterator<Item = (&'static str, &'s Value)> {
        let cells = self.columns.iter().zip(self.row);
        cells.flat_map(|(column, value)| column.for_machines(value))
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.cells())
    }
}

/// What a person sees of a value: `–` where nothing is known.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        // The text for people, be it of an interval or of a label.
        Value::Array(parts) => parts.last().map_or_else(String::new, shown),
        other => other.to_string(),
    }
}

fn colour(column: &Column, text: &str) -> Option<Color> {
    if column.key != "status" {
        return None;
    }
    match text {
        "completed" | "success" | "same" => Some(Color::Green),
        "failed" | "differs" | "damaged" => Some(Color::Red),
        "running" | "in_progress" | "abandoned" => Some(Color::Yellow),
        _ => None,
    }
}

/// Returns a text with nothing in it that Markdown takes for more than text.
pub(crate) fn escaped_for_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(
            character,
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#'
        ) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Returns a printable name as code in Markdown, where nothing in it is a mention, a link, a mark
/// or the end of a table's cell.
pub(crate) fn code_for_markdown(name: &str) -> String {
    let is_plain = |it: char| !matches!(it, '`' | '|' | '\\' | '<' | '>' | '&');
    let is_framed = name.starts_with(' ') || name.ends_with(' ') || name.is_empty();
    if name.chars().all(is_plain) && !is_framed {
        return format!("`{name}`");
    }
    // No code span holds these in a table in all dialects; character references are never marks.
    let mut code = String::from("<code>");
    for character in name.chars() {
        if character.is_ascii_punctuation() || character == ' ' {
            code.push_str(&format!("&#{};", u32::from(character)));
        } else {
            code.push(character);
        }
    }
    code + "</code>"
}

/// Puts an apostrophe before a text that a spreadsheet would take for a formula.
fn harmless_for_spreadsheets(text: &str) -> Cow<'_, str> {
    match text.starts_with(FORMULA_STARTS) {
        true => Cow::Owned(format!("'{text}")),
        false => Cow::Borrowed(text),
    }
}

/// The last four are wide forms, which some spreadsheets take for the narrow ones.
const FORMULA_STARTS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\0', '＝', '＋', '－', '＠'];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(format: Format, expected: &str) {
        let mut sheet = Sheet::new()
            .text("agent", "Agent")
            .number("attempts", "Attempts");
        sheet.push(vec![json!("=cmd|'x'"), json!(2)]);
        sheet.push(vec![json!("a\"b,\u{1b}c"), Value::Null]);
        let mut out = Vec::new();
        sheet
            .print(format, &mut out)
            .expect("a Vec takes every write");
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn a_narrow_terminal_loses_minor_columns_and_never_breaks_a_number() {
        let mut sheet = Sheet::new()
            .text("issue", "Issue")
            .text("status", "Status")
            .whole()
            .number("retries", "Retries")
            .minor()
            .number("errors", "Errors")
            .minor()
            .number("usd", "USD");
        let row = [
            "an issue with a long name",
            "completed",
            "1",
            "2",
            "0.001796",
        ];
        sheet.push(row.iter().map(|text| json!(text)).collect());
        assert_eq!(sheet.columns_within(None), [0, 1, 2, 3, 4]);
        assert_eq!(sheet.columns_within(Some(57)), [0, 1, 2, 3, 4]);
        assert_eq!(sheet.columns_within(Some(56)), [0, 1, 2, 4]);
        assert_eq!(sheet.columns_within(Some(40)), [0, 1, 4]);
    }

    /// Reads what a sheet with one cell between two others is as CSV.
    fn read_csv(format: Format, cell: &Value) -> Vec<String> {
        let mut sheet = Sheet::new().text("a", "A").text("b", "B").number("c", "C");
        sheet.push(vec![json!("x"), cell.clone(), json!(-1.5)]);
        let mut out = Vec::new();
        sheet.print(format, &mut out).expect("a Vec takes it");
        let mut reader = csv::ReaderBuilder::new();
        let mut rows = reader
            .has_headers(false)
            .from_reader(&out[..])
            .into_records();
        let header = rows.next().expect("a header").expect("CSV");
        assert_eq!(header, vec!["a", "b", "c"]);
        let row = rows.next().expect("a row").expect("CSV");
        assert!(rows.next().is_none(), "no cell begins a row: {cell}");
        row.iter().map(str::to_owned).collect()
    }

    #[test]
    #[expect(clippy::print_stdout, reason = "`just guarantees` prints it")]
    fn no_text_is_a_formula_a_cell_or_a_row_to_a_spreadsheet() {
        let starts = ['=', '+', '-', '@', '\t', '\r', '\0', '＝', '＋', '－', '＠'];
        let harmless = [
            '1', 'x', ' ', '\'', '"', ',', ';', '\n', '|', 'ü', '{', '\u{7f}',
        ];
        let separators = [
            "", ",", ";", "\t", "|", "\"", "\"\"", "\n", "\r", "\r\n", "\0",
        ];
        let mut cells = 0;
        for start in starts.into_iter().chain(harmless) {
            for separator in separators {
                for end in ["1+1", "=1+1", "cmd|'/c calc'!A1", ""] {
                    let text = format!("{start}{separator}{end}");
                    let wanted = match starts.contains(&start) {
                        true => format!("'{text}"),
                        false => text.clone(),
                    };
                    let cell = json!(text);
                    assert_eq!(read_csv(Format::Csv, &cell), ["x", &wanted, "-1.5"]);
                    assert_eq!(read_csv(Format::RawCsv, &cell), ["x", &text, "-1.5"]);
                    cells += 1;
                }
            }
        }
        for number in ["-1", "0", "1.5", "-1e-7", "9007199254740991"] {
            let value: Value = serde_json::from_str(number).expect("a number");
            assert_eq!(read_csv(Format::Csv, &value)[1], number);
        }
        println!("proved T8: {cells} texts");
    }

    #[test]
    fn each_format_keeps_hostile_texts_harmless() {
        check(
            Format::Md,
            "| Agent | Attempts |\n| --- | ---: |\n| =cmd\\|'x' | 2 |\n| a\"b,\\\\u{1b}c | – |\n",
        );
        check(
            Format::Csv,
            "agent,attempts\n'=cmd|'x',2\n\"a\"\"b,\u{1b}c\",\n",
        );
        check(
            Format::Jsonl,
            "{\"agent\":\"=cmd|'x'\",\"attempts\":2}\n{\"agent\":\"a\\\"b,\\u001bc\",\"attempts\":null}\n",
        );
    }
}
