use crate::cli::{Cli, Completions};
use crate::exit::Exit;
use anyhow::Result;
use clap::CommandFactory;
use std::io::Write;

pub(crate) fn run(options: &Completions) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "retally", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(Exit::Done)
}
