//! What can be asked of the command line.

use crate::age::Age;
use crate::answers::Question;
use crate::completion;
use crate::condition::Condition;
use crate::exit::{EXIT_CODES_HELP, wrong_usage};
use crate::format_option::{DataFormat, FrontFormat, LineFormat, StreamFormat, TextFormat};
use crate::playback::Speed;
use crate::sheet::Format;
use clap::builder::styling::AnsiColor;
use clap::builder::{
    FalseyValueParser, PossibleValue, PossibleValuesParser, Styles, TypedValueParser,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use retally_alerts::Severity;
use retally_log::{RunId, RunStatus};
use retally_stats::Grouping;
use std::path::PathBuf;
use std::time::Duration;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Records what LLM agents do on issues, and counts it again from the raw record
#[derive(Debug, Parser)]
#[command(name = "retally", version, styles = STYLES, after_help = EXIT_CODES_HELP)]
#[command(propagate_version = true, infer_subcommands = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(flatten)]
    front: FrontFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Returns how data are to be printed, where that is said.
    ///
    /// # Errors
    /// It is said before the command, which does not print that.
    pub(crate) fn format(&self) -> anyhow::Result<Option<Format>> {
        let behind = self.command.format();
        match self.front.chosen().filter(|_| behind.is_none()) {
            None => Ok(behind),
            Some(front) if self.command.prints(front) => Ok(Some(front)),
            Some(_) => Err(wrong_usage(
                "this command has no such --format (its --help lists those it has)",
            )),
        }
    }
}

/// What holds for every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The folder that holds all runs
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "RETALLY_ROOT",
        default_value = "logs/runs"
    )]
    #[arg(hide_env_values = true)]
    pub(crate) root: PathBuf,
    /// When colour is used
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) color: ColorChoice,
    /// Print only data and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Append texts as they are, with the secrets in them
    #[arg(long, global = true, env = "RETALLY_NO_REDACT", value_parser = FalseyValueParser::new())]
    #[arg(hide_env_values = true)]
    pub(crate) no_redact: bool,
}

/// When colour is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal that shows it
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl ColorChoice {
    /// Makes the choice hold for everything that is printed from now on.
    pub(crate) fn write_global(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a run and print its id
    Start(Start),
    /// Append an event, or JSON lines from stdin
    Append(Append),
    /// End a run
    Finish(Finish),
    /// List the runs
    Runs(Runs),
    /// Print events, and follow them
    Tail(Tail),
    /// Play a run's state as it grew
    Replay(Replay),
    /// Print a report
    Report(Report),
    /// Compare groups of runs: which model succeeds more often, and how sure that is
    Compare(Compare),
    /// Answer the usual questions: the best model, first-pass share, rework, costs, flaky pipelines
    Insights(Insights),
    /// Find what goes wrong by rules: success falling, outliers, silence, budgets, damage
    Alerts(Alerts),
    /// Write all report files anew from the raw logs
    Rebuild(Rebuild),
    /// Keep report files up to date while their logs grow
    Watch(Watch),
    /// Verify the logs, and that report files equal a rebuild
    Check(Check),
    /// Turn other tools' logs into runs
    Import(Import),
    /// Compress the logs of runs that ended; everything reads them as before
    Archive(Archive),
    /// Remove whole runs that are old
    Purge(Purge),
    /// Copy a run without the secrets that stand in its log
    Redact(Redact),
    /// Print what completes the words of this command in a shell
    Completions(Completions),
    /// Print the manual page
    Man(Man),
}

/// A run: an id, the unique beginning of one, or `latest`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArg {
    /// A run's id, the unique beginning of one, or `latest`
    #[arg(
        value_name = "RUN",
        env = "RETALLY_RUN",
        default_value = "latest",
        hide_env_values = true,
        add = completion::runs()
    )]
    pub(crate) run: String,
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The project that is worked on
    #[arg(long, value_name = "P")]
    pub(crate) project: String,
    /// Who serves the language model
    #[arg(long, value_name = "X")]
    pub(crate) provider: Option<String>,
    /// The language model
    #[arg(long, value_name = "M")]
    pub(crate) model: Option<String>,
    /// The sampling temperature, kept as it is written
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    pub(crate) temperature: Option<String>,
    /// What the run is started to do
    #[arg(long, value_name = "S")]
    pub(crate) mode: Option<String>,
    /// The one issue that the run is started for
    #[arg(long, value_name = "N")]
    pub(crate) specific_issue: Option<String>,
    /// A name and value to group runs by
    #[arg(long = "tag", value_name = "K=V")]
    pub(crate) tags: Vec<String>,
    /// Anything else that configures the run; `K:=JSON` for values that are no strings
    #[arg(long = "config", value_name = "K=V")]
    pub(crate) config: Vec<String>,
}

