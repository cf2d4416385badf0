use crate::cli::Rebuild;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::setting::{Setting, complain};
use crate::sheet::{Format, Sheet};
use anyhow::{Result, bail};
use retally_reduce::{DifferenceKind, Mode, rebuild_all};
use serde_json::json;

pub(crate) fn run(setting: &Setting, options: &Rebuild) -> Result<Exit> {
    let runs = setting.find_runs(&options.runs)?;
    let mode = if options.dry_run {
        Mode::DryRun
    } else {
        Mode::Write
    };
    let progress = Progress::new(setting, runs.len(), "rebuilding");
    let results = rebuild_all(&runs, &setting.prices()?, mode, |_| progress.step());
    progress.finish();
    let mut sheet = Sheet::new()
        .text("run", "Run")
        .text("file", "File")
        .text("change", if options.dry_run { "Would be" } else { "Was" })
        .text("reason", "Because");
    let (mut changed, mut failed) = (0, 0);
    for (run, result) in runs.iter().zip(results) {
        match result {
            Ok(differences) => {
                changed += differences.len();
                for difference in differences {
                    sheet.push(vec![
                        json!(run.id().as_str()),
                        json!(difference.file),
                        json!(change(&difference.kind)),
                        json!(difference.kind.to_string()),
                    ]);
                }
            }
            Err(error) => {
                failed += 1;
                complain(&format!(
                    "run `{}`: {:#}",
                    run.id(),
                    anyhow::Error::new(error)
                ));
            }
        }
    }
    let format = setting.format.unwrap_or(Format::Table);
    let lists = options.dry_run || format != Format::Table;
    if lists && (format != Format::Table || !sheet.is_empty()) {
        sheet.print(format, &mut anstream::stdout())?;
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

/// What is done to a file that differs so.
fn change(kind: &DifferenceKind) -> &'static str {
    match kind {
        DifferenceKind::Missing => "written",
        DifferenceKind::Extra => "removed",
        _ => "rewritten",
    }
}
