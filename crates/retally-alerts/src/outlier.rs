//! Whether a number is far above what is usual.

use retally_stats::RobustScale;
use std::collections::VecDeque;

/// How far numbers stray at least, as the median absolute deviation of their logarithms: where most
/// are the same, a number that is a few percent above is still none to tell about.
const SPREAD_MIN: f64 = 0.05;

/// The last numbers of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    logarithms: VecDeque<f64>,
}

/// How a sample is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OutlierTest {
    /// From which robust z on a number is an outlier.
    pub(crate) z: f64,
    /// By which factor it is above the median at least.
    pub(crate) factor: f64,
    /// How many numbers must be known before it.
    pub(crate) sample_min: usize,
    /// How many of the last are looked at.
    pub(crate) sample_max: usize,
}

/// A number that is far above what is usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outlier {
    pub(crate) value: f64,
    pub(crate) median: f64,
    pub(crate) z: f64,
    /// How many numbers it was compared with.
    pub(crate) sample: usize,
}

impl Sample {
    /// Compares a number above 0 with those before it, and takes it in.
    ///
    /// The robust z is of logarithms, for times and costs are skewed.
    pub(crate) fn take(&mut self, value: f64, test: &OutlierTest) -> Option<Outlier> {
        let logarithm = value.ln();
        let found = self.judge(value, logarithm, test);
        self.logarithms.push_back(logarithm);
        while self.logarithms.len() > test.sample_max {
            self.logarithms.pop_front();
        }
        found
    }

    fn judge(&self, value: f64, logarithm: f64, test: &OutlierTest) -> Option<Outlier> {
        let sample = self.logarithms.len();
        if sample < test.sample_min {
            return None;
        }
        let logarithms: Vec<f64> = self.logarithms.iter().copied().collect();
        let scale = RobustScale::of(&logarithms, SPREAD_MIN)?;
        let z = scale.z(logarithm);
        let is_far = logarithm - scale.median >= test.factor.ln();
        (z >= test.z && is_far).then(|| Outlier {
            value,
            median: scale.median.exp(),
            z,
            sample,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_helpers::Random;

    const TEST: OutlierTest = OutlierTest {
        z: 3.5,
        factor: 2.0,
        sample_min: 20,
        sample_max: 200,
    };

    #[test]
    #[expect(clippy::print_stdout, reason = "docs/alerts.md quotes it")]
    fn few_numbers_that_are_nothing_special_are_outliers() {
        for (spread, share_max) in [(0.3, 0.001), (0.5, 0.001), (1.0, 0.002)] {
            let (mut random, mut sample) = (Random::new(3), Sample::default());
            let numbers = 100_000;
            let is_told = |_: &u32| {
                sample
                    .take((spread * random.normal()).exp(), &TEST)
                    .is_some()
            };
            let told = (0..numbers).filter(is_told).count();
            let share = told as f64 / f64::from(numbers);
            println!("log-normal, sigma {spread}: {told} of {numbers} told");
            assert!(share <= share_max, "{share} at {spread}");
        }
    }

    #[test]
    fn a_number_far_above_is_told_from_the_21st_on() {
        let usual = |at: u32| 60.0 + f64::from(at % 7);
        let mut sample = Sample::default();
        assert!((0..19).all(|at| sample.take(usual(at), &TEST).is_none()));
        assert_eq!(sample.take(6000.0, &TEST), None);
        let outlier = sample.take(600.0, &TEST).expect("it is one");
        assert_eq!((outlier.sample, outlier.value), (20, 600.0));
        assert!((outlier.median - 63.0).abs() < 1.0, "{outlier:?}");
        assert_eq!(sample.take(100.0, &TEST), None);
        assert_eq!(sample.take(1.0, &TEST), None);
    }

    #[test]
    fn among_equal_numbers_only_one_by_the_factor_above_is_told() {
        let mut sample = Sample::default();
        assert!((0..50).all(|_| sample.take(10.0, &TEST).is_none()));
        assert_eq!(sample.take(19.9, &TEST), None);
        assert!(sample.take(20.1, &TEST).is_some());
    }

    #[test]
    fn what_is_usual_follows_a_change_that_stays() {
        let mut sample = Sample::default();
        let levels = [vec![10.0; 200], vec![100.0; 200]].concat();
        let told: Vec<bool> = levels
            .into_iter()
            .map(|it| sample.take(it, &TEST).is_some())
            .collect();
        assert!(told[200] && !told[399]);
    }
}
