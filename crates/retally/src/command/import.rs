use crate::cli::Import;
use crate::exit::{Exit, wrong_usage};
use crate::setting::{Setting, complain};
use crate::sheet::{Format, Sheet};
use crate::terminal::print_data;
use anyhow::{Context, Result, bail};
use retally_import::Source;
use retally_log::{Root, RunId};
use retally_reduce::PRICES_FILE;
use serde_json::json;
use std::io::Read;
use std::path::Path;

/// How many records of a file that could not be used are named one by one.
const NAMED_PROBLEMS_MAX: usize = 20;

pub(crate) fn run(setting: &Setting, options: &Import) -> Result<Exit> {
    if options.run.as_deref() == Some(Root::LATEST) {
        return Err(wrong_usage(
            "--run cannot be `latest`, which means another run each time",
        ));
    }
    if options.run.as_deref() == Some(PRICES_FILE) {
        let text = format!("--run cannot be `{PRICES_FILE}`, which is the name of the price book");
        return Err(wrong_usage(text));
    }
    let run = options.run.as_deref().map(RunId::new).transpose()?;
    let mut sheet = Sheet::new()
        .text("file", "File")
        .text("run", "Run")
        .number("appended", "Appended")
        .number("known", "Known before");
    let mut unused = 0;
    for path in &options.files {
        let bytes = read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let source = Source {
            path,
            bytes: &bytes,
            run: run.as_ref(),
        };
        let parsed = options.import_format.parse(&source)?;
        for problem in parsed.problems.iter().take(NAMED_PROBLEMS_MAX) {
            complain(&format!("`{}` {problem}", path.display()));
        }
        unused += parsed.problems.len();
        for imported in parsed.runs {
            let outcome =
                retally_import::import(&setting.root, imported, setting.writer_options()?)?;
            for refused in outcome.refused.iter().take(NAMED_PROBLEMS_MAX) {
                complain(&format!(
                    "`{}`: an event `{}` is not appended: {}",
                    path.display(),
                    refused.type_name,
                    refused.reason
                ));
            }
            unused += outcome.refused.len();
            sheet.push(vec![
                json!(path.display().to_string()),
                json!(outcome.run.as_str()),
                json!(outcome.appended),
                json!(outcome.known),
            ]);
        }
    }
    let format = setting.format.unwrap_or(Format::Table);
    print_data(format, |out| sheet.print(format, out))?;
    if unused > 0 {
        bail!("{unused} records could not be used, all others were imported");
    }
    Ok(Exit::Done)
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if path != Path::new("-") {
        return std::fs::read(path);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}
