//! What rises and falls together: retries with the size of an issue, numbers with time.

use crate::cluster::Cluster;
use crate::holm::holm;
use crate::interval::Confidence;
use crate::issue_work::IssueKey;
use crate::measure::Measure;
use crate::run_work::{IssueStory, RunWork};
use crate::spearman::{Spearman, spearman};
use std::collections::BTreeMap;

/// The fewest issues of which a correlation is told.
pub const PAIRS_MIN: usize = 10;

/// The fewest runs of which a trend is told.
pub const TREND_RUNS_MIN: usize = 8;

/// How a number goes with the retries of an issue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difficulty {
    /// Its name for machines.
    pub name: &'static str,
    /// The issues that ended of which it is known.
    pub issues: u64,
    /// `None` of fewer than [`PAIRS_MIN`] issues, or where the retries or the number are the same
    /// for all.
    pub found: Option<Spearman>,
    /// The p value, adjusted for all such correlations; `None` without one.
    pub holm_p: Option<f64>,
}

impl Difficulty {
    /// Correlates the retries of an issue with the lines changed and with its duration. An issue
    /// on which several runs worked counts once, with its means.
    pub fn of(runs: &[RunWork], confidence: Confidence) -> Vec<Self> {
        let one = |name, number: fn(&IssueStory) -> Option<f64>| {
            let pairs = pairs(runs, number);
            Self {
                name,
                issues: pairs.len() as u64,
                found: correlation(&pairs, PAIRS_MIN, confidence),
                holm_p: None,
            }
        };
        let mut found = vec![
            one("changed_lines", |story| story.changed_lines),
            one("seconds", |story| story.work.seconds),
        ];
        let p_values = found.iter_mut().map(|it| (it.found, &mut it.holm_p));
        adjust(p_values.collect());
        found
    }
}

fn correlation(pairs: &[(f64, f64)], least: usize, confidence: Confidence) -> Option<Spearman> {
    let is_enough = pairs.len() >= least;
    is_enough.then(|| spearman(pairs, confidence))?
}

/// Sets the p values of all that were found, adjusted for their number.
fn adjust(found: Vec<(Option<Spearman>, &mut Option<f64>)>) {
    let (found, slots): (Vec<Spearman>, Vec<&mut Option<f64>>) = found
        .into_iter()
        .filter_map(|(found, slot)| Some((found?, slot)))
        .unzip();
    let p_values: Vec<f64> = found.iter().map(|it| it.p).collect();
    for (slot, adjusted) in slots.into_iter().zip(holm(&p_values)) {
        *slot = Some(adjusted);
    }
}

/// Returns, for each issue of which the number is known, it and the retries.
fn pairs(runs: &[RunWork], number: fn(&IssueStory) -> Option<f64>) -> Vec<(f64, f64)> {
    let mut by_issue: BTreeMap<&IssueKey, (Cluster, Cluster)> = BTreeMap::new();
    let stories = runs.iter().flat_map(|run| &run.issues);
    for story in stories.filter(|story| !story.work.is_open()) {
        if let Some(number) = number(story) {
            let (numbers, retries) = by_issue.entry(story.key()).or_default();
            numbers.add(Cluster::of(number));
            retries.add(Cluster::of(story.work.retries as f64));
        }
    }
    let means = by_issue.into_values();
    means
        .filter_map(|(numbers, retries)| Some((numbers.ratio()?, retries.ratio()?)))
        .collect()
}

/// How a number changes from run to run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// The number.
    pub measure: Measure,
    /// The runs of which it is known, and when they started.
    pub runs: u64,
    /// Over the runs of the earlier half; the one in the middle of an odd number is part of it.
    pub earlier: Option<f64>,
    /// Over those of the later half.
    pub later: Option<f64>,
    /// Of the start of runs with the number; `None` of fewer than [`TREND_RUNS_MIN`] runs, or where
    /// all have the same.
    pub found: Option<Spearman>,
    /// The p value, adjusted for all trends; `None` without one.
    pub holm_p: Option<f64>,
}

impl Trend {
    /// What may have a trend, in the order in which it is reported.
    pub const MEASURES: [Measure; 5] = [
        Measure::SuccessRate,
        Measure::FirstPassRate,
        Measure::Cycles,
        Measure::Seconds,
        Measure::Cost,
    ];

    /// Correlates the order in which runs started with what each amounts to. A run counts once,
    /// however many issues it has.
    pub fn of(runs: &[RunWork], confidence: Confidence) -> Vec<Self> {
        let mut in_order: Vec<(i64, &RunWork)> = runs
            .iter()
            .filter_map(|run| Some((run.started_at_micros?, run)))
            .collect();
        in_order.sort_by_key(|(started_at, run)| (*started_at, &run.run));
        let one = |measure| Self::of_measure(measure, &in_order, confidence);
        let mut found: Vec<Self> = Self::MEASURES.into_iter().map(one).collect();
        let p_values = found.iter_mut().map(|it| (it.found, &mut it.holm_p));
        adjust(p_values.collect());
        found
    }

    fn of_measure(measure: Measure, runs: &[(i64, &RunWork)], confidence: Confidence) -> Self {
        let total = |works: &[IssueStory]| {
            let parts = works.iter().filter_map(|story| measure.of(&story.work));
            Cluster::total(&parts.collect::<Vec<_>>())
        };
        let totals = runs.iter().map(|(at, run)| (*at, total(&run.issues)));
        let totals: Vec<(i64, Cluster)> = totals.filter(|(_, it)| it.count > 0.0).collect();
        // Ranks alone count, so that the place in the order is as good as the time; equal times
        // have equal places.
        let place = |at: i64| totals.partition_point(|(other, _)| *other < at) as f64;
        let pairs: Vec<(f64, f64)> = totals
            .iter()
            .filter_map(|(at, total)| Some((place(*at), total.ratio()?)))
            .collect();
        // Runs that started at once are in one half.
        let middle = totals.get(totals.len().div_ceil(2).saturating_sub(1));
        let middle = middle.map_or(i64::MAX, |(at, _)| *at);
        let split = totals.partition_point(|(at, _)| *at <= middle);
        let (earlier, later) = totals.split_at(split);
        let over = |half: &[(i64, Cluster)]| Cluster::total(half.iter().map(|(_, it)| it)).ratio();
        Self {
            measure,
            runs: pairs.len() as u64,
            earlier: over(earlier),
            later: over(later),
            found: correlation(&pairs, TREND_RUNS_MIN, confidence),
            holm_p: None,
        }
    }
}
