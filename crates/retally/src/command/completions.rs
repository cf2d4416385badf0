use crate::cli::Completions;
use crate::completion::script;
use crate::exit::Exit;
use anyhow::Result;
use std::io::Write;

pub(crate) fn run(options: &Completions) -> Result<Exit> {
    let script = script(options.shell)?;
    std::io::stdout().write_all(&script)?;
    Ok(Exit::Done)
}
