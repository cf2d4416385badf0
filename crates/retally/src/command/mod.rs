//! A file for each command; each connects options to the libraries and prints what they say.

pub(crate) mod alerts;
mod append;
mod archive;
mod check;
mod compare;
mod completions;
mod finish;
mod import;
mod insights;
mod man;
mod purge;
mod rebuild;
mod redact;
mod replay;
pub(crate) mod report;
mod runs;
mod start;
mod tail;
mod watch;

use crate::cli::{Cli, Command};
use crate::exit::Exit;
use crate::setting::Setting;
use anyhow::Result;

pub(crate) fn run(cli: Cli) -> Result<Exit> {
    let setting = Setting::new(&cli.global, cli.format()?)?;
    match cli.command {
        Command::Start(options) => start::run(&setting, options),
        Command::Append(options) => append::run(&setting, &options),
        Command::Finish(options) => finish::run(&setting, &options),
        Command::Runs(_) => runs::run(&setting),
        Command::Tail(options) => tail::run(&setting, &options),
        Command::Replay(options) => replay::run(&setting, &options),
        Command::Report(options) => report::run(&setting, &options),
        Command::Compare(options) => compare::run(&setting, &options),
        Command::Insights(options) => insights::run(&setting, &options),
        Command::Alerts(options) => alerts::run(&setting, &options),
        Command::Rebuild(options) => rebuild::run(&setting, &options),
        Command::Watch(options) => watch::run(&setting, &options),
        Command::Check(options) => check::run(&setting, &options),
        Command::Import(options) => import::run(&setting, &options),
        Command::Archive(options) => archive::run(&setting, &options),
        Command::Purge(options) => purge::run(&setting, &options),
        Command::Redact(options) => redact::run(&setting, &options),
        Command::Completions(options) => completions::run(&options),
        Command::Man(options) => man::run(&options),
    }
}
