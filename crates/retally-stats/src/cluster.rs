/// What one issue adds to a ratio of sums: a rate is Σ `sum` / Σ `count`, and so is a mean.
///
/// An issue that was tried several times is one cluster of several attempts, because attempts at
/// one issue resemble each other: they are less evidence than as many issues.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cluster {
    /// The successes, seconds, or whatever is summed up; finite and not negative.
    pub sum: f64,
    /// What it is divided by, such as the attempts; finite and not negative.
    pub count: f64,
}

impl Cluster {
    /// Takes one value that counts once.
    pub fn of(value: f64) -> Self {
        Self {
            sum: value,
            count: 1.0,
        }
    }

    /// Adds to both sums.
    pub fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    /// Takes away from both sums.
    pub(crate) fn without(self, other: Self) -> Self {
        Self {
            sum: self.sum - other.sum,
            count: self.count - other.count,
        }
    }

    /// Returns the sums over some clusters.
    pub fn total<'c>(clusters: impl IntoIterator<Item = &'c Self>) -> Self {
        let mut total = Self::default();
        clusters.into_iter().for_each(|cluster| total.add(*cluster));
        total
    }

    /// Returns `sum` / `count`, or `None` where nothing was counted.
    pub fn ratio(self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }

    /// Returns `sum` / `count`, infinite where nothing was counted.
    pub(crate) fn ratio_or_infinity(self) -> f64 {
        self.ratio().unwrap_or(f64::INFINITY)
    }

    /// Returns whether it says nothing about a ratio.
    pub(crate) fn is_empty(self) -> bool {
        self.sum == 0.0 && self.count == 0.0
    }
}

/// Returns what each cluster adds to the error of the ratio over all, to first order; `None` where
/// nothing was counted.
///
/// Source: Cochran, Sampling Techniques (1977), section 6.3: the linearised ratio estimator.
pub(crate) fn residuals(clusters: &[Cluster]) -> Option<Vec<f64>> {
    let total = Cluster::total(clusters);
    let ratio = total.ratio()?;
    let residual = |cluster: &Cluster| (cluster.sum - ratio * cluster.count) / total.count;
    Some(clusters.iter().map(residual).collect())
}

/// Returns the variance of a sum of such residuals, for which there must be at least two.
pub(crate) fn variance_of_sum(residuals: &[f64]) -> f64 {
    let n = residuals.len() as f64;
    let squares: f64 = residuals.iter().map(|residual| residual * residual).sum();
    squares * n / (n - 1.0)
}
