use crate::issue_work::IssueKey;
use crate::robust_z::RobustScale;
use crate::run_work::RunWork;
use std::collections::BTreeMap;

/// From which modified z score on a cost is an outlier: that of Iglewicz and Hoaglin (1993).
pub const OUTLIER_Z: f64 = 3.5;

/// How many times the median an outlier costs at least.
pub const OUTLIER_FACTOR: f64 = 2.0;

/// The fewest costs of a model of which it can be told what is usual.
pub const COSTS_MIN: usize = 20;

/// How far costs stray at least, as the median absolute deviation of their logarithms.
const SPREAD_MIN: f64 = 0.05;

/// A try at an issue that cost far more than is usual with its model.
#[derive(Clone, Debug, PartialEq)]
pub struct CostOutlier {
    /// The run.
    pub run: String,
    /// The issue.
    pub issue: IssueKey,
    /// The run's model.
    pub model: Option<String>,
    /// In USD.
    pub cost: f64,
    /// What the median try with this model cost, in USD.
    pub median: f64,
    /// The modified z score of its logarithm.
    pub z: f64,
}

/// The tries at issues whose cost is out of the usual.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CostOutliers {
    /// Ended tries of which the cost is known, is not 0, and could be judged.
    pub judged: u64,
    /// What they cost together, in USD.
    pub judged_cost: f64,
    /// Such tries with models of which there are fewer than [`COSTS_MIN`].
    pub of_rare_models: u64,
    /// The most tries of any such model.
    pub most_of_rare_models: u64,
    /// Ended tries of which the cost of any call is not known.
    pub without_cost: u64,
    /// Ended tries that cost nothing, or made no call.
    pub free: u64,
    /// Ended tries with a cost in runs that do not state their model.
    pub without_model: u64,
    /// The dearest first.
    pub outliers: Vec<CostOutlier>,
}

impl CostOutliers {
    /// Looks at all ended tries, each among those with the same model: logarithms of costs, for
    /// costs are skewed. Only what is too dear is an outlier.
    pub fn of(runs: &[RunWork]) -> Self {
        let mut found = Self::default();
        let mut by_model: BTreeMap<&str, Vec<(&RunWork, &IssueKey, f64)>> = BTreeMap::new();
        for run in runs {
            for story in run.issues.iter().filter(|story| !story.work.is_open()) {
                let cost = story.work.cost.filter(|cost| *cost > 0.0);
                match (cost, &run.model) {
                    (Some(cost), Some(model)) => {
                        let costs = by_model.entry(model).or_default();
                        costs.push((run, story.key(), cost));
                    }
                    (Some(_), None) => found.without_model += 1,
                    (None, _) if story.work.lacks_cost => found.without_cost += 1,
                    (None, _) => found.free += 1,
                }
            }
        }
        for costs in by_model.values() {
            found.judge(costs);
        }
        // Stable, so that of equal ones the first by model and run comes first.
        let dearer = |left: &CostOutlier, right: &CostOutlier| right.cost.total_cmp(&left.cost);
        found.outliers.sort_by(dearer);
        found
    }

    fn judge(&mut self, costs: &[(&RunWork, &IssueKey, f64)]) {
        let logarithms: Vec<f64> = costs.iter().map(|(.., cost)| cost.ln()).collect();
        let scale = RobustScale::of(&logarithms, SPREAD_MIN);
        let Some(scale) = scale.filter(|_| costs.len() >= COSTS_MIN) else {
            self.of_rare_models += costs.len() as u64;
            self.most_of_rare_models = self.most_of_rare_models.max(costs.len() as u64);
            return;
        };
        self.judged += costs.len() as u64;
        self.judged_cost += costs.iter().map(|(.., cost)| cost).sum::<f64>();
        for ((run, issue, cost), logarithm) in costs.iter().zip(logarithms) {
            let z = scale.z(logarithm);
            let median = scale.median.exp();
            if z >= OUTLIER_Z && *cost >= OUTLIER_FACTOR * median {
                self.outliers.push(CostOutlier {
                    run: run.run.clone(),
                    issue: (*issue).clone(),
                    model: run.model.clone(),
                    cost: *cost,
                    median,
                    z,
                });
            }
        }
    }
}
