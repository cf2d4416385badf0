use crate::cli::Redact;
use crate::exit::Exit;
use crate::setting::Setting;
use crate::sheet::{Format, Sheet};
use crate::terminal::{print_data, printable};
use anyhow::{Context, Result};
use retally_log::{Root, RunDir, RunId};
use retally_redact::{SecretRedactor, copy_redacted};
use retally_reduce::{RunFiles, RunFold};
use serde_json::json;
use std::sync::Arc;

pub(crate) fn run(setting: &Setting, options: &Redact) -> Result<Exit> {
    let run = setting.find_run(&options.run)?;
    let id = match &options.to {
        Some(id) => id.clone(),
        None => RunId::new(format!("{}_redacted", run.id())).context("name the copy (--to)")?,
    };
    let redactor = Arc::new(setting.redactor()?);
    let copy = copy_redacted(&setting.root, &run, &id, Arc::clone(&redactor))?;
    let mut fold = RunFold::open(setting.root.path(), copy.run.id(), setting.prices()?)?;
    fold.catch_up()?;
    fold.update_files()?;
    print_secrets(setting, &redactor, &copy.run)?;
    setting.say(&format!("events: {}", copy.events));
    if copy.left_out > 0 {
        let (stretches, bytes) = (copy.left_out, copy.left_out_bytes);
        setting.say(&format!(
            "left out, as they are damaged or fit no type: {stretches} lines, {bytes} bytes"
        ));
    }
    if options.remove_original {
        remove(&setting.root, &run)?;
        setting.say(&format!("removed `{}`", run.id()));
    }
    Ok(Exit::Done)
}

/// Prints the id of the copy, or with a format for machines what was found in it.
fn print_secrets(setting: &Setting, redactor: &SecretRedactor, copy: &RunDir) -> Result<()> {
    let counts = redactor.counts();
    let mut sheet = Sheet::new()
        .text("run", "Run")
        .text("kind", "Kind")
        .number("secrets", "Secrets");
    for (kind, count) in &counts {
        sheet.push(vec![json!(copy.id().as_str()), json!(kind), json!(count)]);
        setting.say(&format!("redacted: {count} of kind {}", printable(kind)));
    }
    match setting.format {
        Some(format) if format != Format::Table => {
            print_data(format, |out| sheet.print(format, out))
        }
        _ => print_data(Format::Table, |out| Ok(writeln!(out, "{}", copy.id())?)),
    }
}

fn remove(root: &Root, run: &RunDir) -> Result<()> {
    // Keeps watchers from writing reports into a folder that goes.
    let files = RunFiles::open(root.path(), run.id())?;
    let _lock = files.lock()?;
    let removed = root.remove_run(run);
    removed.context("the copy stands, and so does the original")
}
