/// The bounds within which a number lies, as far as the data can tell.
///
/// `low` is finite and at most `high`. `high` may be infinite, where the data put no bound to it;
/// neither is ever NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

impl Interval {
    /// Returns the interval, or `None` where the bounds are none.
    pub(crate) fn new(low: f64, high: f64) -> Option<Self> {
        (low.is_finite() && low <= high).then_some(Self { low, high })
    }

    /// Returns whether a value lies within the bounds, themselves included.
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// How often an interval made so is to hold the true value: a share between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence(f64);

impl Confidence {
    /// The usual 95 %.
    pub const USUAL: Self = Self(0.95);

    /// Takes a share, or returns `None` where it is not between 0.5 and 0.9999.
    pub fn new(level: f64) -> Option<Self> {
        (0.5..=0.9999).contains(&level).then_some(Self(level))
    }

    /// Returns the share.
    pub fn level(self) -> f64 {
        self.0
    }

    /// Returns the share of cases that lie beyond one bound.
    pub(crate) fn tail(self) -> f64 {
        (1.0 - self.0) / 2.0
    }
}
