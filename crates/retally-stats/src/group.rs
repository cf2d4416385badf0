use crate::bootstrap::Bootstrap;
use crate::cluster::Cluster;
use crate::interval::Interval;
use crate::issue_work::{IssueKey, IssueWork};
use crate::kaplan_meier::{KaplanMeier, Wait};
use crate::measure::Measure;
use crate::proportion::clustered_rate;
use crate::quantile::quantile;
use retally_reduce::IssueOutcome;
use std::collections::{BTreeMap, BTreeSet};

/// Runs, or parts of them, that are looked at together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// What they have in common; `None` where they do not say.
    pub name: Option<String>,
    /// How many runs there are.
    pub runs: u64,
    /// What they did on issues, in no order that matters.
    pub work: Vec<IssueWork>,
}

/// How many issues stand where; an issue counts once for each run that worked on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Different issues.
    pub issues: u64,
    /// Those of them on which any work ended.
    pub ended_issues: u64,
    /// Times that one was worked on.
    pub tries: u64,
    /// Solved.
    pub completed: u64,
    /// Not solved.
    pub failed: u64,
    /// Passed over; they ended without success.
    pub skipped: u64,
    /// Left without an end by a run that ended; they ended without success.
    pub abandoned: u64,
    /// Still worked on; left out of rates and means.
    pub open: u64,
    /// Ended, and with calls of which the cost is not known; left out of costs.
    pub without_cost: u64,
}

/// One number of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// Its name for machines, with its unit where it has one.
    pub name: &'static str,
    /// `None` where nothing was counted. Rates are shares from 0 to 1.
    pub value: Option<f64>,
    /// `None` where there is not enough evidence for one.
    pub interval: Option<Interval>,
    /// How many issues, tries or waits it is of.
    pub base: u64,
    /// Whether it is a share from 0 to 1.
    pub is_rate: bool,
}

impl Figure {
    /// The names of all, in the order in which they are reported.
    pub const NAMES: [&'static str; 15] = [
        "success_rate",
        "first_pass_rate",
        "retries_per_issue",
        "cycles_per_issue",
        "resolved_cycles_rate",
        "errors_per_issue",
        "seconds_per_issue",
        "median_seconds",
        "p90_seconds",
        "median_seconds_to_green",
        "median_seconds_to_resolution",
        "input_tokens_per_issue",
        "output_tokens_per_issue",
        "cost_per_issue_usd",
        "cost_per_success_usd",
    ];
}

/// What the issues of a group add to a measure, in the order of their keys.
pub(crate) type Clusters = BTreeMap<IssueKey, Cluster>;

impl Group {
    /// Returns how many issues stand where.
    pub fn counts(&self) -> Counts {
        let different = |works: &mut dyn Iterator<Item = &IssueWork>| {
            let keys: BTreeSet<&IssueKey> = works.map(|work| &work.key).collect();
            keys.len() as u64
        };
        let with = |outcome| self.work.iter().filter(|it| it.outcome == outcome).count() as u64;
        let lacks_cost = |work: &&IssueWork| work.lacks_cost && !work.is_open();
        Counts {
            issues: different(&mut self.work.iter()),
            ended_issues: different(&mut self.work.iter().filter(|work| !work.is_open())),
            tries: self.work.len() as u64,
            completed: with(IssueOutcome::Completed),
            failed: with(IssueOutcome::Failed),
            skipped: with(IssueOutcome::Skipped),
            abandoned: with(IssueOutcome::Abandoned),
            open: with(IssueOutcome::InProgress),
            without_cost: self.work.iter().filter(lacks_cost).count() as u64,
        }
    }

    pub(crate) fn clusters(&self, measure: Measure) -> Clusters {
        self.sums(|work| measure.of(work))
    }

    fn sums(&self, part: impl Fn(&IssueWork) -> Option<Cluster>) -> Clusters {
        let mut clusters = Clusters::new();
        for work in &self.work {
            if let Some(part) = part(work) {
                clusters.entry(work.key.clone()).or_default().add(part);
            }
        }
        clusters
    }

    /// Returns how far pipelines, debugging cycles and their resolution went.
    pub(crate) fn rework_figures(&self, bootstrap: Bootstrap) -> Vec<Figure> {
        let untouched = self.sums(|work| {
            let is_untouched = u8::from(work.cycles.1 == 0);
            (!work.is_open()).then(|| Cluster::of(f64::from(is_untouched)))
        });
        vec![
            mean(
                "cycles_per_issue",
                &self.clusters(Measure::Cycles),
                bootstrap,
            ),
            rate("issues_without_cycle_rate", &untouched, bootstrap),
            self.resolved_cycles(bootstrap),
            self.seconds_to_resolution(bootstrap),
        ]
    }

    /// Returns the rate of pipelines that passed at first.
    pub(crate) fn first_pass(&self, bootstrap: Bootstrap) -> Figure {
        rate(
            "first_pass_rate",
            &self.clusters(Measure::FirstPassRate),
            bootstrap,
        )
    }

    fn resolved_cycles(&self, bootstrap: Bootstrap) -> Figure {
        let resolved = self.sums(|work| {
            let (resolved, cycles) = work.cycles;
            (cycles > 0).then_some(Cluster {
                sum: resolved as f64,
                count: cycles as f64,
            })
        });
        rate("resolved_cycles_rate", &resolved, bootstrap)
    }

