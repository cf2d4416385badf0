use crate::kaplan_meier::Wait;
use retally_reduce::{AgentMetrics, CycleDetail, IssueOutcome, IssueReport, RunState, Seconds};
use std::sync::Arc;

/// An issue, whichever run worked on it: projects number their issues each for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssueKey {
    /// `None` where no run.started says it.
    pub project: Option<Arc<str>>,
    /// The issue's id.
    pub issue: Arc<str>,
}

/// What one run, or one agent in it, did on one issue; `docs/metrics.md` explains the numbers.
///
/// What is not known is `None`, and counts nowhere.
#[derive(Clone, Debug, PartialEq)]
pub struct IssueWork {
    /// The issue.
    pub key: IssueKey,
    /// Where the work on it stands.
    pub outcome: IssueOutcome,
    /// Whether it ended well; `None` while it is open. Of an agent: whether it finished there, and
    /// never without success.
    pub success: Option<bool>,
    /// Pipelines, told apart by name: those that passed at first, and all that succeeded or failed.
    pub first_pass: Option<(u64, u64)>,
    /// Retries of all agents, or of the one.
    pub retries: u64,
    /// Debugging cycles: those that were resolved, and all.
    pub cycles: (u64, u64),
    /// Cycles and recorded errors.
    pub errors: Option<u64>,
    /// How long it took, in seconds.
    pub seconds: Option<f64>,
    /// From the issue's start to its first pipeline that succeeded, in seconds.
    pub seconds_to_green: Option<Wait>,
    /// From the start of each cycle to its resolution, in seconds.
    pub seconds_to_resolution: Vec<Wait>,
    /// Tokens in.
    pub input_tokens: Option<f64>,
    /// Tokens out.
    pub output_tokens: Option<f64>,
    /// In USD; `None` where the cost of any call is not known.
    pub cost: Option<f64>,
    /// Whether there were calls of which the cost is not known.
    pub lacks_cost: bool,
}

impl IssueWork {
    /// Returns what a run did on its issues, with their reports, sorted by issue.
    pub(crate) fn of_run(state: &RunState) -> Vec<(Self, IssueReport)> {
        let project = state.metadata().project_id.map(Arc::from);
        let reports = state.issue_ids().filter_map(|id| {
            let report = state.issue_report(id)?;
            let key = IssueKey {
                project: project.clone(),
                issue: Arc::from(id.as_str()),
            };
            let first_pass = state.issue_first_pass(id).and_then(|share| {
                let passed = u64::try_from(share.numerator()).ok()?;
                Some((passed, u64::try_from(share.denominator()).ok()?))
            });
            Some((Self::of_issue(key, first_pass, &report), report))
        });
        reports.collect()
    }

    fn of_issue(key: IssueKey, first_pass: Option<(u64, u64)>, report: &IssueReport) -> Self {
        let has_ended = report.status.has_ended();
        let known_cost = report.cost_usd.filter(|_| report.calls_without_cost == 0);
        Self {
            key,
            outcome: report.status,
            success: has_ended.then_some(report.status == IssueOutcome::Completed),
            first_pass,
            retries: report.total_agent_retries,
            cycles: (report.resolved_cycles, report.debugging_cycles),
            errors: Some(report.total_errors),
            seconds: report.duration_seconds.map(seconds),
            seconds_to_green: wait_for_green(report),
            seconds_to_resolution: report
                .debugging_details
                .iter()
                .filter_map(wait_of)
                .collect(),
            input_tokens: report.input_tokens.map(|tokens| tokens as f64),
            output_tokens: report.output_tokens.map(|tokens| tokens as f64),
            cost: known_cost.map(|cost| cost.as_nanos() as f64 / 1e9),
            lacks_cost: report.calls_without_cost > 0,
        }
    }

    /// Returns what one agent did on the issue, or `None` where it made no attempt.
    ///
    /// What no event says by agent is not known.
    pub(crate) fn of_agent(
        &self,
        agent: &str,
        metrics: &AgentMetrics,
        report: &IssueReport,
    ) -> Option<Self> {
        let ended = metrics.successes + metrics.failures;
        let own = || {
            let cycles = report.debugging_details.iter();
            cycles.filter(|cycle| cycle.agent == agent)
        };
        let cycles = own().count() as u64;
        if metrics.attempts == 0 && cycles == 0 {
            return None;
        }
        let known_seconds = metrics.duration.filter(|_| ended > 0);
        Some(Self {
            key: self.key.clone(),
            outcome: self.outcome,
            success: (ended > 0).then_some(metrics.failures == 0),
            first_pass: None,
            retries: metrics.retries,
            cycles: (own().filter(|cycle| cycle.resolved).count() as u64, cycles),
            errors: None,
            seconds: known_seconds.map(seconds),
            seconds_to_green: None,
            seconds_to_resolution: own().filter_map(wait_of).collect(),
            input_tokens: None,
            output_tokens: None,
            cost: None,
            lacks_cost: false,
        })
    }

    /// Returns whether work on it goes on.
    pub fn is_open(&self) -> bool {
        !self.outcome.has_ended()
    }
}

fn seconds(time: Seconds) -> f64 {
    time.as_micros() as f64 / 1e6
}

/// Returns how long the issue waited for its first pipeline that succeeded; `None` without
/// pipelines or times. Where none succeeded, it waited as long as it lasted.
fn wait_for_green(report: &IssueReport) -> Option<Wait> {
    if report.pipeline_attempts == 0 {
        return None;
    }
    let start = report.started_at?.as_micros();
    let passed = report
        .pipeline_details
        .iter()
        .filter(|it| it.status == "success");
    let first = passed.filter_map(|it| it.recorded_at).min();
    match first {
        Some(time) => Some(Wait {
            time: time.as_micros().saturating_sub(start).max(0) as f64 / 1e6,
            has_ended: true,
        }),
        // Green at an unknown time is not the same as never.
        None if report.succeeded_pipelines > 0 => None,
        None => Some(Wait {
            time: seconds(report.duration_seconds?),
            has_ended: false,
        }),
    }
}

fn wait_of(cycle: &CycleDetail) -> Option<Wait> {
    Some(Wait {
        time: seconds(cycle.duration_seconds?),
        has_ended: cycle.resolved,
    })
}
