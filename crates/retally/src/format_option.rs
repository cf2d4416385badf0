//! The `--format` of each kind of command: only what it can print is offered.

use crate::cli::Command;
use crate::sheet::Format;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum as _};

/// How rows of data are printed.
#[derive(Clone, Debug, Args)]
pub(crate) struct DataFormat {
    /// How data are printed
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Print CSV for programs, each text as it is; without, `'` keeps spreadsheets from
    /// taking a text for a formula
    #[arg(long, conflicts_with = "format")]
    raw_csv: bool,
}

/// How a text with tables is printed.
#[derive(Clone, Debug, Args)]
pub(crate) struct TextFormat {
    /// How it is printed: `table` for a terminal, `md` for a wiki, `json` for machines
    #[arg(long, value_name = "FORMAT", value_parser = text_or_json())]
    format: Option<Format>,
}

/// How events are printed.
#[derive(Clone, Debug, Args)]
pub(crate) struct LineFormat {
    /// How events are printed
    #[arg(long, value_name = "FORMAT", value_parser = lines_or_json())]
    format: Option<Format>,
}

/// How something that goes on is printed for machines.
#[derive(Clone, Debug, Args)]
pub(crate) struct StreamFormat {
    /// Print for machines
    #[arg(long, value_name = "FORMAT", value_parser = json_lines())]
    format: Option<Format>,
}

/// What stands before the command; its help does not list it.
#[derive(Clone, Debug, Args)]
pub(crate) struct FrontFormat {
    #[arg(
        id = "front_format",
        long = "format",
        value_name = "FORMAT",
        value_enum,
        hide = true
    )]
    format: Option<Format>,
    #[arg(
        id = "front_raw_csv",
        long = "raw-csv",
        conflicts_with = "front_format",
        hide = true
    )]
    raw_csv: bool,
}

impl DataFormat {
    fn chosen(&self) -> Option<Format> {
        chosen(self.format, self.raw_csv)
    }
}

impl FrontFormat {
    pub(crate) fn chosen(&self) -> Option<Format> {
        chosen(self.format, self.raw_csv)
    }
}

fn chosen(format: Option<Format>, raw_csv: bool) -> Option<Format> {
    if raw_csv {
        Some(Format::RawCsv)
    } else {
        format
    }
}

impl TextFormat {
    const FORMATS: [Format; 3] = [Format::Table, Format::Md, Format::Json];
}

impl LineFormat {
    const FORMATS: [Format; 2] = [Format::Table, Format::Jsonl];
}

impl StreamFormat {
    const FORMATS: [Format; 1] = [Format::Jsonl];
}

impl Command {
    /// Returns how it is to print data, where that is said.
    pub(crate) fn format(&self) -> Option<Format> {
        match self {
            Self::Runs(options) => options.data.chosen(),
            Self::Report(options) => options.data.chosen(),
            Self::Compare(options) => options.data.chosen(),
            Self::Alerts(options) => options.data.chosen(),
            Self::Rebuild(options) => options.data.chosen(),
            Self::Check(options) => options.data.chosen(),
            Self::Import(options) => options.data.chosen(),
            Self::Archive(options) => options.data.chosen(),
            Self::Purge(options) => options.data.chosen(),
            Self::Redact(options) => options.data.chosen(),
            Self::Insights(options) => options.text.format,
            Self::Tail(options) => options.lines_format.format,
            Self::Replay(options) => options.stream.format,
            Self::Watch(options) => options.stream.format,
            Self::Start(_)
            | Self::Append(_)
            | Self::Finish(_)
            | Self::Completions(_)
            | Self::Man(_) => None,
        }
    }

    /// Returns whether it prints data so.
    pub(crate) fn prints(&self, format: Format) -> bool {
        match self {
            Self::Start(_)
            | Self::Append(_)
            | Self::Finish(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
            Self::Insights(_) => TextFormat::FORMATS.contains(&format),
            Self::Tail(_) => LineFormat::FORMATS.contains(&format),
            Self::Replay(_) => StreamFormat::FORMATS.contains(&format),
            Self::Watch(options) => !options.view && StreamFormat::FORMATS.contains(&format),
            _ => true,
        }
    }
}

fn text_or_json() -> impl TypedValueParser<Value = Format> {
    one_of(&TextFormat::FORMATS)
}

fn lines_or_json() -> impl TypedValueParser<Value = Format> {
    one_of(&LineFormat::FORMATS)
}

fn json_lines() -> impl TypedValueParser<Value = Format> {
    one_of(&StreamFormat::FORMATS)
}

fn one_of(formats: &[Format]) -> impl TypedValueParser<Value = Format> {
    let values = formats.iter().filter_map(Format::to_possible_value);
    PossibleValuesParser::new(values).try_map(|name| Format::from_str(&name, false))
}
