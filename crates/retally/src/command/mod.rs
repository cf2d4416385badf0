//! A file for each command; each connects options to the libraries and prints what they say.

mod append;
mod check;
mod finish;
mod import;
mod rebuild;
mod report;
mod runs;
mod start;
mod watch;

use crate::cli::{Cli, Command};
use crate::exit::Exit;
use crate::setting::Setting;
use anyhow::Result;

pub(crate) fn run(cli: Cli) -> Result<Exit> {
    let setting = Setting::new(&cli.global)?;
    match cli.command {
        Command::Start(options) => start::run(&setting, options),
        Command::Append(options) => append::run(&setting, &options),
        Command::Finish(options) => finish::run(&setting, &options),
        Command::Runs => runs::run(&setting),
        Command::Report(options) => report::run(&setting, &options),
        Command::Rebuild(options) => rebuild::run(&setting, &options),
        Command::Watch(options) => watch::run(&setting, &options),
        Command::Check(options) => check::run(&setting, &options),
        Command::Import(options) => import::run(&setting, &options),
    }
}
