use crate::cli::Rebuild;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::setting::{Setting, complain};
use crate::sheet::{Format, Sheet};
use crate::terminal::print_data;
use anyhow::{Result, bail};
use retally_log::RunId;
use retally_reduce::{RebuildMode, Rebuilt, rebuild};
use serde_json::json;

pub(crate) fn run(setting: &Setting, options: &Rebuild) -> Result<Exit> {
    let runs = setting.find_runs(&options.runs)?;
    let mode = if options.dry_run {
        RebuildMode::DryRun
    } else {
        RebuildMode::Write
    };
    let progress = Progress::new(setting, runs.len(), "rebuilding");
    let ids: Vec<RunId> = runs.iter().map(|run| run.id().clone()).collect();
    let results = rebuild(setting.root.path(), &ids, &setting.prices()?, mode, |_| {
        progress.step();
    });
    progress.finish();
    let mut sheet = Sheet::new()
        .text("run", "Run")
        .text("file", "File")
        .text("change", if options.dry_run { "Would be" } else { "Was" })
        .text("first_difference", "First difference");
    let (mut changed, mut failed) = (0, 0);
    for Rebuilt { run_id, changes } in results {
        match changes {
            Ok(changes) => {
                changed += changes.len();
                for change in changes {
                    sheet.push(vec![
                        json!(run_id.as_str()),
                        json!(change.path),
                        json!(change.kind.as_str()),
                        json!(change.first_difference),
                    ]);
                }
            }
            Err(error) => {
                failed += 1;
                complain(&format!("run `{run_id}`: {:#}", anyhow::Error::new(error)));
            }
        }
    }
    let format = setting.format.unwrap_or(Format::Table);
    let lists = options.dry_run || format != Format::Table;
    if lists && (format != Format::Table || !sheet.is_empty()) {
        print_data(format, |out| sheet.print(format, out))?;
    }
    let done = if options.dry_run {
        "would change"
    } else {
        "changed"
    };
    setting.say(&format!(
        "runs: {}; report files {done}: {changed}",
        runs.len() - failed
    ));
    if failed > 0 {
        bail!("{failed} of {} runs could not be rebuilt", runs.len());
    }
    Ok(if options.dry_run && changed > 0 {
        Exit::Found
    } else {
        Exit::Done
    })
}