#[derive(Debug, Args)]
#[command(override_usage = "retally append [OPTIONS] [RUN] [TYPE [KEY=VALUE]...]")]
#[command(after_help = "\
Examples:
  retally append latest agent.started issue=123 agent=coding
  retally append latest pipeline.recorded issue=123 pipeline_id=4259 status=failed 'failed_jobs:=[\"test\"]'
  jq -c '{type: \"note.added\", text: .message}' log.json | retally append latest

The run may be left out where RETALLY_RUN is set.")]
pub(crate) struct Append {
    /// The run, then an event's type and fields; without a type, JSON lines are read from stdin.
    /// KEY=VALUE is typed by the event's schema, KEY:=JSON takes any JSON
    #[arg(value_name = "WORDS", add = completion::event_words())]
    pub(crate) words: Vec<String>,
    /// Return only when the event survives a power cut
    #[arg(long)]
    pub(crate) sync: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Finish {
    /// A run's id, the unique beginning of one, or `latest`
    #[arg(value_name = "RUN", env = "RETALLY_RUN", hide_env_values = true, add = completion::runs())]
    pub(crate) run: String,
    /// How the run ended
    #[arg(long, value_name = "S", default_value = "completed", value_parser = run_status_parser())]
    pub(crate) status: RunStatus,
}

#[derive(Debug, Args)]
pub(crate) struct Runs {
    #[command(flatten)]
    pub(crate) data: DataFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
With --format jsonl each event is printed as it stands in the log, without its checksum, behind
`run` and `segment`. Times are UTC.

Examples:
  retally tail all -f
  retally tail latest -n 100 --type pipeline --type debug
  retally tail -f --format jsonl | jq 'select(.success == false)'")]
pub(crate) struct Tail {
    /// A run's id, the unique beginning of one, `latest`, or `all`, which is meant too where it is
    /// left out and RETALLY_RUN is not set
    #[arg(value_name = "RUN", env = "RETALLY_RUN", hide_env_values = true, add = completion::runs_or_all())]
    pub(crate) run: Option<String>,
    /// Go on with what comes, in new segments and runs too
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How many of the last events are printed first; `all` for every one
    #[arg(long, short = 'n', value_name = "N", default_value = "10", value_parser = parse_lines)]
    pub(crate) lines: usize,
    /// Only events of this type; `agent` means every `agent.…`
    #[arg(long = "type", value_name = "T", add = completion::types())]
    pub(crate) types: Vec<String>,
    /// Only events of this issue
    #[arg(long = "issue", value_name = "N", allow_hyphen_values = true)]
    pub(crate) issues: Vec<String>,
    /// Only events of this agent
    #[arg(long = "agent", value_name = "A")]
    pub(crate) agents: Vec<String>,
    #[command(flatten)]
    pub(crate) lines_format: LineFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
On a terminal the run is shown on a whole screen: space pauses, right or n shows the next event, left
or p the one before, + and - change the speed, up, down, PgUp and PgDn select an issue, Home and End go to
the start and the end, q quits. Pauses longer than 2 s are cut short.

Elsewhere, or with --format jsonl, each event is a line of JSON: `ts`, `type`, `segment`, `seq` and
`issue` say which it is; `run` is the metadata of the run and `issue_metrics` the report of the issue
as they are once it is counted.

Examples:
  retally replay latest
  retally replay latest --format jsonl | jq -c '[.ts, .run.success_rate]'")]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) run: RunArg,
    /// How much faster than it happened, or `max`; 60 on a terminal, else `max`
    #[arg(long, value_name = "X", value_parser = Speed::parse, allow_negative_numbers = true)]
    pub(crate) speed: Option<Speed>,
    /// Stop at this time, or at this line of a segment
    #[arg(long, value_name = "TIME|SEGMENT:SEQ")]
    pub(crate) as_of: Option<String>,
    #[command(flatten)]
    pub(crate) stream: StreamFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) run: RunArg,
    /// The report of this issue
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) issue: Option<String>,
    /// What was known at this time, or up to this line of a segment
    #[arg(long, value_name = "TIME|SEGMENT:SEQ")]
    pub(crate) as_of: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataFormat,
}

