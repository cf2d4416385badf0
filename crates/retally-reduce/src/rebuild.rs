//! Writing report files from raw logs.

use crate::fold::{RunFold, UpdateError};
use crate::price_book::PriceBook;
use crate::report_files::{Change, RunFiles};
use rayon::prelude::*;
use retally_log::RunId;
use std::path::Path;
use std::sync::Arc;

/// What a rebuild does with the differences that it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebuildMode {
    /// Brings the files to what the logs say.
    Write,
    /// Changes nothing, and names the first differing key of each file.
    DryRun,
}

/// What became of one run in a rebuild.
#[derive(Debug)]
pub struct Rebuilt {
    /// The run.
    pub run_id: RunId,
    /// What changed, or would.
    pub changes: Result<Vec<Change>, UpdateError>,
}

/// Folds the logs of some runs from their beginning and writes all their report files, several
/// runs at once; `on_rebuilt` is called as each is done. The results are in the order of `runs`.
pub fn rebuild(
    root: &Path,
    runs: &[RunId],
    prices: &Arc<PriceBook>,
    mode: RebuildMode,
    on_rebuilt: impl Fn(&Rebuilt) + Sync,
) -> Vec<Rebuilt> {
    let rebuild = |run_id: &RunId| {
        let rebuilt = Rebuilt {
            run_id: run_id.clone(),
            changes: rebuild_run(root, run_id, prices, mode),
        };
        on_rebuilt(&rebuilt);
        rebuilt
    };
    runs.par_iter().map(rebuild).collect()
}

fn rebuild_run(
    root: &Path,
    run_id: &RunId,
    prices: &Arc<PriceBook>,
    mode: RebuildMode,
) -> Result<Vec<Change>, UpdateError> {
    let mut fold = RunFold::open(root, run_id, Arc::clone(prices))?;
    match mode {
        RebuildMode::Write => fold.update_files(),
        RebuildMode::DryRun => {
            fold.catch_up()?;
            Ok(RunFiles::open(root, run_id)?.compare(fold.state())?)
        }
    }
}
