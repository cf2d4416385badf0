//! Which report files a run calls for, and what stands in them.

use crate::report_json::to_json_bytes;
use crate::run_state::RunState;
use rayon::prelude::*;
use retally_log::{IssueId, RunId, file_stem, may_share_work};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

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

/// Fewer issues than this are not worth several threads.
const PARALLEL_ISSUES_MIN: usize = 32;

/// Makes the reports of the given issues, hands each to `visit`, which several threads may do at
/// once, and returns what it returned, in the order of the issues.
pub(crate) fn visit_issues<R: Send>(
    state: &RunState,
    issues: &[&IssueId<'static>],
    visit: impl Fn(ReportFile) -> R + Sync,
) -> Vec<R> {
    let odd = OnceLock::new();
    let visit_all = |id: &&IssueId<'static>| issue_reports(state, id, &odd).map(&visit);
    if !may_share_work() || issues.len() < PARALLEL_ISSUES_MIN {
        issues.iter().flat_map(visit_all).collect()
    } else {
        issues.par_iter().flat_map_iter(visit_all).collect()
    }
}

/// Returns the reports of the run itself, one at a time.
pub(crate) fn run_reports(state: &RunState) -> impl Iterator<Item = ReportFile> {
    let metadata = || {
        (
            metadata_name(&state.run_id),
            to_json_bytes(&state.metadata()),
        )
    };
    let last = || {
        (
            final_name(&state.run_id),
            to_json_bytes(&state.run_report()),
        )
    };
    let metadata = state.has_events().then(|| std::iter::once_with(metadata));
    let last = state.has_ended().then(|| std::iter::once_with(last));
    let called_for = metadata
        .into_iter()
        .flatten()
        .chain(last.into_iter().flatten());
    // Making one may show that the state is not to be trusted.
    let trusted = called_for.filter(|_| !state.is_stale());
    trusted.map(|(name, bytes)| ReportFile {
        is_issues: false,
        name,
        bytes,
    })
}

/// The issues whose files cannot be called what they are, by what they are called instead.
///
/// That ends in a short hash, which those who choose the ids can make equal. Of the issues that
/// call for one file the first by its id has it; else each rebuild would write one over the other.
struct OddIds<'s>(BTreeMap<String, Vec<&'s IssueId<'static>>>);

impl<'s> OddIds<'s> {
    fn of(state: &'s RunState) -> Self {
        let mut odd: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for id in state.issue_ids() {
            let stem = file_stem(id.as_str());
            if stem != id.as_str() {
                odd.entry(stem).or_default().push(id);
            }
        }
        Self(odd)
    }

    /// Returns whether the file of an issue is not that of one before it.
    fn has_file(&self, state: &RunState, id: &IssueId<'_>, stem: &str, suffix: &str) -> bool {
        let calls = |id: &&&IssueId<'_>| issue_suffixes(state, id).any(|own| own == suffix);
        let first = self.0.get(stem).and_then(|ids| ids.iter().find(calls));
        first.is_none_or(|first| first.as_str() == id.as_str())
    }
}

/// Returns the reports of an issue, which differ in name alone.
fn issue_reports<'s>(
    state: &'s RunState,
    id: &IssueId<'_>,
    odd: &OnceLock<OddIds<'s>>,
) -> impl Iterator<Item = ReportFile> + use<> {
    let bytes = state.issue_report(id).map(|report| to_json_bytes(&report));
    // Making a report may show that the state is not to be trusted.
    let bytes = bytes.filter(|_| !state.is_stale());
    let stem = file_stem(id.as_str());
    let mut suffixes: Vec<_> = issue_suffixes(state, id).collect();
    if stem != id.as_str() {
        let odd = odd.get_or_init(|| OddIds::of(state));
        suffixes.retain(|suffix| odd.has_file(state, id, &stem, suffix));
    }
    suffixes
        .into_iter()
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
