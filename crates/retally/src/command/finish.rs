use crate::cli::Finish;
use crate::exit::Exit;
use crate::setting::Setting;
use anyhow::Result;
use retally_log::{Content, Entry, Event, LogReader, RunDir, RunStatus, Writer};

pub(crate) fn run(setting: &Setting, options: &Finish) -> Result<Exit> {
    let run = setting.find_run(&options.run)?;
    // Only to mention it: a log that cannot be read can be ended.
    let before = last_end(&run).unwrap_or(None);
    let writer = Writer::new(run.clone(), setting.writer_options()?);
    writer.finish(options.status)?;
    if let Some(before) = before {
        let (id, before, now) = (run.id(), before.as_str(), options.status.as_str());
        setting.say(&format!(
            "note: run `{id}` had ended before as {before}; the last end counts: {now}"
        ));
    }
    Ok(Exit::Done)
}

/// Returns how a run ended, if it did.
fn last_end(run: &RunDir) -> Result<Option<RunStatus>> {
    let mut log = LogReader::open(run.events_path())?;
    let mut last = None;
    while let Some(status) = log.next(|entry| match entry {
        Entry::Stretch(_, Content::Event(logged)) => match &logged.envelope.event {
            Event::RunFinished(event) => Some(event.status),
            _ => None,
        },
        _ => None,
    })? {
        last = status.or(last);
    }
    Ok(last)
}
