//! Writing report files from raw logs.

use crate::fold::{RunFold, UpdateError};
use crate::price_book::PriceBook;
use crate::report_files::{Change, RunFiles};
use retally_log::{RunId, may_share_work};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

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
    // Threads of their own: one of rayon's that waits for its share of a run would take up another
    // run, and wait for the lock of that under the lock of this.
    let next = AtomicUsize::new(0);
    let rebuild_some = || {
        let mut rebuilt = Vec::new();
        while let at = next.fetch_add(1, Ordering::Relaxed)
            && let Some(run_id) = runs.get(at)
        {
            rebuilt.push((at, rebuild(run_id)));
        }
        rebuilt
    };
    let threads = match may_share_work() {
        true => rayon::current_num_threads().min(runs.len()),
        false => 1,
    };
    let mut rebuilt = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(rebuild_some)).collect();
        let ended = threads.into_iter().map(ScopedJoinHandle::join);
        let ended = ended.map(|some| some.unwrap_or_else(|panic| resume_unwind(panic)));
        ended.flatten().collect::<Vec<_>>()
    });
    rebuilt.sort_by_key(|(at, _)| *at);
    rebuilt.into_iter().map(|(_, rebuilt)| rebuilt).collect()
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
