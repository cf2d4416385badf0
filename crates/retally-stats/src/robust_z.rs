//! How far a value is from the others, told by medians, which outliers do not move.

use crate::quantile::quantile_of_sorted;

/// The median absolute deviation of a normal distribution, in standard deviations.
const NORMAL_SPREAD: f64 = 0.6745;

/// A median, and how far values are from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RobustScale {
    /// The median.
    pub median: f64,
    /// The median absolute deviation, at least what it was asked to be.
    pub spread: f64,
}

impl RobustScale {
    /// Measures values, or returns `None` where there are none.
    ///
    /// `spread_min` is above 0: where most values are the same, one that is hardly above them is
    /// still nothing unusual.
    pub fn of(values: &[f64], spread_min: f64) -> Option<Self> {
        let median_of = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            quantile_of_sorted(&values, 0.5)
        };
        let median = median_of(values.to_vec())?;
        let apart = values.iter().map(|value| (value - median).abs()).collect();
        let spread = median_of(apart)?.max(spread_min);
        Some(Self { median, spread })
    }

    /// Returns the modified z score of a value: 0.6745 × (value − median) / spread.
    ///
    /// Source: Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993), who call a value
    /// beyond 3.5 an outlier.
    ///
    /// ```
    /// use retally_stats::RobustScale;
    /// let scale = RobustScale::of(&[1.0, 2.0, 3.0, 4.0, 90.0], 0.05).expect("there are values");
    /// assert!(scale.z(4.0) < 3.5 && scale.z(90.0) > 3.5);
    /// ```
    pub fn z(&self, value: f64) -> f64 {
        NORMAL_SPREAD * (value - self.median) / self.spread
    }
}
