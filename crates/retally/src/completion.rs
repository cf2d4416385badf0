//! What completes the words of this command in a shell: the shell asks the command itself, so runs
//! of the root are known, and event types.

use crate::cli::Cli;
use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};
use retally_log::{EventType, Root};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// What a shell sets when it asks.
const VARIABLE: &str = "RETALLY_COMPLETE";

/// Answers and ends, where a shell asks what a word could be.
pub(crate) fn answer_shell() {
    CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .complete();
}

/// Returns the script with which a shell learns to ask.
pub(crate) fn script(shell: Shell) -> Result<Vec<u8>> {
    let shells = Shells::builtins();
    let name = shell.to_string();
    let asking = shells.completer(&name);
    let asking = asking.with_context(|| format!("`{name}` cannot ask for completions"))?;
    let mut script = Vec::new();
    asking.write_registration(VARIABLE, "retally", "retally", "retally", &mut script)?;
    Ok(script)
}

/// Completes the runs of the root, the last first.
pub(crate) fn runs() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(run_words(&[Root::LATEST])))
}

/// Completes runs, and the word for all of them.
pub(crate) fn runs_or_all() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates(run_words(&[Root::LATEST, "all"])))
}

/// Completes types of events, and what several have in common.
pub(crate) fn types() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let names = EventType::ALL.iter().map(|known| known.name);
        let families = names.clone().filter_map(|name| name.split('.').next());
        let words: BTreeSet<&str> = families.chain(names).collect();
        candidates(words)
    })
}

/// Completes the names of commands.
pub(crate) fn commands() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let command = Cli::command();
        let names = command.get_subcommands().map(|it| it.get_name().to_owned());
        candidates(names)
    })
}

/// Completes the words of `append`: a run, a type, fields.
pub(crate) fn event_words() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let words = asked_words();
        let behind = words.iter().skip_while(|word| *word != "append").skip(1);
        let others = behind.filter(|word| *word != current && !is_option(word));
        let others: Vec<&str> = others.filter_map(|word| word.to_str()).collect();
        let start = current.to_string_lossy();
        candidates(
            next_words(&others)
                .into_iter()
                .filter(|word| word.starts_with(&*start)),
        )
    })
}

/// Returns what may stand behind the words of `append`.
fn next_words(words: &[&str]) -> Vec<String> {
    if let Some(event_type) = words.iter().find_map(|word| EventType::find(word)) {
        let fields = event_type.fields.iter();
        return fields.map(|field| format!("{}=", field.name)).collect();
    }
    let types = EventType::ALL.iter().map(|known| known.name.to_owned());
    // Which only writers write.
    let types = types.filter(|name| name != "segment.opened");
    let has_run = std::env::var_os("RETALLY_RUN").is_some_and(|run| !run.is_empty());
    match (words.is_empty(), has_run) {
        (true, true) => types.chain(run_words(&[Root::LATEST])).collect(),
        (true, false) => run_words(&[Root::LATEST]),
        (false, _) => types.collect(),
    }
}

fn is_option(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}

fn candidates<W: Into<OsString>>(words: impl IntoIterator<Item = W>) -> Vec<CompletionCandidate> {
    // Else they would be sorted, and the last run would not stand first.
    let numbered = words.into_iter().enumerate();
    let candidate =
        |(place, word): (usize, W)| CompletionCandidate::new(word).display_order(Some(place));
    numbered.map(candidate).collect()
}

/// Returns some words, and the ids of the runs in the root.
fn run_words(words: &[&str]) -> Vec<String> {
    // Nothing can be said to somebody who is typing.
    let ids = Root::new(root()).runs().unwrap_or_default();
    let ids = ids.iter().rev().map(|id| id.as_str().to_owned());
    words
        .iter()
        .map(|word| (*word).to_owned())
        .chain(ids)
        .collect()
}

/// Returns the root that the words so far name, else that of the environment.
fn root() -> PathBuf {
    let words = asked_words();
    let named = words.iter().enumerate().rev().find_map(|(place, word)| {
        let rest = word.to_str()?.strip_prefix("--root")?;
        match rest.strip_prefix('=') {
            Some(path) => Some(OsString::from(path)),
            // Some shells take `=` for a word.
            None => words[place + 1..].iter().find(|word| *word != "=").cloned(),
        }
    });
    let named = named.or_else(|| std::env::var_os("RETALLY_ROOT"));
    named.map_or_else(|| PathBuf::from("logs/runs"), PathBuf::from)
}

/// Returns the words of the command line that a shell asks about.
fn asked_words() -> Vec<OsString> {
    let words = std::env::args_os().skip_while(|word| word != "--");
    words.skip(2).collect()
}
