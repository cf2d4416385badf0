use crate::aged_run::{AgedRun, Selection};
use crate::cli::Purge;
use crate::exit::Exit;
use crate::setting::{Setting, complain};
use crate::sheet::{Format, Sheet};
use crate::terminal::print_data;
use anyhow::{Context, Result, bail};
use retally_reduce::RunFiles;
use serde_json::json;
use std::path::Path;

pub(crate) fn run(setting: &Setting, options: &Purge) -> Result<Exit> {
    let root = &setting.root;
    if options.yes {
        let path = root.path().display();
        let finished = root.finish_removals();
        finished
            .with_context(|| format!("cannot remove what is left of purged runs in `{path}`"))?;
    }
    let age = Some(options.older_than);
    let selection = Selection::of(setting, &options.runs, age, options.unfinished)?;
    let mut sheet = Sheet::new()
        .text("run", "Run")
        .text("status", "Status")
        .text("changed_at", "Changed")
        .whole()
        .number("bytes", "Bytes");
    let (mut removed, mut bytes, mut failed) = (0, 0, selection.failed);
    for aged in &selection.runs {
        let size = folder_bytes(aged.run.path());
        if options.yes
            && let Err(error) = remove(setting, aged)
        {
            failed += 1;
            complain(&format!("run `{}`: {error:#}", aged.run.id()));
            continue;
        }
        (removed, bytes) = (removed + 1, bytes + size);
        sheet.push(vec![
            json!(aged.run.id().as_str()),
            json!(aged.status),
            json!(aged.changed_at.to_string().replace(".000000", "")),
            json!(size),
        ]);
    }
    let format = setting.format.unwrap_or(Format::Table);
    if format != Format::Table || !sheet.is_empty() {
        print_data(format, |out| sheet.print(format, out))?;
    }
    selection.mention_unfinished(setting);
    setting.say(&match (options.yes, removed) {
        (true, _) => format!("runs removed: {removed}; bytes: {bytes}"),
        (false, 0) => "runs to remove: 0".to_owned(),
        (false, _) => {
            format!("runs to remove: {removed}; bytes: {bytes}; nothing was removed (--yes does)")
        }
    });
    match failed {
        0 => Ok(Exit::Done),
        failed => bail!("not removed: {failed}"),
    }
}

fn remove(setting: &Setting, aged: &AgedRun) -> Result<()> {
    // Keeps watchers from writing reports into a folder that goes.
    let files = RunFiles::open(setting.root.path(), aged.run.id())?;
    let _lock = files.lock()?;
    Ok(setting.root.remove_run(&aged.run)?)
}

/// Returns how many bytes the files of a folder hold, those that can be seen.
fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(facts) if facts.is_dir() => folder_bytes(&entry.path()),
        Ok(facts) => facts.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