#[derive(Debug, Args)]
#[command(override_usage = "retally compare [OPTIONS] [RUN]...
       retally compare [OPTIONS] <RUN>... --against <RUN>...")]
#[command(after_help = "\
Each group is compared with one of them, the baseline. Issues that are open are left out of rates and
means. Where both groups did the same issues, they are compared issue by issue. Intervals are of 95 %,
and p values are adjusted for the number of tests. docs/statistics.md says which method is used when.

Conditions of --fail-if, each for every group but the baseline:
  worse            there is evidence that it is worse in anything that is compared
  MEASURE:worse    there is evidence that it is worse in this, such as success_rate:worse
  FIGURE<NUMBER    a figure is below a number, such as 'success_rate<80' (percent); or FIGURE>NUMBER
  unknown          another condition cannot be told, or there is nothing to compare

Examples:
  retally compare --by model
  retally compare --by config:prompt --baseline v1
  retally compare run_new --against run_old --fail-if worse --fail-if unknown")]
pub(crate) struct Compare {
    /// Runs; all of the root where none is named
    #[arg(value_name = "RUN", add = completion::runs())]
    pub(crate) runs: Vec<String>,
    /// What runs have in common that are a group: model, provider, temperature, mode, project,
    /// agent, tag:KEY or config:KEY; `model` where it is left out
    #[arg(long, value_name = "WHAT", conflicts_with = "against")]
    pub(crate) by: Option<Grouping>,
    /// The runs that the named ones are compared with
    #[arg(long, value_name = "RUN", num_args = 1.., requires = "runs", add = completion::runs())]
    pub(crate) against: Vec<String>,
    /// The group that the others are compared with; that of most issues where it is left out
    #[arg(
        long,
        value_name = "GROUP",
        conflicts_with = "against",
        allow_hyphen_values = true
    )]
    pub(crate) baseline: Option<String>,
    /// End with 1 where this holds
    #[arg(long, value_name = "CONDITION")]
    pub(crate) fail_if: Vec<Condition>,
    /// What was known at this time
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
    /// What chance starts from; the same seed gives the same output
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) data: DataFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Each question is answered by a sentence and a small table, or by what it would take to answer it.
Intervals are of 95 %, and p values are adjusted for the number of tests. docs/statistics.md says which
method is used when, and what no such answer can tell.

Examples:
  retally insights
  retally insights --only first_pass,flaky_pipelines
  retally insights --format md > insights.md
  retally insights --format json | jq -r '.insights[] | select(.enough_evidence) | .answer'")]
pub(crate) struct Insights {
    /// Runs; all of the root where none is named
    #[arg(value_name = "RUN", add = completion::runs())]
    pub(crate) runs: Vec<String>,
    /// Answer this question alone; more than one, with commas between them
    #[arg(long, value_name = "QUESTION", value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Question>,
    /// What was known at this time
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
    /// What chance starts from; the same seed gives the same output
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) text: TextFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The rules are those of --rules, else of alerts.toml in the root, else the default ones. Each looks at
what came before alone, so that this finds what `retally watch --alerts` finds while runs go on. What
is usual is told from the runs that are named. docs/alerts.md has the rules and how sure they are.

