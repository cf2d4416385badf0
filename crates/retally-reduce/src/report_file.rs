//! Which report files a run calls for, and what stands in them.

use crate::report_json::to_json_bytes;
use crate::run_state::RunState;
use retally_log::{IssueId, RunId, file_stem};
use std::path::{Path, PathBuf};

/// The folder of a run that holds the files of its issues.
pub const ISSUES_DIR: &str = "issues";

const METRICS_SUFFIX: &str = "_metrics.json";
const REPORT_SUFFIX: &str = "_report.json";
const ISSUE_PREFIX: &str = "issue_";

/// A report as it should stand.
pub(crate) struct ReportFile {
    /// Whether it stands in the folder of the issues.
    pub(crate) is_issues: bool,
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl ReportFile {
    /// Returns the path from the run's folder on.
    pub(crate) fn path(&self) -> PathBuf {
        let folder = if self.is_issues { ISSUES_DIR } else { "" };
        Path::new(folder).join(&self.name)
    }
}

/// Returns the reports of the given issues, then those of the run, one at a time.
pub(crate) fn reports<'s>(
    state: &'s RunState,
    issues: impl Iterator<Item = &'s IssueId<'static>>,
) -> impl Iterator<Item = ReportFile> {
    let of_run = move || {
        let metadata = || {
            (
                metadata_name(state.run_id()),
                to_json_bytes(&state.metadata()),
            )
        };
        let last = || {
            (
                final_name(state.run_id()),
                to_json_bytes(&state.run_report()),
            )
        };
        let called_for = [
            state.has_events().then(metadata),
            state.has_ended().then(last),
        ];
        called_for
            .into_iter()
            .flatten()
            .map(|(name, bytes)| ReportFile {
                is_issues: false,
                name,
                bytes,
            })
    };
    issues
        .flat_map(|id| issue_reports(state, id))
        .chain(std::iter::once_with(of_run).flatten())
}

/// Returns the reports of an issue, which differ in name alone.
fn issue_reports(state: &RunState, id: &IssueId<'_>) -> impl Iterator<Item = ReportFile> + use<> {
    let bytes = state.issue_report(id).map(|report| to_json_bytes(&report));
    let suffixes = issue_suffixes(state, id);
    let stem = file_stem(id.as_str());
    suffixes
        .zip(bytes.into_iter().cycle())
        .map(move |(suffix, bytes)| ReportFile {
            is_issues: true,
            name: format!("{ISSUE_PREFIX}{stem}{suffix}"),
            bytes,
        })
}

/// Returns how the names of an issue's files end.
fn issue_suffixes(
    state: &RunState,
    id: &IssueId<'_>,
) -> impl Iterator<Item = &'static str> + use<> {
    let last = state.has_issue_ended(id).then_some(REPORT_SUFFIX);
    std::iter::once(METRICS_SUFFIX).chain(last)
}

/// Returns the names of all files that the issues of a run call for.
pub(crate) fn issue_names(state: &RunState) -> impl Iterator<Item = String> {
    state.issue_ids().flat_map(|id| {
        let stem = file_stem(id.as_str());
        issue_suffixes(state, id).map(move |suffix| format!("{ISSUE_PREFIX}{stem}{suffix}"))
    })
}

/// Returns the name of the file that a run has from its first event on.
pub(crate) fn metadata_name(run_id: &RunId) -> String {
    format!("{run_id}_metadata.json")
}

/// Returns the name of the file that a run has once it ever finished.
pub(crate) fn final_name(run_id: &RunId) -> String {
    format!("{run_id}_final.json")
}

/// Returns whether a file of this name in the folder of the issues is one of ours.
pub(crate) fn is_issue_name(name: &str) -> bool {
    let is_ours = name.ends_with(METRICS_SUFFIX) || name.ends_with(REPORT_SUFFIX);
    name.starts_with(ISSUE_PREFIX) && is_ours
}
