//! Reading and folding, at once and event by event.

use crate::append::event;
use crate::stopwatch::{Stopwatch, Took};
use anyhow::{Context, Result};
use retally_log::{LogReader, Root, Writer, WriterOptions};
use retally_reduce::{PriceBook, RunFold};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

pub(crate) fn read(root: &Path) -> Result<Took> {
    let root = Root::new(root);
    let start = Stopwatch::start();
    for run in root.runs()? {
        let mut log = LogReader::open(root.run(&run).events_path())?;
        while log.next(|entry| _ = black_box(entry))?.is_some() {}
    }
    Ok(start.took())
}

pub(crate) fn fold(root: &Path) -> Result<Took> {
    let prices = Arc::new(PriceBook::built_in());
    let start = Stopwatch::start();
    for run in Root::new(root).runs()? {
        let mut fold = RunFold::open(root, &run, Arc::clone(&prices))?;
        while fold.step(|_| ())?.is_some() {}
        black_box(fold.state().run_report());
    }
    Ok(start.took())
}

/// Returns the time of writing reports, without that of appending.
pub(crate) fn live(path: &Path, events: u32) -> Result<Took> {
    let root = Root::new(path);
    let run = root.runs()?.pop().context("there is a run")?;
    let mut fold = RunFold::open(path, &run, Arc::new(PriceBook::built_in()))?;
    fold.update_files()?;
    let writer = Writer::new(root.run(&run), WriterOptions::default());
    writer.append(event(0))?;
    fold.update_files()?;
    let mut took = Took::default();
    for number in 0..events {
        writer.append(event(number.into()))?;
        let start = Stopwatch::start();
        fold.update_files()?;
        took += start.took();
    }
    Ok(took)
}
