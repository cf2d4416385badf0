//! Exact tests of counts.

use crate::distribution::{binomial_cdf, ln_choose};

/// How much larger a probability may be and still count as equal to that of the table seen.
const EQUAL_TO: f64 = 1.0 + 1e-7;

/// Returns the two-sided p value of Fisher's exact test, or `None` where a group is empty.
///
/// Each group is (successes, failures). Tables at most as probable as the one seen are added up,
/// as in R and scipy. Independent tries are assumed.
///
/// Source: Fisher, Journal of the Royal Statistical Society 98 (1935) 39–82.
pub fn fisher_exact(first: (u64, u64), second: (u64, u64)) -> Option<f64> {
    let sizes = (
        first.0.checked_add(first.1)?,
        second.0.checked_add(second.1)?,
    );
    let all = sizes.0.checked_add(sizes.1)?;
    if sizes.0 == 0 || sizes.1 == 0 {
        return None;
    }
    let successes = first.0 + second.0;
    let least = successes.saturating_sub(sizes.1);
    let most = successes.min(sizes.0);
    let whole = ln_choose(all, successes);
    let probability = |of_first: u64| {
        let ways = ln_choose(sizes.0, of_first) + ln_choose(sizes.1, successes - of_first);
        (ways - whole).exp()
    };
    let limit = probability(first.0) * EQUAL_TO;
    let tables = (least..=most).map(probability);
    Some(tables.filter(|it| *it <= limit).sum::<f64>().min(1.0))
}

/// Returns the two-sided p value of McNemar's exact test; 1 where no pair is discordant.
///
/// Of pairs, `only_first` succeeded in the first alone and `only_second` in the second alone.
///
/// Source: McNemar, Psychometrika 12 (1947) 153–157, with the binomial distribution.
pub fn mcnemar_exact(only_first: u64, only_second: u64) -> f64 {
    let discordant = only_first.saturating_add(only_second);
    let fewer = only_first.min(only_second);
    (2.0 * binomial_cdf(fewer, discordant, 0.5)).min(1.0)
}
