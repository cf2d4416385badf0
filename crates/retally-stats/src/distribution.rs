//! The distributions that the methods refer to, over `statrs`.

use statrs::function::beta::{beta_reg, inv_beta_reg};
use statrs::function::erf::{erfc, erfc_inv};
use statrs::function::factorial::ln_factorial;
use std::f64::consts::SQRT_2;

/// Returns the probability that a standard normal variable is at most `z`.
pub(crate) fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z / SQRT_2)
}

/// Returns the value that a standard normal variable exceeds with this probability, which is
/// between 0 and 1.
pub(crate) fn normal_upper(probability: f64) -> f64 {
    SQRT_2 * erfc_inv(2.0 * probability)
}

/// Returns the value that a variable of Student's t exceeds with this probability, at most 0.5.
pub(crate) fn t_upper(probability: f64, degrees: f64) -> f64 {
    let x = inv_beta_reg(degrees / 2.0, 0.5, 2.0 * probability);
    (degrees * (1.0 - x) / x).sqrt()
}

/// Returns the probability that a variable of Student's t is at least as far from 0 as `t`.
pub(crate) fn t_two_sided(t: f64, degrees: f64) -> f64 {
    if !t.is_finite() {
        return 0.0;
    }
    beta_reg(degrees / 2.0, 0.5, degrees / (degrees + t * t))
}

/// Returns the natural logarithm of the number of ways to choose `k` of `n`; `k` is at most `n`.
pub(crate) fn ln_choose(n: u64, k: u64) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// Returns the probability of at most `k` successes in `n` tries of this probability.
pub(crate) fn binomial_cdf(k: u64, n: u64, probability: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    beta_reg((n - k) as f64, k as f64 + 1.0, 1.0 - probability)
}
