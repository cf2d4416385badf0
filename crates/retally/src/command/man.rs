use crate::cli::{Cli, Man};
use crate::exit::{Exit, wrong_usage};
use anyhow::{Context, Result};
use clap::CommandFactory;
use std::io::Write;

pub(crate) fn run(options: &Man) -> Result<Exit> {
    let mut whole = Cli::command();
    // Gives the commands the options that hold for all, and their full names.
    whole.build();
    let command = match &options.command {
        None => whole,
        Some(name) => {
            let unknown = || format!("no command is called `{name}` (see `retally --help`)");
            let command = whole.find_subcommand(name).cloned();
            command.ok_or_else(|| wrong_usage(unknown()))?
        }
    };
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut page);
    rendered.context("cannot render the page")?;
    std::io::stdout().write_all(&page)?;
    Ok(Exit::Done)
}
