//! What is reported of one issue.

use crate::agents::AgentMetrics;
use crate::anomaly::Anomaly;
use crate::code::CodeMetrics;
use crate::cycles::CycleDetail;
use crate::detail_list::DETAILS_MAX;
use crate::issue_state::{ErrorDetail, IssueState, NoteDetail};
use crate::pipelines::PipelineDetail;
use crate::quantity::{Percent, Seconds, Usd};
use crate::report_json::pairs;
use crate::run_state::RunState;
use crate::usage::ToolMetrics;
use retally_log::{IssueId, IssueStatus, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

/// Where the work on an issue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueOutcome {
    /// It is solved.
    Completed,
    /// It could not be solved.
    Failed,
    /// It was passed over.
    Skipped,
    /// The run ended and it had not.
    Abandoned,
    /// Work goes on.
    InProgress,
}

impl IssueOutcome {
    /// Returns the word that reports print.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Abandoned => "abandoned",
            Self::InProgress => "in_progress",
        }
    }

    /// Returns whether work on the issue ended, be it that the run did.
    pub fn has_ended(self) -> bool {
        self != Self::InProgress
    }
}

/// The content of `issue_<n>_metrics.json` and `issue_<n>_report.json`; `docs/metrics.md` explains
/// each number. The fields are in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IssueReport {
    /// The issue.
    pub issue_id: IssueId<'static>,
    /// Where the work on it stands.
    pub status: IssueOutcome,
    /// How long it was open; `None` where a start or an end has no time.
    pub duration_seconds: Option<Seconds>,
    /// The agents that its events name, in order of first appearance.
    #[serde(serialize_with = "pairs")]
    pub agent_metrics: Vec<(String, AgentMetrics)>,
    /// All pipeline attempts.
    pub pipeline_attempts: u64,
    /// Those that ended in success.
    pub succeeded_pipelines: u64,
    /// Those that failed or timed out.
    pub failed_pipelines: u64,
    /// `succeeded_pipelines` / `pipeline_attempts`; `None` without attempts.
    pub pipeline_success_rate: Option<Percent>,
    /// `debug.started` + `error.recorded`.
    pub total_errors: u64,
    /// `debug.started`.
    pub debugging_cycles: u64,
    /// The cycles that ended resolved.
    pub resolved_cycles: u64,
    /// `resolved_cycles` / `debugging_cycles`; `None` without cycles.
    pub debugging_success_rate: Option<Percent>,
    /// The debugging cycles in log order.
    pub debugging_details: Vec<CycleDetail>,
    /// The pipeline attempts in log order.
    pub pipeline_details: Vec<PipelineDetail>,
    /// The run.
    pub run_id: String,
    /// The issue's title; `None` where none was stated.
    pub title: Option<String>,
    /// When it was started, else its first event.
    pub started_at: Option<Timestamp>,
    /// When it last ended; `None` while it is open.
    pub ended_at: Option<Timestamp>,
    /// The retries of all agents.
    pub total_agent_retries: u64,
    /// Whether it was completed without rework; `None` until it ends.
    pub first_time_right: Option<bool>,
    /// From 0 (plain) to 100 (laborious).
    pub complexity_score: u64,
    /// Calls of language models.
    pub llm_calls: u128,
    /// Calls of tools.
    pub tool_calls: u128,
    /// `None` where no call states them, as for all tokens.
    pub input_tokens: Option<u128>,
    /// Reasoning included.
    pub output_tokens: Option<u128>,
    /// Part of `input_tokens`.
    pub cache_read_tokens: Option<u128>,
    /// Part of `input_tokens`.
    pub cache_write_tokens: Option<u128>,
    /// Part of `output_tokens`.
    pub reasoning_tokens: Option<u128>,
    /// The sum of the known costs; `None` where none is known.
    pub cost_usd: Option<Usd>,
    /// The calls whose cost is not known; while it is not 0, `cost_usd` is too low.
    pub calls_without_cost: u128,
    /// The tools that were called, by name.
    pub tools: BTreeMap<String, ToolMetrics>,
    /// What was changed in the code.
    pub code: CodeMetrics,
    /// The recorded errors in log order.
    pub errors: Vec<ErrorDetail>,
    /// The notes in log order.
    pub notes: Vec<NoteDetail>,
    /// What contradicts itself, in log order.
    pub anomalies: Vec<Anomaly>,
    /// How many entries each list leaves out, where it leaves out any.
    pub omitted: BTreeMap<&'static str, u64>,
}

impl RunState {
    /// Returns where the work on an issue stands, or `None` where no event names it.
    pub fn issue_outcome(&self, id: &IssueId<'_>) -> Option<IssueOutcome> {
        let (_, issue) = self.issues.get(id.as_str())?;
        Some(issue.outcome(self.has_ended()))
    }

    /// Returns how many of an issue's pipelines, told apart by name, passed with their first attempt
    /// that succeeded or failed; `None` where there was no such attempt.
    pub fn issue_first_pass(&self, id: &IssueId<'_>) -> Option<Percent> {
        let (_, issue) = self.issues.get(id.as_str())?;
        rate(
            issue.pipelines.first_pass(),
            issue.pipelines.first_pass_base(),
        )
    }

    /// Returns the first pipeline attempts that name no issue, in log order.
    pub fn pipelines_without_issue(&self) -> &[PipelineDetail] {
        self.without_issue.pipelines.details()
    }

