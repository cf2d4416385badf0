use crate::cluster::Cluster;
use crate::issue_work::IssueWork;

/// A number by which groups are compared: a ratio of sums over issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Issues that were completed, of those that ended.
    SuccessRate,
    /// Pipelines that passed at first, of those that succeeded or failed.
    FirstPassRate,
    /// Retries for each issue that ended.
    Retries,
    /// Debugging cycles for each issue that ended.
    Cycles,
    /// Cycles and recorded errors for each issue that ended.
    Errors,
    /// Seconds for each issue that ended.
    Seconds,
    /// USD for each issue that ended and of which the cost is known.
    Cost,
}

impl Measure {
    /// All, in the order in which they are reported.
    pub const ALL: [Self; 7] = [
        Self::SuccessRate,
        Self::FirstPassRate,
        Self::Retries,
        Self::Cycles,
        Self::Errors,
        Self::Seconds,
        Self::Cost,
    ];

    /// Returns its name for machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::SuccessRate => "success_rate",
            Self::FirstPassRate => "first_pass_rate",
            Self::Retries => "retries_per_issue",
            Self::Cycles => "cycles_per_issue",
            Self::Errors => "errors_per_issue",
            Self::Seconds => "seconds_per_issue",
            Self::Cost => "cost_per_issue_usd",
        }
    }

    /// Returns whether it is a share of tries, from 0 to 1.
    pub fn is_rate(self) -> bool {
        matches!(self, Self::SuccessRate | Self::FirstPassRate)
    }

    /// Returns whether more of it is better.
    pub fn is_better_high(self) -> bool {
        self.is_rate()
    }

    /// Returns what work on an issue adds, or `None` where it adds nothing: while the issue is
    /// open, all but pipelines that are decided.
    pub(crate) fn of(self, work: &IssueWork) -> Option<Cluster> {
        if self == Self::FirstPassRate {
            let (passed, base) = work.first_pass?;
            return Some(Cluster {
                sum: passed as f64,
                count: base as f64,
            });
        }
        if work.is_open() {
            return None;
        }
        let value = match self {
            Self::SuccessRate => f64::from(u8::from(work.success?)),
            Self::FirstPassRate => return None,
            Self::Retries => work.retries as f64,
            Self::Cycles => work.cycles.1 as f64,
            Self::Errors => work.errors? as f64,
            Self::Seconds => work.seconds?,
            Self::Cost => work.cost?,
        };
        Some(Cluster::of(value))
    }
}
