use crate::cli::Redact;
use crate::exit::Exit;
use crate::setting::Setting;
use crate::sheet::{Format, Sheet};
use crate::terminal::{print_data, printable};
use anyhow::{Context, Result, bail};
use retally_log::{RunDir, RunId};
use retally_redact::{RedactedCopy, copy_redacted};
use retally_reduce::{RunFiles, RunFold};
use serde_json::json;

pub(crate) fn run(setting: &Setting, options: &Redact) -> Result<Exit> {
    let run = setting.find_run(&options.run)?;
    let id = match &options.to {
        Some(id) => id.clone(),
        None => RunId::new(format!("{}_redacted", run.id())).context("name the copy (--to)")?,
    };
    let copy = copy_redacted(&setting.root, &run, &id, &setting.redactor()?)?;
    let mut fold = RunFold::open(setting.root.path(), &id, setting.prices()?)?;
    fold.catch_up()?;
    fold.update_files()?;
    print_secrets(setting, &copy)?;
    let (lines, segments) = (copy.lines, copy.segments);
    let state = match copy.was_there {
        true => "stood there and is the same",
        false => "was read back and is whole",
    };
    setting.say(&format!(
        "copy of {lines} lines in {segments} segments {state}"
    ));
    if copy.left_out > 0 {
        let (stretches, bytes) = (copy.left_out, copy.left_out_bytes);
        setting.say(&format!(
            "not in the copy, as they cannot be trusted: {stretches} lines, {bytes} bytes"
        ));
    }
    if options.remove_original {
        remove(setting, &run, &copy)?;
    }
    Ok(match copy.left_out {
        0 => Exit::Done,
        _ => Exit::Found,
    })
}

/// Prints the id of the copy, or with a format for machines what was found in it.
fn print_secrets(setting: &Setting, copy: &RedactedCopy) -> Result<()> {
    let mut sheet = Sheet::new()
        .text("run", "Run")
        .text("kind", "Kind")
        .number("secrets", "Secrets");
    for (kind, count) in &copy.redacted {
        sheet.push(vec![json!(copy.run.as_str()), json!(kind), json!(count)]);
        setting.say(&format!("redacted: {count} of kind {}", printable(kind)));
    }
    match setting.format {
        Some(format) if format != Format::Table => {
            print_data(format, |out| sheet.print(format, out))
        }
        _ => print_data(Format::Table, |out| Ok(writeln!(out, "{}", copy.run)?)),
    }
}

/// Removes the original, as long as it is what was copied and all of it was.
fn remove(setting: &Setting, run: &RunDir, copy: &RedactedCopy) -> Result<()> {
    let id = run.id();
    if copy.left_out > 0 {
        setting.say(&format!(
            "`{id}` stays, as not all of it is in the copy (`retally purge` can remove it)"
        ));
        return Ok(());
    }
    // Keeps watchers from writing reports into a folder that goes.
    let files = RunFiles::open(setting.root.path(), id)?;
    let _lock = files.lock()?;
    if copy.original.is_none() || run.log_stamp()? != copy.original {
        bail!(
            "`{id}` changed since it was copied, and stays (end its writers, remove the copy, then redact again)"
        );
    }
    let removed = setting.root.remove_run(run);
    removed.context("the copy stands, and so does the original")?;
    setting.say(&format!("removed `{id}`"));
    Ok(())
}