Examples:
  retally alerts
  retally alerts --rules alerts.toml --fail-if critical
  retally alerts --format jsonl | jq -r '[.ts, .rule, .text] | @tsv'")]
pub(crate) struct Alerts {
    /// Runs; all of the root where none is named
    #[arg(value_name = "RUN", add = completion::runs())]
    pub(crate) runs: Vec<String>,
    /// The file with the rules
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
    /// End with 1 where an alert is so severe, or more: info, warning or critical
    #[arg(long, value_name = "SEVERITY", value_parser = severity_parser())]
    pub(crate) fail_if: Option<Severity>,
    /// What was known at this time, which is also the time that silences are counted up to
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    /// Runs; all of the root where none is named
    #[arg(value_name = "RUN", add = completion::runs())]
    pub(crate) runs: Vec<String>,
    /// Write nothing, and print what would change
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) data: DataFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Reports are written at the first change, then at most once per interval. What the system does not
notify, such as what other hosts write on a network file system, is found by looking: live runs
once per polling time, others every 30th. Any number of watchers, rebuilds and writers may run at
once. With --format jsonl each update is a line on stdout.

With --alerts each alert is a line on stdout, told once, also where the watcher is started again; with
--format jsonl it is {\"alert\": …}. A file named there may also have alerts written to a file, handed
to a command or sent to a webhook. docs/alerts.md says how.

However it ends, with --once and --view too, the exit code is 3 where something keeps reports from
being up to date or alerts from being delivered, else 0.")]
pub(crate) struct Watch {
    /// Runs; all of the root where none is named, new ones too
    #[arg(value_name = "RUN", add = completion::runs())]
    pub(crate) runs: Vec<String>,
    /// Bring everything up to date and end
    #[arg(long)]
    pub(crate) once: bool,
    /// Tell alerts as they come, by the rules of FILE, else of alerts.toml in the root, else the
    /// default ones
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, conflicts_with = "view")]
    pub(crate) alerts: Option<Option<PathBuf>>,
    /// Show one run on a whole screen meanwhile: up, down, PgUp and PgDn select an issue, q quits
    #[arg(long, conflicts_with_all = ["once", "format"])]
    pub(crate) view: bool,
    /// How often live runs are looked at without notifications
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    pub(crate) poll: Duration,
    /// The least time between two updates of one run's reports
    #[arg(long, value_name = "SECONDS", default_value = "0.1", value_parser = parse_seconds)]
    pub(crate) interval: Duration,
    #[command(flatten)]
    pub(crate) stream: StreamFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Runs; all of the root where none is named
    #[arg(value_name = "RUN", add = completion::runs())]
    pub(crate) runs: Vec<String>,
    #[command(flatten)]
    pub(crate) data: DataFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// What the files are
    #[arg(value_name = "FORMAT", value_parser = import_format_parser())]
    pub(crate) import_format: &'static retally_import::Format,
    /// The files; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The run to import into, where the format does not say
    #[arg(long, value_name = "RUN", add = completion::runs())]
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A log is removed only once its compressed form was read back from the disk and compared. Whatever
dies meanwhile, nothing is lost: archive again. Writers that are not retally's take no lock, so end
them first. `zstd -d` makes a plain segment again.

Examples:
  retally archive latest
  retally archive --older-than 30d --dry-run")]
pub(crate) struct Archive {
    /// Runs; those that --older-than selects where none is named
    #[arg(value_name = "RUN", required_unless_present = "older_than", add = completion::runs())]
    pub(crate) runs: Vec<String>,
    /// Only runs whose logs did not change for so long, such as 30d or 12h, or since a day
    #[arg(long, value_name = "AGE|DAY", value_parser = Age::parse)]
    pub(crate) older_than: Option<Age>,
    /// Archive runs without an end too
    #[arg(long)]
    pub(crate) unfinished: bool,
    /// How hard zstd tries, from 1 to 19
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u8).range(1..=19))]
    pub(crate) level: u8,
    /// Change nothing, and print what would be compressed
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) data: DataFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without --yes nothing is removed. A run goes with all that is in its folder; one that a process
writes stays, and so does one without an end.

