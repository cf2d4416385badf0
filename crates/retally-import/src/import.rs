use crate::error::ImportError;
use crate::news::find_news;
use crate::parsed::ImportedRun;
use retally_log::{AppendError, Draft, EncodeError, Root, RunDir, RunId, Writer, WriterOptions};

/// What an import did to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The run.
    pub run: RunId,
    /// How many events were appended.
    pub appended: u64,
    /// How many were in the log already, or stood twice among those to import.
    pub known: u64,
    /// The events that no log can hold, in their order.
    pub refused: Vec<Refused>,
}

/// An event that no log can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The event's type.
    pub type_name: String,
    /// The event's key.
    pub key: Option<String>,
    /// Why.
    pub reason: EncodeError,
}

/// How many events are appended by one write. More would need a buffer as large as the file, and
/// make segments larger than they may be.
const BATCH_EVENTS_MAX: usize = 10_000;

/// Appends the events of a run that its log does not hold yet, and creates the run where there is
/// none. The times are those of `imported`, whatever `options` say.
///
/// An event is known by its issue and key, as they are or as the redactor of `options` leaves
/// them, so the same or an overlapping file changes nothing the
/// second time, in whatever order files are imported. Nothing is created where nothing is new.
///
/// Any number of imports and writers may run at once. Two imports that look at the log at the same
/// moment may both append an event; that is harmless, as of one key the first in log order counts.
/// An import that was cut short is completed by importing again.
///
/// ```
/// use retally_import::{Format, Source, import};
/// use retally_log::{Root, WriterOptions};
/// use std::path::Path;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// let line = br#"{"ts":"2024-12-03T14:30:22Z","type":"issue.started","issue":123}"#;
/// let source = Source { path: Path::new("bot.jsonl"), bytes: line, run: None };
/// let parsed = Format::find("jsonl").expect("a known format").parse(&source)?;
/// for run in parsed.runs {
///     let again = run.clone();
///     let root = Root::new(path);
///     assert_eq!(import(&root, run, WriterOptions::default())?.appended, 1);
///     assert_eq!(import(&root, again, WriterOptions::default())?.known, 1);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The run's log cannot be read, or the disk does not take the events; some may stand then.
pub fn import(
    root: &Root,
    imported: ImportedRun<'_>,
    options: WriterOptions,
) -> Result<Outcome, ImportError> {
    let ImportedRun { id, times, drafts } = imported;
    let events_path = root.run(&id).events_path();
    let is_news = find_news(&drafts, &events_path, options.redactor.as_deref())?;
    let total = drafts.len();
    let news: Vec<_> = drafts
        .into_iter()
        .zip(is_news)
        .filter_map(|(draft, is_news)| is_news.then_some(draft))
        .collect();
    let mut refused = Vec::new();
    if !news.is_empty() {
        let run = root.open_or_create_run(&id)?;
        refused = append(run, WriterOptions { times, ..options }, &news)?;
    }
    Ok(Outcome {
        run: id,
        appended: (news.len() - refused.len()) as u64,
        known: (total - news.len()) as u64,
        refused,
    })
}

/// Appends events but for those that no log can hold, which are returned.
fn append(
    run: RunDir,
    options: WriterOptions,
    news: &[Draft<'_>],
) -> Result<Vec<Refused>, AppendError> {
    let writer = Writer::new(run, options);
    let mut refused = Vec::new();
    for batch in news.chunks(BATCH_EVENTS_MAX) {
        let mut rest = batch;
        while let Err(error) = writer.append_batch(rest) {
            let AppendError::Encode { index, source, .. } = error else {
                return Err(error);
            };
            let (sound, others) = rest.split_at(index);
            writer.append_batch(sound)?;
            let [draft, others @ ..] = others else {
                unreachable!("the writer names one of the events that it was given")
            };
            refused.push(Refused {
                type_name: draft.event.type_name().to_owned(),
                key: draft.key.as_deref().map(str::to_owned),
                reason: source,
            });
            rest = others;
        }
    }
    Ok(refused)
}

#[cfg(test)]
mod tests;
