//! The `retally` command: records, folds and reports what LLM agents do on issues.
//!
//! `cli.rs` says what can be asked for, `command/` has a file for each command, and `exit.rs` the
//! exit codes. Errors are printed here, once.
#![forbid(unsafe_code)]

mod age;
mod aged_run;
mod alert_delivery;
mod alert_history;
mod alert_lane;
mod alert_memory;
mod alert_sheet;
mod alert_watch;
mod answer;
mod answers;
mod cli;
mod columns;
mod command;
mod comparison_json;
mod comparison_sheets;
mod completion;
mod condition;
mod event_line;
mod event_printer;
mod exit;
mod facts;
mod followed_run;
mod format_option;
mod live_alerts;
mod live_view;
mod playback;
mod progress;
mod run_index;
mod run_reading;
mod screen;
mod setting;
mod sheet;
mod signals;
mod status_line;
mod terminal;
mod verdict;
mod view;
mod watch_log;
mod webhook;
mod without_secrets;

use crate::cli::Cli;
use crate::exit::{Exit, WrongUsage};
use clap::Parser;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    completion::answer_shell();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return answer(&error),
    };
    cli.global.color.write_global();
    match command::run(cli) {
        Ok(exit) => exit.into(),
        Err(error) if is_broken_pipe(&error) => Exit::Done.into(),
        Err(error) => {
            setting::complain(&format!("{error:#}"));
            let is_usage = error.downcast_ref::<WrongUsage>().is_some();
            if is_usage {
                Exit::WrongUsage
            } else {
                Exit::Failed
            }
            .into()
        }
    }
}

/// Prints what the argument parser has to say: help, a version, or what was wrong. A script may
/// have passed data on, so nothing in it reaches the terminal that would act there, and no secret.
fn answer(error: &clap::Error) -> ExitCode {
    let is_hostile = std::env::args_os().any(|arg| terminal::has_active(&arg.to_string_lossy()));
    let text = error.render().to_string();
    let said = match error.use_stderr() {
        true => without_secrets::without_secrets(&text),
        false => text.clone(),
    };
    if !is_hostile && said == text {
        error.exit();
    }
    let text = terminal::printable_lines(&said);
    // Nobody is left to be told that telling failed.
    _ = writeln!(std::io::stderr(), "{text}");
    Exit::WrongUsage.into()
}

/// Whether the reader of our output has seen enough, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
