//! Tests that look at the order of values alone, so that no outlier decides.

use crate::distribution::{normal_cdf, normal_upper};
use crate::interval::{Confidence, Interval};
use crate::ranks::{EXACT_MAX, choice_p, doubled_ranks, sign_p, tie_correction};

/// What the test of Mann and Whitney finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// The pairs of a first and a second value in which the first is greater; equal ones count
    /// half.
    pub u: f64,
    /// Two-sided.
    pub p: f64,
    /// The chance that a first value is greater than a second, equal ones counting half: from 0
    /// to 1, and 0.5 where they are alike.
    pub superiority: f64,
    /// Of `superiority`.
    pub interval: Interval,
}

/// Tests whether values of one group tend to be greater than those of another; `None` where one
/// is empty.
///
/// The values are finite and independent. Up to 50 values in all, p comes from all ways to deal
/// the ranks to the groups, ties included; above, from the normal distribution with corrections
/// for ties and continuity.
///
/// Source: Mann and Whitney, Annals of Mathematical Statistics 18 (1947) 50–60; the interval is
/// method 5 of Newcombe, Statistics in Medicine 25 (2006) 559–573.
pub fn mann_whitney(first: &[f64], second: &[f64], confidence: Confidence) -> Option<MannWhitney> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let ranks = doubled_ranks(&[first, second].concat());
    let sum: u64 = ranks[..first.len()].iter().sum();
    let (m, n) = (first.len() as f64, second.len() as f64);
    let u = sum as f64 / 2.0 - m * (m + 1.0) / 2.0;
    let p = if ranks.len() <= EXACT_MAX {
        choice_p(&ranks, first.len(), sum)
    } else {
        let all = m + n;
        let ties = tie_correction(&ranks) / (all * (all - 1.0));
        let variance = m * n / 12.0 * (all + 1.0 - ties);
        normal_p(u - m * n / 2.0, variance)
    };
    let superiority = u / (m * n);
    let interval = superiority_interval(superiority, m, n, confidence)?;
    Some(MannWhitney {
        u,
        p,
        superiority,
        interval,
    })
}

/// What the signed-rank test finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignedRank {
    /// The sum of the ranks of the positive differences.
    pub w: f64,
    /// By how much `w` is above what it would be without any tendency.
    pub lean: f64,
    /// Two-sided.
    pub p: f64,
}

/// Tests whether differences within pairs tend to one side; `None` where there are none.
///
/// The differences are finite and independent. Those that are 0 are left out; where all are, p is
/// one. Up to 50 differences, p comes from all ways to deal signs to the ranks, ties included;
/// above, from the normal distribution with corrections for ties and continuity.
///
/// Source: Wilcoxon, Biometrics Bulletin 1 (1945) 80–83.
pub fn signed_rank(differences: &[f64]) -> Option<SignedRank> {
    if differences.is_empty() {
        return None;
    }
    let differing: Vec<f64> = differences
        .iter()
        .copied()
        .filter(|it| *it != 0.0)
        .collect();
    let sizes: Vec<f64> = differing.iter().map(|it| it.abs()).collect();
    let ranks = doubled_ranks(&sizes);
    let signed = ranks.iter().zip(&differing);
    let positive = signed.filter(|(_, difference)| **difference > 0.0);
    let sum: u64 = positive.map(|(rank, _)| rank).sum();
    let w = sum as f64 / 2.0;
    let n = ranks.len() as f64;
    let lean = w - n * (n + 1.0) / 4.0;
    let p = if ranks.len() <= EXACT_MAX {
        sign_p(&ranks, sum)
    } else {
        let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - tie_correction(&ranks) / 48.0;
        normal_p(lean, variance)
    };
    Some(SignedRank { w, lean, p })
}

/// Returns the two-sided p value of a deviation in steps of a half or one.
fn normal_p(deviation: f64, variance: f64) -> f64 {
    if variance <= 0.0 {
        return 1.0;
    }
    let z = (deviation.abs() - 0.5).max(0.0) / variance.sqrt();
    (2.0 * normal_cdf(-z)).min(1.0)
}

/// How often the range that holds a bound is halved, which is beyond what a float can tell apart.
const HALVINGS: usize = 100;

fn superiority_interval(seen: f64, m: f64, n: f64, confidence: Confidence) -> Option<Interval> {
    let z = normal_upper(confidence.tail());
    let others = (m + n) / 2.0 - 1.0;
    let variance = |theta: f64| {
        let alike = (1.0 - theta) / (2.0 - theta) + theta / (1.0 + theta);
        theta * (1.0 - theta) * (1.0 + others * alike) / (m * n)
    };
    let is_too_far = |theta: f64| (seen - theta).abs() > z * variance(theta).sqrt();
    let bound = |end: f64| {
        let (mut beyond, mut within) = (end, seen);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(beyond, within);
            if is_too_far(middle) {
                beyond = middle;
            } else {
                within = middle;
            }
        }
        within
    };
    Interval::new(bound(0.0), bound(1.0))
}