    fn seconds_to_resolution(&self, bootstrap: Bootstrap) -> Figure {
        let waits = self.work.iter();
        let waits = waits.flat_map(|work| &work.seconds_to_resolution).copied();
        wait("median_seconds_to_resolution", waits, bootstrap)
    }

    /// Returns its numbers, always all and in the same order.
    pub fn figures(&self, bootstrap: Bootstrap) -> Vec<Figure> {
        let rate = |name, clusters: Clusters| rate(name, &clusters, bootstrap);
        let mean = |name, clusters: Clusters| mean(name, &clusters, bootstrap);
        let of = |measure: Measure| self.clusters(measure);
        let known = |value: fn(&IssueWork) -> Option<f64>| {
            self.sums(|work| value(work).filter(|_| !work.is_open()).map(Cluster::of))
        };
        let cost_per_success = self.sums(|work| {
            Some(Cluster {
                sum: work.cost.filter(|_| !work.is_open())?,
                count: f64::from(u8::from(work.success?)),
            })
        });
        let green = self.work.iter().filter_map(|work| work.seconds_to_green);
        vec![
            rate("success_rate", of(Measure::SuccessRate)),
            self.first_pass(bootstrap),
            mean("retries_per_issue", of(Measure::Retries)),
            mean("cycles_per_issue", of(Measure::Cycles)),
            self.resolved_cycles(bootstrap),
            mean("errors_per_issue", of(Measure::Errors)),
            mean("seconds_per_issue", of(Measure::Seconds)),
            self.seconds("median_seconds", 0.5, bootstrap),
            self.seconds("p90_seconds", 0.9, bootstrap),
            wait("median_seconds_to_green", green, bootstrap),
            self.seconds_to_resolution(bootstrap),
            mean("input_tokens_per_issue", known(|work| work.input_tokens)),
            mean("output_tokens_per_issue", known(|work| work.output_tokens)),
            mean("cost_per_issue_usd", of(Measure::Cost)),
            ratio("cost_per_success_usd", &cost_per_success, bootstrap),
        ]
    }

    fn seconds(&self, name: &'static str, share: f64, bootstrap: Bootstrap) -> Figure {
        let mut values: BTreeMap<&IssueKey, Vec<f64>> = BTreeMap::new();
        for work in self.work.iter().filter(|work| !work.is_open()) {
            if let Some(seconds) = work.seconds {
                values.entry(&work.key).or_default().push(seconds);
            }
        }
        let values: Vec<Vec<f64>> = values.into_values().collect();
        let found = quantile(&values, share, bootstrap.confidence);
        Figure {
            name,
            value: found.map(|found| found.value),
            interval: found.and_then(|found| found.interval),
            base: values.iter().map(|of_one| of_one.len() as u64).sum(),
            is_rate: false,
        }
    }
}

fn rate(name: &'static str, clusters: &Clusters, bootstrap: Bootstrap) -> Figure {
    let clusters: Vec<Cluster> = clusters.values().copied().collect();
    let found = clustered_rate(&clusters, bootstrap.confidence);
    Figure {
        name,
        value: found.map(|found| found.value),
        interval: found.map(|found| found.interval),
        base: Cluster::total(&clusters).count as u64,
        is_rate: true,
    }
}

fn mean(name: &'static str, clusters: &Clusters, bootstrap: Bootstrap) -> Figure {
    let total = Cluster::total(clusters.values());
    Figure {
        base: total.count as u64,
        ..ratio(name, clusters, bootstrap)
    }
}

/// Its base is the issues that add to the ratio.
fn ratio(name: &'static str, clusters: &Clusters, bootstrap: Bootstrap) -> Figure {
    let clusters: Vec<Cluster> = clusters.values().copied().collect();
    Figure {
        name,
        value: Cluster::total(&clusters).ratio(),
        interval: bootstrap.ratio(&clusters),
        base: clusters.len() as u64,
        is_rate: false,
    }
}

fn wait(name: &'static str, waits: impl Iterator<Item = Wait>, bootstrap: Bootstrap) -> Figure {
    let waits: Vec<Wait> = waits.collect();
    let curve = KaplanMeier::new(&waits);
    let interval = curve
        .as_ref()
        .map(|curve| curve.median_interval(bootstrap.confidence));
    Figure {
        name,
        value: curve.and_then(|curve| curve.median()),
        interval: interval.flatten(),
        base: waits.len() as u64,
        is_rate: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::Comparison;
    use crate::interval::Confidence;

    #[test]
    fn groups_of_nothing_have_all_figures_and_know_none() {
        let bootstrap = Bootstrap {
            confidence: Confidence::USUAL,
            seed: 1,
        };
        let comparison = Comparison::of(&[Group::default(), Group::default()], bootstrap);
        for group in &comparison.groups {
            let names: Vec<&str> = group.figures.iter().map(|figure| figure.name).collect();
            assert_eq!(names, Figure::NAMES);
            let is_known = |it: &Figure| it.value.is_some() || it.interval.is_some() || it.base > 0;
            assert!(!group.figures.iter().any(is_known));
            assert!(group.contrasts.is_empty());
        }
        assert_eq!(comparison.tests, 0);
        assert!(Comparison::of(&[], bootstrap).split().is_none());
    }
}
