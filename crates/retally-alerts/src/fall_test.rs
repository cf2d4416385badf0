//! Whether a rate fell, told issue by issue.

use std::collections::VecDeque;

/// How many of the last outcomes are looked at.
pub(crate) const WINDOW: usize = 200;
/// How many outcomes at least stand for how it was before.
pub(crate) const BEFORE_MIN: usize = 20;
/// How many outcomes at least stand for how it is now.
pub(crate) const AFTER_MIN: usize = 3;

/// Thresholds of the statistic by the mean number of outcomes between two false alarms, found by
/// simulation over rates from 5 to 95 %: that of the rate at which false alarms are most frequent.
/// Between two, it grows with the logarithm.
const THRESHOLDS: [(f64, f64); 4] = [(100.0, 3.6), (1e3, 6.6), (1e4, 9.3), (1e5, 11.7)];

/// A test of whether the chance of success fell at some time, after each outcome anew.
///
/// For each way to part the last outcomes in those before and those after, the logarithm of the
/// likelihood ratio of two chances, the later the lower, against one; the greatest of these is
/// compared with a threshold. This is the window-limited generalised likelihood ratio of Lai, J. R.
/// Stat. Soc. B 57 (1995) 613–658, with both chances unknown as in Siegmund and Venkatraman, Ann.
/// Stat. 23 (1995) 255–271.
#[derive(Clone, Debug)]
pub(crate) struct FallTest {
    threshold: f64,
    outcomes: VecDeque<bool>,
}

/// A fall that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fall {
    /// Successes and outcomes before it.
    pub(crate) before: (u64, u64),
    /// Successes and outcomes since.
    pub(crate) after: (u64, u64),
    /// The logarithm of the likelihood ratio.
    pub(crate) statistic: f64,
    pub(crate) threshold: f64,
}

impl FallTest {
    /// Begins a test in which false alarms are at least so many outcomes apart on average.
    pub(crate) fn new(outcomes_per_false_alarm: f64) -> Self {
        Self {
            threshold: threshold(outcomes_per_false_alarm),
            outcomes: VecDeque::new(),
        }
    }

