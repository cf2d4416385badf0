//! What runs amount to, read from their logs; nothing is written but by `rebuild`.

use crate::errors::{ReportError, RunNotFoundError, message, report_error};
use crate::table::Table;
use pyo3::prelude::*;
use rayon::prelude::*;
use retally_log::{Root, RunDir, RunId, may_share_work};
use retally_reduce::{PriceBook, RebuildMode, RunFold, RunState, to_json_bytes};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Returns the ids of all runs of a root, in the order of their names.
#[pyfunction]
pub(crate) fn run_ids(py: Python<'_>, root: PathBuf) -> PyResult<Vec<String>> {
    py.detach(|| {
        let ids = Root::new(root).runs().map_err(|it| report_error(&it))?;
        Ok(ids.iter().map(RunId::to_string).collect())
    })
}

/// Returns a run's id, its metadata, its report and the reports of its issues, in the order in
/// which they appeared, as JSON. `wanted` is an id, the beginning of one, or `latest`.
#[pyfunction]
pub(crate) fn read_run(
    py: Python<'_>,
    root: PathBuf,
    wanted: &str,
) -> PyResult<(String, String, String, Vec<String>)> {
    py.detach(|| {
        let run = find(&Root::new(&root), wanted)?;
        let state = fold(&root, run.id(), &prices(&root)?)?;
        let issues = state.issues_by_appearance();
        let issues = issues.into_iter().filter_map(|id| state.issue_report(id));
        Ok((
            run.id().to_string(),
            json(&state.metadata()),
            json(&state.run_report()),
            issues.map(|report| json(&report)).collect(),
        ))
    })
}

/// Returns a table with a row for each of the runs.
#[pyfunction]
pub(crate) fn table_of_runs(
    py: Python<'_>,
    root: PathBuf,
    run_ids: Vec<String>,
) -> PyResult<Table> {
    py.detach(|| {
        let states = fold_all(&root, &run_ids)?;
        Table::of_runs(&states).map_err(|it| report_error(&it))
    })
}

/// Returns a table with a row for each issue of each of the runs.
#[pyfunction]
pub(crate) fn table_of_issues(
    py: Python<'_>,
    root: PathBuf,
    run_ids: Vec<String>,
) -> PyResult<Table> {
    py.detach(|| {
        let states = fold_all(&root, &run_ids)?;
        Table::of_issues(&states).map_err(|it| report_error(&it))
    })
}

/// Brings the report files of the runs to what their logs say, or finds out what that would
/// change; returns the run, the path and the kind of each change.
#[pyfunction]
pub(crate) fn rebuild(
    py: Python<'_>,
    root: PathBuf,
    run_ids: Vec<String>,
    dry_run: bool,
) -> PyResult<Vec<(String, PathBuf, &'static str)>> {
    py.detach(|| {
        let all = Root::new(&root);
        let ids = run_ids.iter().map(|id| Ok(find(&all, id)?.id().clone()));
        let ids: Vec<RunId> = ids.collect::<PyResult<_>>()?;
        let mode = match dry_run {
            true => RebuildMode::DryRun,
            false => RebuildMode::Write,
        };
        let (mut changed, mut failed) = (Vec::new(), Vec::new());
        for rebuilt in retally_reduce::rebuild(&root, &ids, &prices(&root)?, mode, |_| {}) {
            match rebuilt.changes {
                Ok(changes) => changed.extend(changes.into_iter().map(|change| {
                    let run = rebuilt.run_id.to_string();
                    (run, change.path, change.kind.as_str())
                })),
                Err(error) => failed.push(format!("run `{}`: {}", rebuilt.run_id, message(&error))),
            }
        }
        match failed.is_empty() {
            true => Ok(changed),
            false => Err(ReportError::new_err(failed.join("\n"))),
        }
    })
}

fn find(root: &Root, wanted: &str) -> PyResult<RunDir> {
    let found = root.find(wanted);
    found.map_err(|it| RunNotFoundError::new_err(it.to_string()))
}

fn prices(root: &Path) -> PyResult<Arc<PriceBook>> {
    let prices = PriceBook::for_root(root).map_err(|it| report_error(&it))?;
    Ok(Arc::new(prices))
}

fn fold(root: &Path, id: &RunId, prices: &Arc<PriceBook>) -> PyResult<RunState> {
    let fold = RunFold::open(root, id, Arc::clone(prices));
    let mut fold = fold.map_err(|it| report_error(&it))?;
    fold.catch_up().map_err(|it| report_error(&it))?;
    Ok(fold.into_state())
}

fn fold_all(root: &Path, run_ids: &[String]) -> PyResult<Vec<RunState>> {
    let (all, prices) = (Root::new(root), prices(root)?);
    let fold = |id: &String| fold(root, find(&all, id)?.id(), &prices);
    match may_share_work() {
        true => run_ids.par_iter().map(fold).collect(),
        false => run_ids.iter().map(fold).collect(),
    }
}

fn json(report: &impl Serialize) -> String {
    String::from_utf8(to_json_bytes(report)).expect("JSON is UTF-8")
}
