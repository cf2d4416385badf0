//! Medians and other quantiles.

use crate::cluster::Cluster;
use crate::distribution::binomial_cdf;
use crate::interval::{Confidence, Interval};
use crate::proportion::clustered_rate;

/// A quantile with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantile {
    /// Between the two values next to it, in proportion.
    pub value: f64,
    /// `None` where there are too few values: 6 are needed of a median and 36 of a p90, at 95 %.
    pub interval: Option<Interval>,
}

/// Returns the value below which this share of the values lies, or `None` where there are none.
///
/// `values` holds, for each cluster, finite values; `share` is between 0 and 1. Where no cluster
/// has more than one, the interval is that of the order statistics, exact for any distribution
/// (Conover, Practical Nonparametric Statistics (1999), section 3.2). Else its bounds are the
/// quantiles at the bounds of the share's [clustered interval](clustered_rate) (Woodruff, JASA 47
/// (1952) 635–646).
///
/// The value is that of type 7 of Hyndman and Fan, The American Statistician 50 (1996) 361–365, as
/// in numpy.
pub fn quantile(values: &[Vec<f64>], share: f64, confidence: Confidence) -> Option<Quantile> {
    let mut sorted = values.concat();
    sorted.sort_by(f64::total_cmp);
    let value = quantile_of_sorted(&sorted, share)?;
    let is_clustered = values.iter().any(|of_one| of_one.len() > 1);
    let ranks = match is_clustered {
        true => clustered_ranks(values, value, sorted.len(), share, confidence),
        false => ranks(sorted.len() as u64, share, confidence),
    };
    let interval = ranks.and_then(|(low, high)| Interval::new(sorted[low - 1], sorted[high - 1]));
    Some(Quantile { value, interval })
}

/// Returns the ranks of the values, from 1, between which the quantile lies.
fn ranks(n: u64, share: f64, confidence: Confidence) -> Option<(usize, usize)> {
    let tail = confidence.tail();
    // The value of a rank is above the quantile with the chance that fewer values are below it.
    let at_most = |rank: u64| binomial_cdf(rank - 1, n, share);
    let low = partition(n, |rank| at_most(rank) <= tail);
    let high = partition(n, |rank| at_most(rank) < 1.0 - tail) + 1;
    (low >= 1 && high <= n).then_some((low as usize, high as usize))
}

/// Returns the last rank up to `n` of which this holds, where it holds up to one and then no more.
fn partition(n: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = high - (high - low) / 2;
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

fn clustered_ranks(
    values: &[Vec<f64>],
    at: f64,
    n: usize,
    share: f64,
    confidence: Confidence,
) -> Option<(usize, usize)> {
    let cluster = |of_one: &Vec<f64>| Cluster {
        sum: of_one.iter().filter(|value| **value <= at).count() as f64,
        count: of_one.len() as f64,
    };
    let clusters: Vec<Cluster> = values.iter().map(cluster).collect();
    let effective = clustered_rate(&clusters, confidence)?
        .effective_tries
        .floor();
    let (low, high) = ranks(effective as u64, share, confidence)?;
    let stretched = |rank: usize| rank as f64 / effective * n as f64;
    let low = (stretched(low).floor() as usize).clamp(1, n);
    let high = (stretched(high).ceil() as usize).clamp(1, n);
    Some((low, high))
}

/// Returns a quantile of sorted values, which may end in infinite ones; `None` where there are
/// none.
pub(crate) fn quantile_of_sorted(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = place.floor();
    let (low, high) = (
        sorted[below as usize],
        sorted[(place.ceil() as usize).min(last)],
    );
    if low == high || place == below {
        return Some(low);
    }
    let between = low + (high - low) * (place - below);
    Some(if between.is_nan() { low } else { between })
}