    /// Returns how many pipeline attempts name no issue.
    pub fn pipelines_without_issue_count(&self) -> u64 {
        self.without_issue.pipelines.count()
    }

    /// Returns the report of an issue, or `None` where no event names it.
    pub fn issue_report(&self, id: &IssueId<'_>) -> Option<IssueReport> {
        let (id, issue) = self.issues.get(id.as_str())?;
        Some(issue.report(self, id))
    }
}

impl IssueState {
    /// Returns where the work stands, in a run that ended or did not.
    pub(crate) fn outcome(&self, has_run_ended: bool) -> IssueOutcome {
        let status = self.lifetime.last_status();
        match status.filter(|_| !self.lifetime.is_open()) {
            Some(IssueStatus::Completed) => IssueOutcome::Completed,
            Some(IssueStatus::Failed) => IssueOutcome::Failed,
            Some(IssueStatus::Skipped) => IssueOutcome::Skipped,
            None if has_run_ended => IssueOutcome::Abandoned,
            None => IssueOutcome::InProgress,
        }
    }

    fn report(&self, run: &RunState, id: &IssueId<'static>) -> IssueReport {
        let status = self.outcome(run.has_ended());
        let agent_metrics = self.agents.metrics();
        let (pipelines, cycles, usage) = (&self.pipelines, &self.cycles, &self.usage);
        let anomalies = self.anomaly_list(status.has_ended());
        let anomalies = anomalies.into_iter().map(|(_, anomaly)| anomaly);
        IssueReport {
            issue_id: id.clone(),
            status,
            duration_seconds: self
                .lifetime
                .duration_micros(&self.events)
                .map(Seconds::from_micros),
            pipeline_attempts: pipelines.count(),
            succeeded_pipelines: pipelines.succeeded(),
            failed_pipelines: pipelines.failed(),
            pipeline_success_rate: rate(pipelines.succeeded(), pipelines.count()),
            total_errors: self.error_count(),
            debugging_cycles: cycles.count(),
            resolved_cycles: cycles.resolved(),
            debugging_success_rate: rate(cycles.resolved(), cycles.count()),
            debugging_details: cycles.details(self.events.last),
            pipeline_details: pipelines.details().to_vec(),
            run_id: run.run_id.to_string(),
            title: self.title.clone(),
            started_at: self.lifetime.started_at(&self.events),
            ended_at: self.lifetime.ended_at(),
            total_agent_retries: agent_metrics.iter().map(|(_, agent)| agent.retries).sum(),
            first_time_right: self.first_time_right(status, &agent_metrics),
            complexity_score: self.complexity_score(&agent_metrics),
            llm_calls: usage.llm_calls,
            tool_calls: usage.tool_calls,
            input_tokens: usage.input_tokens.get(),
            output_tokens: usage.output_tokens.get(),
            cache_read_tokens: usage.cache_read_tokens.get(),
            cache_write_tokens: usage.cache_write_tokens.get(),
            reasoning_tokens: usage.reasoning_tokens.get(),
            cost_usd: usage.cost(),
            calls_without_cost: usage.calls_without_cost,
            tools: self.tools.metrics(),
            code: self.code.metrics(),
            errors: self.errors.values().cloned().collect(),
            notes: self.notes.values().cloned().collect(),
            anomalies: anomalies.take(DETAILS_MAX).collect(),
            omitted: self.omitted(status),
            agent_metrics,
        }
    }

    fn first_time_right(
        &self,
        status: IssueOutcome,
        agents: &[(String, AgentMetrics)],
    ) -> Option<bool> {
        let is_right = |agent: &AgentMetrics| agent.attempts <= 1 && agent.failures == 0;
        status.has_ended().then(|| {
            status == IssueOutcome::Completed
                && agents.iter().all(|(_, agent)| is_right(agent))
                && self.pipelines.failed() == 0
                && self.cycles.count() == 0
        })
    }

    /// Adds up four parts of at most 25 points each.
    fn complexity_score(&self, agents: &[(String, AgentMetrics)]) -> u64 {
        let attempts = agents.iter().map(|(_, agent)| agent.attempts);
        let repeats: u64 = attempts.map(|count| count.saturating_sub(1)).sum();
        let points = |each: u64, count: u64| each.saturating_mul(count).min(25);
        let volume_points = u64::try_from(self.code.volume() / 20).unwrap_or(u64::MAX);
        points(5, repeats)
            + points(10, self.pipelines.failed())
            + points(10, self.cycles.count())
            + points(1, volume_points)
    }

    fn omitted(&self, status: IssueOutcome) -> BTreeMap<&'static str, u64> {
        omitted([
            ("debugging_details", self.cycles.count()),
            ("pipeline_details", self.pipelines.count()),
            ("errors", self.errors.count()),
            ("notes", self.notes.count()),
            ("anomalies", self.anomaly_count(status.has_ended())),
        ])
    }
}

/// Returns the share of a count in another, or `None` where nothing was counted.
pub(crate) fn rate(part: u64, whole: u64) -> Option<Percent> {
    Percent::new(part.into(), whole.into())
}

/// Returns by how much lists of these lengths are too long for a report.
pub(crate) fn omitted<const N: usize>(
    lists: [(&'static str, u64); N],
) -> BTreeMap<&'static str, u64> {
    let left_out = |(name, count): (_, u64)| (name, count.saturating_sub(DETAILS_MAX as u64));
    lists
        .into_iter()
        .map(left_out)
        .filter(|(_, count)| *count > 0)
        .collect()
}

#[cfg(test)]
mod tests;
