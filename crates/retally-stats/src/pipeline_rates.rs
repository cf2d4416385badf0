//! What is told of pipelines by their names.

use crate::cluster::Cluster;
use crate::interval::Confidence;
use crate::issue_work::IssueKey;
use crate::proportion::{Rate, clustered_rate};
use crate::run_work::{PipelineTry, RunWork};
use std::collections::{BTreeMap, BTreeSet};

/// How often pipelines of one name passed with the first attempt at an issue.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstPass {
    /// The workflow's name; `None` of those that have none.
    pub name: Option<String>,
    /// Tries at issues in which it passed at first.
    pub passed: u64,
    /// Tries at issues in which it succeeded or failed.
    pub base: u64,
    /// Their share; the tries at one issue are one cluster.
    pub rate: Rate,
}

impl FirstPass {
    /// Counts by name; the name of the largest base comes first.
    pub fn of(runs: &[RunWork], confidence: Confidence) -> Vec<Self> {
        let mut by_name: BTreeMap<&Option<String>, BTreeMap<&IssueKey, Cluster>> = BTreeMap::new();
        for story in runs.iter().flat_map(|run| &run.issues) {
            for (name, success) in &story.first_pass {
                let of_issue = by_name.entry(name).or_default().entry(story.key());
                let passed = f64::from(u8::from(*success));
                of_issue.or_default().add(Cluster::of(passed));
            }
        }
        let of_name = |(name, clusters): (&Option<String>, BTreeMap<&IssueKey, Cluster>)| {
            let clusters: Vec<Cluster> = clusters.into_values().collect();
            let total = Cluster::total(&clusters);
            Some(Self {
                name: name.clone(),
                passed: total.sum as u64,
                base: total.count as u64,
                rate: clustered_rate(&clusters, confidence)?,
            })
        };
        let mut found: Vec<Self> = by_name.into_iter().filter_map(of_name).collect();
        found.sort_by_key(|it| std::cmp::Reverse(it.base));
        found
    }
}

/// How often pipelines of one name failed and then succeeded on the same commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Flakiness {
    /// The workflow's name; `None` of those that have none.
    pub name: Option<String>,
    /// Commits on which it failed and succeeded later.
    pub flaky: u64,
    /// Commits on which it failed and was tried again: only those can show it.
    pub tried_again: u64,
    /// Commits on which it succeeded or failed.
    pub commits: u64,
    /// `flaky` / `commits`.
    pub rate: Rate,
}

/// Which pipelines are flaky.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlakyPipelines {
    /// By name; first that of which the lower bound of the rate is highest, so that a rate of few
    /// commits is no better than it is sure; then of most commits.
    pub pipelines: Vec<Flakiness>,
    /// Attempts that do not.
    pub without_commit: u64,
}

impl FlakyPipelines {
    /// Counts commits by name, in whatever run or issue they were tried.
    pub fn of(runs: &[RunWork], confidence: Confidence) -> Self {
        let mut found = Self::default();
        let mut by_commit: BTreeMap<_, Vec<&PipelineTry>> = BTreeMap::new();
        for one in runs.iter().flat_map(|run| &run.pipelines) {
            let PipelineTry { project, name, .. } = one;
            let Some(commit) = &one.commit else {
                found.without_commit += 1;
                continue;
            };
            let tries = by_commit.entry((name, project, commit)).or_default();
            tries.push(one);
        }
        let mut by_name: BTreeMap<&Option<String>, (Vec<Cluster>, u64)> = BTreeMap::new();
        for ((name, ..), mut tries) in by_commit {
            // Stable: without times, and of equal ones, the order of the log stands.
            tries.sort_by_key(|it| it.at_micros);
            // Several runs may have seen one attempt.
            let mut seen = BTreeSet::new();
            tries.retain(|it| seen.insert((&it.id, it.success)));
            let first_failure = tries.iter().position(|it| !it.success);
            let after = first_failure.map_or(&[][..], |at| &tries[at + 1..]);
            let is_flaky = after.iter().any(|it| it.success);
            let (commits, tried_again) = by_name.entry(name).or_default();
            commits.push(Cluster::of(f64::from(u8::from(is_flaky))));
            *tried_again += u64::from(!after.is_empty());
        }
        for (name, (commits, tried_again)) in by_name {
            let rate = clustered_rate(&commits, confidence);
            found.pipelines.extend(rate.map(|rate| Flakiness {
                name: name.clone(),
                flaky: Cluster::total(&commits).sum as u64,
                tried_again,
                commits: commits.len() as u64,
                rate,
            }));
        }
        // Stable, so that of equal ones the first by name comes first.
        found.pipelines.sort_by(|left, right| {
            let bounds = (right.rate.interval.low, left.rate.interval.low);
            bounds
                .0
                .total_cmp(&bounds.1)
                .then(right.commits.cmp(&left.commits))
        });
        found
    }
}
