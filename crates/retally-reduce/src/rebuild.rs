use crate::fold::{FoldError, RunFold};
use crate::price_book::PriceBook;
use crate::report_files::{Difference, Mode, ReportFiles, ReportFilesError};
use rayon::prelude::*;
use retally_log::RunDir;
use std::sync::Arc;

/// Why the report files of a run cannot be rebuilt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// Its log cannot be folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// Its report files cannot be written.
    #[error(transparent)]
    Files(#[from] ReportFilesError),
}

/// Computes all report files of a run from its raw log and writes those that differ, or only
/// compares them. Returns what differed before.
///
/// A folder without segments is left as it is.
///
/// # Errors
/// The log cannot be read, or a file cannot be written.
pub fn rebuild(
    run: &RunDir,
    prices: &Arc<PriceBook>,
    mode: Mode,
) -> Result<Vec<Difference>, RebuildError> {
    let mut fold = RunFold::open(run, Arc::clone(prices))?;
    if fold.is_empty() {
        return Ok(Vec::new());
    }
    // Under the lock, so that what is written is the newest that anybody has read.
    let files = ReportFiles::open(run, mode)?;
    let state = fold.catch_up()?;
    Ok(files.bring_up_to_date(state, mode)?)
}

/// Rebuilds several runs, as many at once as there are processors, and calls `done` after each.
/// The results are in the order of the runs.
pub fn rebuild_all(
    runs: &[RunDir],
    prices: &Arc<PriceBook>,
    mode: Mode,
    done: impl Fn(&RunDir) + Sync,
) -> Vec<Result<Vec<Difference>, RebuildError>> {
    let rebuild_one = |run: &RunDir| {
        let result = rebuild(run, prices, mode);
        done(run);
        result
    };
    runs.par_iter().map(rebuild_one).collect()
}
