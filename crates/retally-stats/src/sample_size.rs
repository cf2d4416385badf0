//! How many issues it takes to see a difference.

use crate::distribution::normal_upper;
use crate::interval::Confidence;

/// With which chance a difference is to be seen that is there: the usual 80 %.
pub const POWER: f64 = 0.8;

/// Returns how many independent tries each of two groups needs so that Fisher's exact test sees
/// the difference between two rates with the chance [`POWER`]; `None` where the rates are equal
/// or not within 0 and 1.
///
/// Source: Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions (2003), formulas
/// 4.14 and 4.19 (the correction for continuity of Casagrande, Pike and Smith).
pub fn tries_to_see(first: f64, second: f64, confidence: Confidence) -> Option<u64> {
    let plain = plain_tries_to_see(first, second, confidence)?;
    let correction = (1.0 + (1.0 + 4.0 / (plain * (first - second).abs())).sqrt()) / 2.0;
    Some((plain * correction * correction).ceil() as u64)
}

/// Returns the same for a test that needs no correction for continuity, not rounded.
pub fn plain_tries_to_see(first: f64, second: f64, confidence: Confidence) -> Option<f64> {
    let is_rate = |rate: f64| (0.0..=1.0).contains(&rate);
    if !is_rate(first) || !is_rate(second) || first == second {
        return None;
    }
    let mean = f64::midpoint(first, second);
    let spread = |rate: f64| rate * (1.0 - rate);
    let alike = normal_upper(confidence.tail()) * (2.0 * spread(mean)).sqrt();
    let apart = normal_upper(1.0 - POWER) * (spread(first) + spread(second)).sqrt();
    Some(((alike + apart) / (first - second)).powi(2))
}

/// Returns how many pairs McNemar's test needs to see a difference between two rates measured on
/// the same issues, where this share of pairs goes differently; `None` where there is no
/// difference, or it is larger than that share.
///
/// Source: Connor, Biometrics 43 (1987) 207–211.
pub fn pairs_to_see(difference: f64, discordant: f64, confidence: Confidence) -> Option<u64> {
    let size = difference.abs();
    if !(size > 0.0 && size <= discordant && discordant <= 1.0) {
        return None;
    }
    let alike = normal_upper(confidence.tail()) * discordant.sqrt();
    let apart = normal_upper(1.0 - POWER) * (discordant - size * size).sqrt();
    Some(((alike + apart) / size).powi(2).ceil() as u64)
}
