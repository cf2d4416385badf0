//! Reading many runs at once.

use crate::command::report::parse_as_of;
use crate::exit::wrong_usage;
use crate::progress::Progress;
use crate::setting::{Setting, complain};
use anyhow::Result;
use rayon::prelude::*;
use retally_log::RunDir;
use retally_reduce::{AsOf, RunState};

/// Returns what is made of each run's state, in the order of the runs, and how many could not be
/// read, which is said. Runs of which nothing was known then are passed over.
///
/// # Errors
/// `as_of` is no time, or the price book is broken.
pub(crate) fn read_runs<T: Send>(
    setting: &Setting,
    runs: &[RunDir],
    as_of: Option<&str>,
    make: impl Fn(&RunState) -> T + Sync,
) -> Result<(Vec<T>, usize)> {
    let as_of = as_of.map(parse_as_of).transpose()?;
    if matches!(as_of, Some(AsOf::Line { .. })) {
        return Err(wrong_usage(
            "--as-of: want a time, for a line is of one run",
        ));
    }
    // Else each run would say that the price book is broken.
    setting.prices()?;
    let progress = Progress::new(setting, runs.len(), "reading");
    let read = |run: &RunDir| -> Result<Option<T>> {
        let state = setting.fold(run, as_of.as_ref())?;
        progress.step();
        Ok(state.has_events().then(|| make(&state)))
    };
    let results: Vec<Result<Option<T>>> = runs.par_iter().map(read).collect();
    progress.finish();
    let (mut made, mut failed) = (Vec::new(), 0);
    for (run, result) in runs.iter().zip(results) {
        match result {
            Ok(found) => made.extend(found),
            Err(error) => {
                failed += 1;
                complain(&format!("run `{}`: {error:#}", run.id()));
            }
        }
    }
    Ok((made, failed))
}
