//! Intervals of ratios of sums, by drawing clusters anew.

use crate::cluster::{Cluster, residuals, variance_of_sum};
use crate::distribution::{normal_cdf, normal_upper, t_upper};
use crate::interval::{Confidence, Interval};
use crate::quantile::quantile_of_sorted;
use crate::random::Random;

/// How often clusters are drawn anew.
pub const RESAMPLES: usize = 4000;

/// The fewest clusters, in each group, of which an interval is given.
pub const CLUSTERS_MIN: usize = 5;

/// The most clusters in all that are drawn anew. Above, the linearised ratio is so nearly normal
/// that its own interval is given, at once.
pub const DRAWN_CLUSTERS_MAX: usize = 1000;

/// How much of a number the rounding of sums may be.
const ROUNDING: f64 = 1e-12;

/// How bootstrap intervals are made.
///
/// The method is BCa (Efron, JASA 82 (1987) 171–185), at the level that Student's t asks for with
/// so few clusters (Hesterberg, The American Statistician 69 (2015) 371–386, section 4.3), for a
/// plain bootstrap interval of few values is too narrow. Whole clusters are drawn, so what repeats
/// within a cluster widens the interval.
///
/// There is no interval, for want of evidence, of fewer than [`CLUSTERS_MIN`] clusters, nor where
/// all clusters have the same ratio. Clusters that sum and count nothing are passed over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// How often the interval is to hold the true value.
    pub confidence: Confidence,
    /// The same seed gives the same interval.
    pub seed: u64,
}

impl Bootstrap {
    /// Returns the interval of Σ `sum` / Σ `count`. Its upper bound is infinite where the draws do
    /// not bound it: where too many of them count nothing.
    pub fn ratio(&self, clusters: &[Cluster]) -> Option<Interval> {
        let clusters = with_content(clusters);
        self.interval(&One(&clusters))
    }

    /// Returns the interval of the ratio of `first` − that of `second`, which are independent.
    pub fn difference(&self, first: &[Cluster], second: &[Cluster]) -> Option<Interval> {
        let (first, second) = (with_content(first), with_content(second));
        self.interval(&Two(&first, &second))
    }

    /// Returns the interval of the ratio of the first members − that of the second ones; pairs
    /// are drawn whole.
    pub fn paired_difference(&self, pairs: &[(Cluster, Cluster)]) -> Option<Interval> {
        self.interval(&Pairs(pairs))
    }

    fn interval(&self, design: &impl Design) -> Option<Interval> {
        let sizes = design.sizes();
        let fewest = sizes.iter().copied().min()?;
        if fewest < CLUSTERS_MIN {
            return None;
        }
        let seen = design.seen();
        let variance = design.variance()?;
        let noise = design.size() * ROUNDING;
        if !seen.is_finite() || !variance.is_finite() || variance <= noise * noise {
            return None;
        }
        let t = t_upper(self.confidence.tail(), fewest as f64 - 1.0);
        if sizes.iter().sum::<usize>() > DRAWN_CLUSTERS_MAX {
            let spread = t * variance.sqrt();
            return Interval::new(seen - spread, seen + spread);
        }
        let mut random = Random::new(self.seed);
        let mut draws: Vec<f64> = (0..RESAMPLES).map(|_| design.draw(&mut random)).collect();
        draws.sort_by(f64::total_cmp);
        let z = t * (fewest as f64 / (fewest as f64 - 1.0)).sqrt();
        bias_corrected(&draws, seen, acceleration(&design.left_out()), z)
    }
}

fn with_content(clusters: &[Cluster]) -> Vec<Cluster> {
    let clusters = clusters.iter().copied();
    clusters.filter(|cluster| !cluster.is_empty()).collect()
}

/// Returns the BCa interval whose bounds are so many standard deviations away, of sorted draws.
fn bias_corrected(draws: &[f64], seen: f64, acceleration: f64, z: f64) -> Option<Interval> {
    let below = draws.partition_point(|draw| *draw < seen);
    let up_to = draws.partition_point(|draw| *draw <= seen);
    let share = (below + up_to) as f64 / (2 * draws.len()) as f64;
    let bias = match share > 0.0 && share < 1.0 {
        true => -normal_upper(share),
        false => 0.0,
    };
    let bound = |z: f64| {
        let deviation = bias + z;
        let stretch = 1.0 - acceleration * deviation;
        let corrected = match stretch > 0.0 {
            true => bias + deviation / stretch,
            false => z,
        };
        quantile_of_sorted(draws, normal_cdf(corrected))
    };
    Interval::new(bound(-z)?, bound(z)?)
}

/// Returns how much the spread changes with the value, from what the whole gives without each
/// cluster, by sample; 0 where that cannot be told.
fn acceleration(left_out: &[Vec<f64>]) -> f64 {
    let (mut cubes, mut squares) = (0.0, 0.0);
    for values in left_out {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let influence = values.iter().map(|value| (n - 1.0) * (mean - value));
        let powers = influence.map(|it| (it * it * it, it * it));
        let sums = powers.fold((0.0, 0.0), |sums, it| (sums.0 + it.0, sums.1 + it.1));
        cubes += sums.0 / (n * n * n);
        squares += sums.1 / (n * n);
    }
    let acceleration = cubes / (6.0 * squares.powf(1.5));
    if acceleration.is_finite() {
        acceleration
    } else {
        0.0
    }
}

