use crate::aged_run::Selection;
use crate::cli::Archive;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::setting::{Setting, complain};
use crate::sheet::{Format, Sheet};
use crate::terminal::print_data;
use anyhow::{Result, bail};
use retally_log::RunDir;
use serde_json::json;

pub(crate) fn run(setting: &Setting, options: &Archive) -> Result<Exit> {
    let selection = Selection::of(
        setting,
        &options.runs,
        options.older_than,
        options.unfinished,
    )?;
    let mut sheet = Sheet::new()
        .text("run", "Run")
        .number("segments", "Segments")
        .number("bytes_before", "Bytes")
        .number("bytes_after", "Compressed");
    let progress = Progress::new(setting, selection.runs.len(), "archiving");
    let (mut archived, mut failed) = (0, selection.failed);
    for aged in &selection.runs {
        let outcome = match options.dry_run {
            true => Outcome::expected(&aged.run),
            false => Outcome::of(&aged.run, options.level),
        };
        progress.step();
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                failed += 1;
                complain(&format!("run `{}`: {error:#}", aged.run.id()));
                continue;
            }
        };
        failed += outcome.failed;
        archived += outcome.segments;
        if outcome.segments > 0 {
            sheet.push(vec![
                json!(aged.run.id().as_str()),
                json!(outcome.segments),
                json!(outcome.bytes_before),
                json!(outcome.bytes_after),
            ]);
        }
    }
    progress.finish();
    let format = setting.format.unwrap_or(Format::Table);
    if format != Format::Table || !sheet.is_empty() {
        print_data(format, |out| sheet.print(format, out))?;
    }
    selection.mention_unfinished(setting);
    let done = if options.dry_run {
        "to compress"
    } else {
        "compressed"
    };
    setting.say(&format!(
        "runs: {}; segments {done}: {archived}",
        selection.runs.len()
    ));
    match failed {
        0 => Ok(Exit::Done),
        failed => bail!("not archived: {failed}"),
    }
}

/// What became of the segments of a run.
#[derive(Default)]
struct Outcome {
    segments: u64,
    bytes_before: u64,
    /// Not known where nothing was compressed yet.
    bytes_after: Option<u64>,
    failed: usize,
}

impl Outcome {
    fn expected(run: &RunDir) -> Result<Self> {
        let mut outcome = Self::default();
        for (name, bytes) in run.segment_bytes()? {
            if !name.ends_with(retally_log::COMPRESSED_SUFFIX) {
                outcome.segments += 1;
                outcome.bytes_before += bytes;
            }
        }
        Ok(outcome)
    }

    fn of(run: &RunDir, level: u8) -> Result<Self> {
        let mut outcome = Self {
            bytes_after: Some(0),
            ..Self::default()
        };
        for segment in run.archive(level)? {
            match segment.result {
                Ok(bytes) => {
                    outcome.segments += 1;
                    outcome.bytes_before += segment.bytes_before;
                    outcome.bytes_after = outcome.bytes_after.map(|sum| sum + bytes);
                }
                Err(error) => {
                    outcome.failed += 1;
                    let path = run.events_path().join(&segment.file);
                    let error = anyhow::Error::new(error);
                    complain(&format!("segment `{}`: {error:#}", path.display()));
                }
            }
        }
        Ok(outcome)
    }
}
