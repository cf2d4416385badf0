use crate::bootstrap::Bootstrap;
use crate::cluster::Cluster;
use crate::exact::{fisher_exact, mcnemar_exact};
use crate::group::{Clusters, Group};
use crate::interval::{Confidence, Interval};
use crate::measure::Measure;
use crate::proportion::{clustered_rate, paired_rate_difference, rate_difference};
use crate::rank_test::{mann_whitney, signed_rank};
use crate::sample_size::{pairs_to_see, tries_to_see};
use std::collections::BTreeSet;

/// By which test two groups were told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// Fisher's exact test of tries that are independent.
    Fisher,
    /// McNemar's exact test of the same issues, each tried once by both.
    McNemar,
    /// The test of Mann and Whitney, of the mean of each issue.
    MannWhitney,
    /// The signed-rank test, of the difference within each issue that both did.
    SignedRank,
}

impl Test {
    /// Returns its name for machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fisher => "fisher",
            Self::McNemar => "mcnemar",
            Self::MannWhitney => "mann_whitney",
            Self::SignedRank => "signed_rank",
        }
    }

    /// Returns whether it compares within issues.
    pub fn is_paired(self) -> bool {
        matches!(self, Self::McNemar | Self::SignedRank)
    }
}

/// How two groups differ in one measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contrast {
    /// In what they are compared.
    pub measure: Measure,
    /// Of the group; where the test is paired, over the issues that both did.
    pub first: f64,
    /// Of the baseline, likewise.
    pub second: f64,
    /// Of `first` − `second`; `None` where there is not enough evidence for one.
    pub interval: Option<Interval>,
    /// How it was tested.
    pub test: Test,
    /// Two-sided, of this test alone.
    pub p: f64,
    /// The same, adjusted for all tests of the comparison by Holm's method.
    pub holm_p: f64,
    /// The issues that were compared: of each group, or the same for both where paired.
    pub issues: (u64, u64),
    /// The chance that an issue of the group has more of it than one of the baseline, equal ones
    /// counting half, with its interval; only of the test of Mann and Whitney.
    pub superiority: Option<(f64, Interval)>,
    /// Whether any issue differs from another in this; where none does, there is nothing to test,
    /// and it is not one of the tests for which p values are adjusted.
    pub varies: bool,
    /// Whether the test found one group above and the values have the other above, as where a few
    /// issues are much larger than the rest. Neither is evidence then: `p` is 1.
    pub is_contradictory: bool,
    /// The share of pairs in which one succeeded and the other did not; only of McNemar's test.
    pub discordant: Option<f64>,
}

impl Contrast {
    /// Compares two groups, or returns `None` where one has nothing to compare. `holm_p` is `p`
    /// until it is adjusted.
    ///
    /// They are paired where both did at least half of the issues of the one with fewer; issues
    /// that only one did are left out then.
    pub(crate) fn of(
        measure: Measure,
        group: &Group,
        baseline: &Group,
        bootstrap: Bootstrap,
    ) -> Option<Self> {
        let (first, second) = (counting(group, measure), counting(baseline, measure));
        let keys: BTreeSet<_> = first.keys().collect();
        let common: Vec<_> = second.keys().filter(|key| keys.contains(key)).collect();
        if !common.is_empty() && common.len() * 2 >= first.len().min(second.len()) {
            let pairs: Vec<_> = common
                .iter()
                .map(|key| (first[*key], second[*key]))
                .collect();
            return Self::paired(measure, &pairs, bootstrap);
        }
        let clusters = |of: Clusters| of.into_values().collect::<Vec<_>>();
        Self::independent(measure, &clusters(first), &clusters(second), bootstrap)
    }

    fn independent(
        measure: Measure,
        first: &[Cluster],
        second: &[Cluster],
        bootstrap: Bootstrap,
    ) -> Option<Self> {
        let confidence = bootstrap.confidence;
        let all = means(first.iter().chain(second));
        let (of_first, of_second) = all.split_at(first.len());
        let interval = match measure.is_rate() {
            true => {
                let rates = (
                    clustered_rate(first, confidence)?,
                    clustered_rate(second, confidence)?,
                );
                rate_difference(&rates.0, &rates.1)
            }
            false => bootstrap.difference(first, second),
        };
        let (mut test, mut superiority, mut lean) = (Test::Fisher, None, 0.0);
        let p = match (measure.is_rate(), tally(first), tally(second)) {
            (true, Some(first), Some(second)) => fisher_exact(first, second)?,
            _ => {
                test = Test::MannWhitney;
                let found = mann_whitney(of_first, of_second, confidence)?;
                superiority = Some((found.superiority, found.interval));
                lean = found.superiority - 0.5;
                found.p
            }
        };
        let contrast = Self {
            measure,
            first: Cluster::total(first).ratio()?,
            second: Cluster::total(second).ratio()?,
            interval,
            test,
            p,
            holm_p: p,
            issues: (first.len() as u64, second.len() as u64),
            superiority,
            varies: vary(&all),
            is_contradictory: false,
            discordant: None,
        };
        Some(contrast.checked(lean))
    }