/// What is estimated, and from which samples.
trait Design {
    /// The number of clusters of each independent sample.
    fn sizes(&self) -> Vec<usize>;
    fn seen(&self) -> f64;
    /// How large the ratios are that it is of.
    fn size(&self) -> f64;
    /// The variance of the estimate, to first order; `None` where nothing was counted.
    fn variance(&self) -> Option<f64>;
    fn draw(&self, random: &mut Random) -> f64;
    /// By sample, the estimates without each cluster.
    fn left_out(&self) -> Vec<Vec<f64>>;
}

struct One<'c>(&'c [Cluster]);
struct Two<'c>(&'c [Cluster], &'c [Cluster]);
struct Pairs<'c>(&'c [(Cluster, Cluster)]);

impl Design for One<'_> {
    fn sizes(&self) -> Vec<usize> {
        vec![self.0.len()]
    }

    fn seen(&self) -> f64 {
        Cluster::total(self.0).ratio_or_infinity()
    }

    fn size(&self) -> f64 {
        self.seen().abs()
    }

    fn variance(&self) -> Option<f64> {
        Some(variance_of_sum(&residuals(self.0)?))
    }

    fn draw(&self, random: &mut Random) -> f64 {
        drawn_total(self.0, random).ratio_or_infinity()
    }

    fn left_out(&self) -> Vec<Vec<f64>> {
        vec![ratios_without(self.0).collect()]
    }
}

impl Design for Two<'_> {
    fn sizes(&self) -> Vec<usize> {
        vec![self.0.len(), self.1.len()]
    }

    fn seen(&self) -> f64 {
        One(self.0).seen() - One(self.1).seen()
    }

    fn size(&self) -> f64 {
        One(self.0).size().max(One(self.1).size())
    }

    fn variance(&self) -> Option<f64> {
        Some(One(self.0).variance()? + One(self.1).variance()?)
    }

    fn draw(&self, random: &mut Random) -> f64 {
        let first = drawn_total(self.0, random);
        let second = drawn_total(self.1, random);
        minus(first, second)
    }

    fn left_out(&self) -> Vec<Vec<f64>> {
        let (first, second) = (One(self.0).seen(), One(self.1).seen());
        vec![
            ratios_without(self.0).map(|ratio| ratio - second).collect(),
            ratios_without(self.1).map(|ratio| first - ratio).collect(),
        ]
    }
}

impl Pairs<'_> {
    fn totals(&self) -> (Cluster, Cluster) {
        let first = Cluster::total(self.0.iter().map(|(first, _)| first));
        let second = Cluster::total(self.0.iter().map(|(_, second)| second));
        (first, second)
    }
}

impl Design for Pairs<'_> {
    fn sizes(&self) -> Vec<usize> {
        vec![self.0.len()]
    }

    fn seen(&self) -> f64 {
        let (first, second) = self.totals();
        minus(first, second)
    }

    fn size(&self) -> f64 {
        let (first, second) = self.totals();
        first.ratio_or_infinity().max(second.ratio_or_infinity())
    }

    fn variance(&self) -> Option<f64> {
        let (first, second): (Vec<_>, Vec<_>) = self.0.iter().copied().unzip();
        let residuals = residuals(&first)?.into_iter().zip(residuals(&second)?);
        let differences: Vec<f64> = residuals.map(|(first, second)| first - second).collect();
        Some(variance_of_sum(&differences))
    }

    fn draw(&self, random: &mut Random) -> f64 {
        let mut totals = (Cluster::default(), Cluster::default());
        for _ in self.0 {
            let (first, second) = self.0[random.below(self.0.len())];
            totals.0.add(first);
            totals.1.add(second);
        }
        minus(totals.0, totals.1)
    }

    fn left_out(&self) -> Vec<Vec<f64>> {
        let totals = self.totals();
        let without = |(first, second): &(Cluster, Cluster)| {
            minus(totals.0.without(*first), totals.1.without(*second))
        };
        vec![self.0.iter().map(without).collect()]
    }
}

fn drawn_total(clusters: &[Cluster], random: &mut Random) -> Cluster {
    let mut total = Cluster::default();
    for _ in clusters {
        total.add(clusters[random.below(clusters.len())]);
    }
    total
}

fn ratios_without(clusters: &[Cluster]) -> impl Iterator<Item = f64> {
    let total = Cluster::total(clusters);
    let without = move |cluster: &Cluster| total.without(*cluster).ratio_or_infinity();
    clusters.iter().map(without)
}

/// Returns the difference of two ratios, infinite where the first counts nothing.
fn minus(first: Cluster, second: Cluster) -> f64 {
    match second.ratio() {
        Some(second) => first.ratio_or_infinity() - second,
        None if first.ratio().is_some() => f64::NEG_INFINITY,
        None => 0.0,
    }
}
