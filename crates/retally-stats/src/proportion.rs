//! Rates: a number of successes in a number of tries.

use crate::cluster::{Cluster, residuals, variance_of_sum};
use crate::distribution::{normal_upper, t_upper};
use crate::interval::{Confidence, Interval};

/// A rate with its interval, as a share from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Successes / tries.
    pub value: f64,
    /// The interval of Wilson.
    pub interval: Interval,
    /// How many independent tries the tries are worth, at most as many as there are.
    pub effective_tries: f64,
}

/// Returns the score interval of a rate, or `None` where nothing was tried.
///
/// `tries` need not be whole, and `successes` is from 0 to `tries`. The interval lies within 0
/// and 1, also where all or none succeeded.
///
/// Source: Wilson, JASA 22 (1927) 209–212; without correction for continuity.
///
/// ```
/// use retally_stats::{Confidence, wilson};
/// let interval = wilson(82.0, 100.0, Confidence::USUAL).expect("something was tried");
/// assert!((interval.low - 0.7333).abs() < 1e-4 && (interval.high - 0.8830).abs() < 1e-4);
/// assert_eq!(wilson(0.0, 0.0, Confidence::USUAL), None);
/// ```
pub fn wilson(successes: f64, tries: f64, confidence: Confidence) -> Option<Interval> {
    if !(tries > 0.0 && (0.0..=tries).contains(&successes)) {
        return None;
    }
    let rate = successes / tries;
    let z = normal_upper(confidence.tail());
    let share = z * z / tries;
    let centre = (rate + share / 2.0) / (1.0 + share);
    let spread = z * (rate * (1.0 - rate) / tries + share / (4.0 * tries)).sqrt() / (1.0 + share);
    // Where none or all succeeded the bound is exact, and rounding must not move it.
    let low = if successes == 0.0 {
        0.0
    } else {
        centre - spread
    };
    let high = if successes == tries {
        1.0
    } else {
        centre + spread
    };
    Interval::new(low.max(0.0), high.min(1.0))
}

/// Returns the rate over clusters, each of so many successes (`sum`) in so many tries (`count`);
/// `None` where nothing was tried.
///
/// Where no cluster has more than one try, this is Wilson's interval. Else it is Wilson's with the
/// tries that these are worth: the tries divided by the design effect (the variance between
/// clusters over that of independent tries, at least 1), and by the square of how much wider
/// Student's t is than the normal distribution, for the variance is estimated from few clusters.
/// Where all tries went alike, each cluster counts once.
///
/// Source: Korn and Graubard, Survey Methodology 24 (1998) 193–201, with Wilson's interval in place
/// of Clopper's and Pearson's as in Dean and Pagano, Biometrics 71 (2015) 496–503.
pub fn clustered_rate(clusters: &[Cluster], confidence: Confidence) -> Option<Rate> {
    let clusters: Vec<Cluster> = clusters
        .iter()
        .copied()
        .filter(|cluster| cluster.count > 0.0)
        .collect();
    let total = Cluster::total(&clusters);
    let value = total.ratio()?;
    let effective_tries = match clusters.iter().any(|cluster| cluster.count > 1.0) {
        true => effective_tries(&clusters, total, value, confidence),
        false => total.count,
    };
    let interval = wilson(value * effective_tries, effective_tries, confidence)?;
    Some(Rate {
        value,
        interval,
        effective_tries,
    })
}

fn effective_tries(
    clusters: &[Cluster],
    total: Cluster,
    value: f64,
    confidence: Confidence,
) -> f64 {
    let number = clusters.len() as f64;
    let independent = value * (1.0 - value) / total.count;
    if clusters.len() < 2 || independent <= 0.0 {
        return number.min(total.count);
    }
    let between = residuals(clusters).map_or(0.0, |residuals| variance_of_sum(&residuals));
    let design_effect = (between / independent).max(1.0);
    let tail = confidence.tail();
    let widening = t_upper(tail, number - 1.0) / normal_upper(tail);
    (total.count / design_effect / (widening * widening)).max(1.0)
}

/// Returns the interval of the difference `first` − `second` of two independent rates, as a share
/// from −1 to 1.
///
/// Source: Newcombe, Statistics in Medicine 17 (1998) 873–890, method 10: the two score intervals,
/// squared and added. It takes clustered rates as well, as does the method of variance estimates
/// recovery (Zou and Donner, Statistics in Medicine 27 (2008) 1693–1702).
pub fn rate_difference(first: &Rate, second: &Rate) -> Option<Interval> {
    let difference = first.value - second.value;
    let below = |rate: &Rate| rate.value - rate.interval.low;
    let above = |rate: &Rate| rate.interval.high - rate.value;
    Interval::new(
        difference - below(first).hypot(above(second)),
        difference + above(first).hypot(below(second)),
    )
}

/// Returns the interval of the difference of two rates that were measured on the same `pairs`, of
/// which `only_first` succeeded in the first alone and `only_second` in the second alone; `None`
/// where there are no pairs, or fewer than these.
///
/// Source: Bonett and Price, Journal of Educational and Behavioral Statistics 37 (2012) 479–488:
/// Wald's interval after one discordant pair is added on either side.
pub fn paired_rate_difference(
    only_first: u64,
    only_second: u64,
    pairs: u64,
    confidence: Confidence,
) -> Option<Interval> {
    let discordant = only_first.checked_add(only_second)?;
    if pairs == 0 || discordant > pairs {
        return None;
    }
    let pairs = pairs as f64 + 2.0;
    let first = (only_first as f64 + 1.0) / pairs;
    let second = (only_second as f64 + 1.0) / pairs;
    let difference = first - second;
    let error = ((first + second - difference * difference) / pairs).sqrt();
    let spread = normal_upper(confidence.tail()) * error;
    Interval::new(
        (difference - spread).max(-1.0),
        (difference + spread).min(1.0),
    )
}