    fn paired(
        measure: Measure,
        pairs: &[(Cluster, Cluster)],
        bootstrap: Bootstrap,
    ) -> Option<Self> {
        let issues = pairs.len() as u64;
        let (first, second): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
        let all = means(first.iter().chain(&second));
        let are_single = tally(&first).is_some() && tally(&second).is_some();
        let (test, p, lean, interval, discordant) = if measure.is_rate() && are_single {
            let only = |one: &[Cluster], other: &[Cluster]| {
                let pairs = one.iter().zip(other);
                pairs.filter(|(one, other)| one.sum > other.sum).count() as u64
            };
            let (more, less) = (only(&first, &second), only(&second, &first));
            let interval = paired_rate_difference(more, less, issues, bootstrap.confidence);
            let discordant = (more + less) as f64 / issues as f64;
            (
                Test::McNemar,
                mcnemar_exact(more, less),
                0.0,
                interval,
                Some(discordant),
            )
        } else {
            let (of_first, of_second) = all.split_at(pairs.len());
            let both = of_first.iter().zip(of_second);
            let differences: Vec<f64> = both.map(|(first, second)| first - second).collect();
            let differences = without_rounding_noise(differences, &all);
            let found = signed_rank(&differences)?;
            (
                Test::SignedRank,
                found.p,
                found.lean,
                bootstrap.paired_difference(pairs),
                None,
            )
        };
        let contrast = Self {
            measure,
            first: Cluster::total(&first).ratio()?,
            second: Cluster::total(&second).ratio()?,
            interval,
            test,
            p,
            holm_p: p,
            issues: (issues, issues),
            superiority: None,
            varies: vary(&all),
            is_contradictory: false,
            discordant,
        };
        Some(contrast.checked(lean))
    }

    /// Takes its evidence away where the test leans to the other side than the values do. That only
    /// enlarges p, so that the test keeps its level.
    fn checked(self, lean: f64) -> Self {
        if lean * self.difference() >= 0.0 {
            return self;
        }
        Self {
            p: 1.0,
            holm_p: 1.0,
            is_contradictory: true,
            ..self
        }
    }

    /// Returns by how much the group has more of it than the baseline.
    pub fn difference(&self) -> f64 {
        self.first - self.second
    }

    /// Returns how many issues of each group, or that both do where paired, it takes to see a
    /// difference of this size between rates, where so many tests are made at once; `None` where
    /// that cannot be told: of means, or where issues repeat.
    pub fn issues_to_see(&self, size: f64, tests: u64, confidence: Confidence) -> Option<u64> {
        let level = (1.0 - confidence.level()) / tests.max(1) as f64;
        let confidence = Confidence::new((1.0 - level).min(0.9999))?;
        match self.test {
            Test::Fisher => {
                let centre = f64::midpoint(self.first, self.second);
                let centre = centre.clamp(size / 2.0, 1.0 - size / 2.0);
                let rates = (centre - size / 2.0, centre + size / 2.0);
                tries_to_see(rates.0.max(0.0), rates.1.min(1.0), confidence)
            }
            Test::McNemar => pairs_to_see(size, self.discordant?.max(size), confidence),
            Test::MannWhitney | Test::SignedRank => None,
        }
    }

    /// Returns whether there is evidence at this level that the groups differ.
    pub fn is_evident(&self, bootstrap: Bootstrap) -> bool {
        self.holm_p <= 1.0 - bootstrap.confidence.level()
    }

    /// Returns whether the group fares worse than the baseline, be it by chance.
    pub fn is_worse(&self) -> bool {
        match self.measure.is_better_high() {
            true => self.difference() < 0.0,
            false => self.difference() > 0.0,
        }
    }
}

fn counting(group: &Group, measure: Measure) -> Clusters {
    let mut clusters = group.clusters(measure);
    clusters.retain(|_, cluster| cluster.count > 0.0);
    clusters
}

/// Returns the mean of each cluster, all of which count something.
fn means<'c>(clusters: impl Iterator<Item = &'c Cluster>) -> Vec<f64> {
    let means: Vec<f64> = clusters
        .map(|cluster| cluster.sum / cluster.count)
        .collect();
    let scale = means.clone();
    without_rounding_noise(means, &scale)
}

fn vary(means: &[f64]) -> bool {
    means.windows(2).any(|pair| pair[0] != pair[1])
}

/// Rounds values to 40 binary digits of the largest in `scale`, so that what is equal but for the
/// rounding of sums has equal ranks.
fn without_rounding_noise(mut values: Vec<f64>, scale: &[f64]) -> Vec<f64> {
    let largest = scale
        .iter()
        .fold(0.0_f64, |largest, it| largest.max(it.abs()));
    let unit = (largest.log2().floor() - 40.0).exp2();
    if unit.is_normal() {
        values
            .iter_mut()
            .for_each(|value| *value = (*value / unit).round() * unit);
    }
    values
}

/// Returns successes and failures, or `None` where an issue counts more than once.
fn tally(clusters: &[Cluster]) -> Option<(u64, u64)> {
    let mut tally = (0, 0);
    for cluster in clusters {
        match (cluster.sum, cluster.count) {
            (1.0, 1.0) => tally.0 += 1,
            (0.0, 1.0) => tally.1 += 1,
            _ => return None,
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_equal_but_for_the_rounding_of_sums_is_tied() {
        let thrice = |value: f64| Cluster {
            sum: value + value + value,
            count: 3.0,
        };
        let clusters = [Cluster::of(0.1), thrice(0.1), Cluster::of(0.7), thrice(0.7)];
        assert_ne!(clusters[0].ratio(), clusters[1].ratio(), "rounded");
        let means = means(clusters.iter());
        assert!(means[0] == means[1] && means[2] == means[3] && means[0] < means[2]);
        assert!(!vary(&means[..2]) && vary(&means));
        assert_ne!(0.7 - 0.6, 0.2 - 0.1, "rounded");
        let rounded = without_rounding_noise(vec![0.7 - 0.6, 0.2 - 0.1], &[0.7]);
        assert_eq!(rounded[0], rounded[1]);
    }
}
