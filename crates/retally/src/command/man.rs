use crate::cli::{Cli, Man};
use crate::exit::{Exit, wrong_usage};
use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_mangen::roff::{Roff, bold, roman};
use std::io::Write;

/// What the command takes from the environment, and what for.
const VARIABLES: [(&str, &str); 8] = [
    (
        "RETALLY_ROOT",
        "The folder that holds all runs, where --root is left out.",
    ),
    (
        "RETALLY_RUN",
        "The run, where a command wants one and none is named; an empty value is an error.",
    ),
    (
        "RETALLY_NO_REDACT",
        "As --no-redact, unless it is empty or says no: 0, f, false, n, no, off.",
    ),
    (
        "*KEY*, *TOKEN*, *SECRET*, *PASSWORD*",
        "The values of variables of such names, in whatever case, are taken out of texts that are \
         appended.",
    ),
    (
        "NO_COLOR, CLICOLOR, CLICOLOR_FORCE, TERM",
        "Whether there is colour, where --color is auto; without TERM, or where it is dumb, there \
         are no progress bars.",
    ),
    (
        "XDG_CACHE_HOME, HOME",
        "What watch and runs keep in mind: $XDG_CACHE_HOME/retally, else $HOME/.cache/retally.",
    ),
    (
        "RETALLY_NOW",
        "The time that is taken for now, in RFC 3339, for tests.",
    ),
    ("RETALLY_RUN_ID", "The id that start takes, for tests."),
];

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
    // The page has begun, and with it what stands before each.
    page.extend_from_slice(environment().to_roff().as_bytes());
    std::io::stdout().write_all(&page)?;
    Ok(Exit::Done)
}

fn environment() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["ENVIRONMENT"]);
    for (name, purpose) in VARIABLES {
        roff.control("TP", []);
        roff.text([bold(name)]);
        roff.text([roman(purpose)]);
    }
    roff
}
