//! Writing report files, and the floor below it.

use anyhow::Result;
use retally_log::Root;
use retally_reduce::{ISSUES_DIR, PriceBook, RunFiles, RunFold};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) fn write(path: &Path) -> Result<Duration> {
    let (root, prices) = (Root::new(path), Arc::new(PriceBook::built_in()));
    for report in reports(path)? {
        fs::remove_file(report)?;
    }
    let mut took = Duration::ZERO;
    for run in root.runs()? {
        let mut fold = RunFold::open(path, &run, Arc::clone(&prices))?;
        fold.catch_up()?;
        let start = Instant::now();
        RunFiles::open(path, &run)?.lock()?.write(fold.state())?;
        took += start.elapsed();
    }
    Ok(took)
}

pub(crate) fn write_plain_files(root: &Path) -> Result<Duration> {
    let reports = reports(root)?;
    let mut contents = Vec::with_capacity(reports.len());
    for report in &reports {
        contents.push(fs::read(report)?);
        fs::remove_file(report)?;
    }
    let start = Instant::now();
    for (report, content) in reports.iter().zip(&contents) {
        let temporary = report.with_extension("tmp");
        fs::write(&temporary, content)?;
        fs::rename(&temporary, report)?;
    }
    Ok(start.elapsed())
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