    /// Takes the next outcome, and returns the fall that it shows. After one, what was before is
    /// forgotten: how it is now is what is usual from then on.
    pub(crate) fn take(&mut self, is_success: bool) -> Option<Fall> {
        if self.outcomes.len() == WINDOW {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(is_success);
        // After a success it is nowhere more of a fall than it was before.
        let fall = (!is_success).then(|| self.greatest()).flatten()?;
        if fall.statistic < self.threshold {
            return None;
        }
        let before = self.outcomes.len() - usize::try_from(fall.after.1).unwrap_or(0);
        self.outcomes.drain(..before);
        Some(fall)
    }

    fn greatest(&self) -> Option<Fall> {
        let all = self.outcomes.len();
        let successes = self.outcomes.iter().filter(|it| **it).count();
        let together = log_likelihood(successes, all);
        let mut since = 0;
        let mut greatest: Option<Fall> = None;
        for (index, is_success) in self.outcomes.iter().enumerate().rev() {
            since += usize::from(*is_success);
            let (after, before) = (all - index, index);
            if before < BEFORE_MIN {
                break;
            }
            let earlier = successes - since;
            // Compares the rates without dividing.
            if after < AFTER_MIN || since * before >= earlier * after {
                continue;
            }
            let apart = log_likelihood(earlier, before) + log_likelihood(since, after);
            let statistic = apart - together;
            if greatest.is_none_or(|it| statistic > it.statistic) {
                greatest = Some(Fall {
                    before: (earlier as u64, before as u64),
                    after: (since as u64, after as u64),
                    statistic,
                    threshold: self.threshold,
                });
            }
        }
        greatest
    }
}

/// Returns the logarithm of the greatest likelihood that a chance gives to these outcomes.
fn log_likelihood(successes: usize, outcomes: usize) -> f64 {
    let term = |count: usize| match count {
        0 => 0.0,
        count => count as f64 * (count as f64 / outcomes as f64).ln(),
    };
    term(successes) + term(outcomes - successes)
}

/// The least and the greatest number of outcomes between false alarms that a threshold is known for.
pub(crate) const RANGE: std::ops::RangeInclusive<f64> = THRESHOLDS[0].0..=THRESHOLDS[3].0;

fn threshold(outcomes: f64) -> f64 {
    let outcomes = outcomes.clamp(*RANGE.start(), *RANGE.end());
    let mut pairs = THRESHOLDS.windows(2);
    let pair = pairs.find(|pair| outcomes <= pair[1].0);
    let Some(&[(low, at_low), (high, at_high)]) = pair else {
        return THRESHOLDS[3].1;
    };
    let share = (outcomes / low).ln() / (high / low).ln();
    at_low + (at_high - at_low) * share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_helpers::Random;

    /// Feeds outcomes until a fall is found or there were so many; returns after how many.
    fn until_fall(
        test: &mut FallTest,
        random: &mut Random,
        rate: f64,
        outcomes: usize,
    ) -> Option<usize> {
        (1..=outcomes).find(|_| test.take(random.chance(rate)).is_some())
    }

    /// Property: with a rate that stays as it is, false alarms are as rare as is promised.
    #[test]
    #[expect(clippy::print_stdout, reason = "docs/alerts.md quotes it")]
    fn false_alarms_are_as_rare_as_is_asked_for_at_any_rate() {
        // Of each, so many false alarms are allowed; some more are chance.
        for (promised, allowed, told_max) in [(100.0, 100, 110), (1e3, 100, 110), (1e4, 20, 26)] {
            for rate in [0.05, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95] {
                let mut random = Random::new(1);
                let mut test = FallTest::new(promised);
                let outcomes = promised as usize * allowed;
                let is_alarm = |_: &usize| test.take(random.chance(rate)).is_some();
                let alarms = (0..outcomes).filter(is_alarm).count();
                println!("{promised} at {rate}: {alarms} false alarms in {outcomes} outcomes");
                assert!(alarms <= told_max, "{alarms} at {rate}, {promised}");
            }
        }
    }

    #[test]
    #[expect(clippy::print_stdout, reason = "docs/alerts.md quotes it")]
    fn a_fall_is_found_within_some_tens_of_issues() {
        for (before, after, median_max, found_min) in [
            (0.9, 0.3, 9, 1.0),
            (0.9, 0.6, 22, 0.99),
            (0.8, 0.5, 28, 0.98),
            (0.6, 0.3, 36, 0.97),
            (0.9, 0.75, 90, 0.6),
        ] {
            let mut random = Random::new(2);
            let mut delays = Vec::new();
            let mut tries = 0;
            while tries < 500 {
                let mut test = FallTest::new(1000.0);
                if until_fall(&mut test, &mut random, before, 100).is_some() {
                    continue;
                }
                tries += 1;
                delays.extend(until_fall(&mut test, &mut random, after, 200));
            }
            let found = delays.len() as f64 / f64::from(tries);
            delays.sort_unstable();
            let (median, p90) = (delays[delays.len() / 2], delays[delays.len() * 9 / 10]);
            println!(
                "{before} to {after}: {found} found in 200, the median after {median}, p90 {p90}"
            );
            assert!(
                median <= median_max && found >= found_min,
                "{before} to {after}"
            );
        }
    }

    #[test]
    fn a_fall_is_told_once_with_its_numbers() {
        let mut test = FallTest::new(1000.0);
        let mut falls = Vec::new();
        for outcome in [vec![true; 50], vec![false; 100]].concat() {
            falls.extend(test.take(outcome));
        }
        assert_eq!(falls.len(), 1);
        assert_eq!((falls[0].before, falls[0].after), ((50, 50), (0, 3)));
    }

    #[test]
    fn neither_a_rise_nor_too_few_issues_are_a_fall() {
        let mut test = FallTest::new(100.0);
        let rise = [vec![false; 60], vec![true; 60]].concat();
        assert!(rise.into_iter().all(|it| test.take(it).is_none()));
        let mut test = FallTest::new(100.0);
        let few = [vec![true; BEFORE_MIN], vec![false; AFTER_MIN - 1]].concat();
        assert!(few.into_iter().all(|it| test.take(it).is_none()));
        assert!(test.take(false).is_some(), "with one more they are enough");
    }

    #[test]
    fn thresholds_grow_with_what_is_asked_for() {
        assert_eq!(threshold(1000.0), 6.6);
        assert_eq!(threshold(1.0), threshold(100.0));
        assert_eq!(threshold(f64::MAX), threshold(1e5));
        let between = threshold(316.227_766);
        assert!((between - 5.1).abs() < 1e-6, "{between}");
    }
}
