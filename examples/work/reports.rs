//! Writing report files, and the floor below it.

use crate::stopwatch::{Stopwatch, Took};
use anyhow::Result;
use retally_log::Root;
use retally_reduce::{ISSUES_DIR, PriceBook, RunFiles, RunFold};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) fn write(path: &Path) -> Result<Took> {
    let (root, prices) = (Root::new(path), Arc::new(PriceBook::built_in()));
    for report in reports(path)? {
        fs::remove_file(report)?;
    }
    let mut took = Took::default();
    for run in root.runs()? {
        let mut fold = RunFold::open(path, &run, Arc::clone(&prices))?;
        fold.catch_up()?;
        let start = Stopwatch::start();
        RunFiles::open(path, &run)?.lock()?.write(fold.state())?;
        took += start.took();
    }
    Ok(took)
}

pub(crate) fn write_plain_files(root: &Path) -> Result<Took> {
    let reports = reports(root)?;
    let mut contents = Vec::with_capacity(reports.len());
    for report in &reports {
        contents.push(fs::read(report)?);
        fs::remove_file(report)?;
    }
    let start = Stopwatch::start();
    for (report, content) in reports.iter().zip(&contents) {
        let temporary = report.with_extension("tmp");
        fs::write(&temporary, content)?;
        fs::rename(&temporary, report)?;
    }
    Ok(start.took())
}

/// Returns the paths of all report files of a root, those of each run and its issues together.
fn reports(root: &Path) -> Result<Vec<PathBuf>> {
    let mut reports = Vec::new();
    for run in root.read_dir()? {
        let run = run?.path();
        for folder in [run.join(ISSUES_DIR), run] {
            if !folder.is_dir() {
                continue;
            }
            for entry in folder.read_dir()? {
                let path = entry?.path();
                if path
                    .extension()
                    .is_some_and(|extension| extension == "json")
                {
                    reports.push(path);
                }
            }
        }
    }
    Ok(reports)
}