Examples:
  retally purge --older-than 180d
  retally purge --older-than 2025-01-01 --yes")]
pub(crate) struct Purge {
    /// Runs; all of the root where none is named
    #[arg(value_name = "RUN", add = completion::runs())]
    pub(crate) runs: Vec<String>,
    /// Only runs whose logs did not change for so long, such as 180d or 12h, or since a day
    #[arg(long, value_name = "AGE|DAY", value_parser = Age::parse)]
    pub(crate) older_than: Age,
    /// Remove runs without an end too
    #[arg(long)]
    pub(crate) unfinished: bool,
    /// Remove them, and do not only say which
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) data: DataFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Secrets are the keys of many services by their shape, the values of environment variables whose
names hold KEY, TOKEN, SECRET or PASSWORD, and what the patterns of redact.toml in the root find.
The id of the copy is printed. It gets its name once it was compared line by line with the run; one
that stands already is only compared. Damaged lines may hold anything and are left out: then the exit
code is 1, their number is said, and the run stays whatever the options say.

Examples:
  retally redact latest
  retally redact run_20241203_143022_project_168 --to cleaned --remove-original")]
pub(crate) struct Redact {
    /// A run's id, the unique beginning of one, or `latest`
    #[arg(value_name = "RUN", env = "RETALLY_RUN", hide_env_values = true, add = completion::runs())]
    pub(crate) run: String,
    /// The id of the copy; that of the run and `_redacted` where it is left out
    #[arg(long, value_name = "ID")]
    pub(crate) to: Option<RunId>,
    /// Remove the run once a copy of all of it survives power loss
    #[arg(long)]
    pub(crate) remove_original: bool,
    #[command(flatten)]
    pub(crate) data: DataFormat,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  echo 'source <(retally completions bash)' >> ~/.bashrc
  echo 'source <(retally completions zsh)' >> ~/.zshrc    # behind compinit
  retally completions fish > ~/.config/fish/completions/retally.fish

The shell asks the command for runs and event types. A file with a script is to be written anew
after an upgrade.")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  retally man | man -l -
  retally man tail > retally-tail.1")]
pub(crate) struct Man {
    /// The command whose page it is; the page of all where it is left out
    #[arg(value_name = "COMMAND", add = completion::commands())]
    pub(crate) command: Option<String>,
}

fn import_format_parser() -> impl TypedValueParser<Value = &'static retally_import::Format> {
    let formats = retally_import::Format::ALL.iter();
    let names = formats.map(|format| PossibleValue::new(format.name).help(format.summary));
    PossibleValuesParser::new(names).try_map(|name| {
        retally_import::Format::find(&name).ok_or("the formats were listed just now")
    })
}

fn severity_parser() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::as_str)).try_map(|word| {
        let mut all = Severity::ALL.into_iter();
        all.find(|it| it.as_str() == word)
            .ok_or("the words were listed just now")
    })
}

fn run_status_parser() -> impl TypedValueParser<Value = RunStatus> {
    PossibleValuesParser::new(RunStatus::WORDS)
        .try_map(|word| RunStatus::from_word(&word).ok_or("the words were listed just now"))
}

/// The least and the greatest time between two looks or updates.
const SECONDS_RANGE: std::ops::RangeInclusive<f64> = 0.01..=86_400.0;

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| SECONDS_RANGE.contains(seconds));
    let (least, greatest) = (SECONDS_RANGE.start(), SECONDS_RANGE.end());
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("want seconds from {least} to {greatest}"))
}

fn parse_lines(text: &str) -> Result<usize, String> {
    match text {
        "all" => Ok(usize::MAX),
        _ => text
            .parse()
            .map_err(|_| "want a number of events or `all`".to_owned()),
    }
}
