use crate::distribution::{normal_upper, t_two_sided};
use crate::interval::{Confidence, Interval};
use crate::ranks::doubled_ranks;

/// How two numbers rise and fall together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spearman {
    /// From −1 to 1; 0 where one says nothing of the other.
    pub rho: f64,
    /// Two-sided.
    pub p: f64,
    /// `None` of fewer than four pairs, and where the order is the same or opposite throughout.
    pub interval: Option<Interval>,
}

/// Returns the correlation of the ranks of both members of the pairs; `None` of fewer than three
/// pairs, or where one of the members is the same throughout.
///
/// Values are finite and pairs independent. Ties share their mean rank. Up to 8 pairs, p comes from
/// all orders of the second members; above, from Student's t with n − 2 degrees of freedom, as in
/// scipy, which of fewer pairs raises too many false alarms.
///
/// Source: Spearman, American Journal of Psychology 15 (1904) 72–101; for the interval Fisher's
/// transformation with the variance (1 + ρ²/2) / (n − 3) of Bonett and Wright, Psychometrika 65
/// (2000) 23–28.
pub fn spearman(pairs: &[(f64, f64)], confidence: Confidence) -> Option<Spearman> {
    let n = pairs.len() as f64;
    if pairs.len() < 3 {
        return None;
    }
    let (first, second): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let mean = n + 1.0;
    let centred = |values: &[f64]| -> Vec<f64> {
        let ranks = doubled_ranks(values).into_iter();
        ranks.map(|rank| rank as f64 - mean).collect()
    };
    let (first, second) = (centred(&first), centred(&second));
    let product = |left: &[f64], right: &[f64]| -> f64 {
        left.iter()
            .zip(right)
            .map(|(left, right)| left * right)
            .sum()
    };
    let scale = (product(&first, &first) * product(&second, &second)).sqrt();
    if scale <= 0.0 {
        return None;
    }
    let rho = (product(&first, &second) / scale).clamp(-1.0, 1.0);
    let p = match pairs.len() <= EXACT_PAIRS_MAX {
        true => order_p(&first, &second),
        false => {
            let degrees = n - 2.0;
            let t = rho * (degrees / ((1.0 - rho) * (1.0 + rho))).sqrt();
            t_two_sided(t, degrees)
        }
    };
    let interval = (pairs.len() >= 4 && rho.abs() < 1.0).then(|| {
        let error = ((1.0 + rho * rho / 2.0) / (n - 3.0)).sqrt();
        let spread = normal_upper(confidence.tail()) * error;
        Interval::new((rho.atanh() - spread).tanh(), (rho.atanh() + spread).tanh())
    });
    Some(Spearman {
        rho,
        p,
        interval: interval.flatten(),
    })
}

/// Up to how many pairs all orders are gone through.
const EXACT_PAIRS_MAX: usize = 8;

/// Returns the share of the orders of `second` in which it goes with `first`, or against it, at
/// least as much as it does. Both are whole numbers, so nothing is rounded.
fn order_p(first: &[f64], second: &[f64]) -> f64 {
    let product: f64 = first
        .iter()
        .zip(second)
        .map(|(left, right)| left * right)
        .sum();
    let mut counts = (0_u32, 0_u32);
    let mut rest = second.to_vec();
    go_through_orders(first, &mut rest, 0.0, &mut |sum| {
        counts.0 += u32::from(sum.abs() >= product.abs());
        counts.1 += 1;
    });
    f64::from(counts.0) / f64::from(counts.1)
}

/// Calls `on_sum` with the sum of products of `first` with each order of `rest`.
fn go_through_orders(first: &[f64], rest: &mut [f64], sum: f64, on_sum: &mut impl FnMut(f64)) {
    let Some((factor, others)) = first.split_first() else {
        return on_sum(sum);
    };
    for at in 0..rest.len() {
        rest.swap(0, at);
        let sum = sum + factor * rest[0];
        go_through_orders(others, &mut rest[1..], sum, on_sum);
        rest.swap(0, at);
    }
}
