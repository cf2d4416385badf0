//! What is reported of a run once it ended.

use crate::anomaly::{Anomaly, AnomalyKind};
use crate::detail_list::DETAILS_MAX;
use crate::issue_report::{omitted, rate};
use crate::issue_state::ErrorDetail;
use crate::moment::{Moment, Span};
use crate::quantity::{Percent, Seconds, Usd};
use crate::run_start::LlmConfiguration;
use crate::run_state::RunState;
use retally_log::{IssueId, Position, RunStatus, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// It has no end: it goes on, or died without a word.
    Running,
    /// It did what it was started for.
    Completed,
    /// It could not.
    Failed,
    /// Somebody stopped it.
    Stopped,
}

impl RunOutcome {
    /// Returns the word that reports print.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// How many issues of a run stand where; all keys are always printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IssuesByStatus {
    /// Solved.
    pub completed: u64,
    /// Not solved.
    pub failed: u64,
    /// Passed over.
    pub skipped: u64,
    /// Without an end, in a run that ended.
    pub abandoned: u64,
    /// Without an end, in a run that goes on.
    pub in_progress: u64,
}

impl IssuesByStatus {
    /// Returns how many issues ended; abandoned ones did, with their run.
    pub fn ended(&self) -> u64 {
        self.completed + self.failed + self.skipped + self.abandoned
    }

    /// Returns how many issues there are.
    pub fn total(&self) -> u64 {
        self.ended() + self.in_progress
    }
}

/// The content of `<run>_final.json`; `docs/metrics.md` explains each number. The fields are in
/// the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// The run.
    pub run_id: String,
    /// The project; `None` without a `run.started`.
    pub project_id: Option<String>,
    /// The language model; `None` where none was stated.
    pub llm_configuration: Option<LlmConfiguration>,
    /// How long it lasted; `None` where its start or end has no time.
    pub duration_seconds: Option<Seconds>,
    /// The issues that events name, in order of first appearance.
    pub issues_processed: Vec<IssueId<'static>>,
    /// Scored successes where there is any `run.scored`, else completed issues.
    pub total_successes: u64,
    /// Scored errors where there is any `run.scored`, else failed issues.
    pub total_errors: u64,
    /// `total_successes` / issues that ended, at most all; `None` where none did.
    pub success_rate: Option<Percent>,
    /// Where the run stands.
    pub status: RunOutcome,
    /// When it was started, else its first event.
    pub started_at: Option<Timestamp>,
    /// When it ended; `None` while it runs.
    pub ended_at: Option<Timestamp>,
    /// The `mode` that it was started with.
    pub execution_mode: Option<String>,
    /// The one issue that it was started for.
    pub specific_issue: Option<IssueId<'static>>,
    /// The number of issues that events name.
    pub total_issues: u64,
    /// How many of them stand where.
    pub issues_by_status: IssuesByStatus,
    /// All pipeline attempts, those without an issue included.
    pub pipeline_attempts: u64,
    /// Those that ended in success.
    pub succeeded_pipelines: u64,
    /// Those that failed or timed out.
    pub failed_pipelines: u64,
    /// `succeeded_pipelines` / `pipeline_attempts`; `None` without attempts.
    pub pipeline_success_rate: Option<Percent>,
    /// Pairs of issue and pipeline name whose first decisive attempt succeeded.
    pub first_pass_pipelines: u64,
    /// Pairs of issue and pipeline name with a decisive attempt.
    pub first_pass_base: u64,
    /// `first_pass_pipelines` / `first_pass_base`; `None` where the base is 0.
    pub first_pass_rate: Option<Percent>,
    /// Debugging cycles of all issues.
    pub debugging_cycles: u64,
    /// Those that ended resolved.
    pub resolved_cycles: u64,
    /// The retries of each agent of any issue, by name.
    pub retries_by_agent: BTreeMap<String, u64>,
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
    /// The errors that name no issue, in log order.
    pub errors: Vec<ErrorDetail>,
    /// What contradicts itself in the run and its issues, in log order.
    pub anomalies: Vec<Anomaly>,
    /// Lines of the log that cannot be trusted.
    pub damaged_lines: u64,
    /// Sound lines that break the rules of their type.
    pub misfit_lines: u64,
    /// How many events of each type that this version does not know.
    pub unknown_types: BTreeMap<String, u64>,
    /// How many entries each list leaves out, where it leaves out any.
    pub omitted: BTreeMap<&'static str, u64>,
}

impl RunState {
    /// Returns the report of the run as far as it is known.
    pub fn run_report(&self) -> RunReport {
        let counts = [
            ("errors", self.errors().count()),
            ("anomalies", self.anomaly_count()),
        ];
        RunReport {
            issues_processed: self.issues_by_appearance().into_iter().cloned().collect(),
            errors: self.errors().values().cloned().collect(),
            anomalies: self.anomaly_list(),
            omitted: omitted(counts),
            ..self.run_numbers()
        }
    }

    /// Returns the report without its lists, which costs the same for any number of issues.
    pub(crate) fn run_numbers(&self) -> RunReport {
        let (share, usage) = (&self.totals.share, &self.totals.usage);
        let start = self.started.as_ref().map(|(.., start)| start);
        let issues_by_status = self.issues_by_status();
        let (total_successes, total_errors) = self.outcomes();
        let ended = issues_by_status.ended();
        RunReport {
            run_id: self.run_id.to_string(),
            project_id: start.map(|start| start.project_id.clone()),
            llm_configuration: start.and_then(|start| start.llm.clone()),
            duration_seconds: self.lasted().micros().map(Seconds::from_micros),
            issues_processed: Vec::new(),
            total_successes,
            total_errors,
            success_rate: rate(total_successes.min(ended), ended),
            status: self.outcome(),
            started_at: self.started_at(),
            ended_at: self.finished.as_ref().and_then(|(_, moment, _)| *moment),
            execution_mode: start.and_then(|start| start.mode.clone()),
            specific_issue: start.and_then(|start| start.specific_issue.clone()),
            total_issues: issues_by_status.total(),
            issues_by_status,
            pipeline_attempts: share.pipeline_attempts,
            succeeded_pipelines: share.succeeded_pipelines,
            failed_pipelines: share.failed_pipelines,
            pipeline_success_rate: rate(share.succeeded_pipelines, share.pipeline_attempts),
            first_pass_pipelines: share.first_pass,
            first_pass_base: share.first_pass_base,
            first_pass_rate: rate(share.first_pass, share.first_pass_base),
            debugging_cycles: share.cycles,
            resolved_cycles: share.resolved_cycles,
            retries_by_agent: self.retries_by_agent.clone(),
            llm_calls: usage.llm_calls,
            tool_calls: usage.tool_calls,
            input_tokens: usage.input_tokens.get(),
            output_tokens: usage.output_tokens.get(),
            cache_read_tokens: usage.cache_read_tokens.get(),
            cache_write_tokens: usage.cache_write_tokens.get(),
            reasoning_tokens: usage.reasoning_tokens.get(),
            cost_usd: usage.cost(),
            calls_without_cost: usage.calls_without_cost,
            errors: Vec::new(),
            anomalies: Vec::new(),
            damaged_lines: self.damaged_lines,
            misfit_lines: self.misfit_lines,
            unknown_types: self.unknown_types.clone(),
            omitted: BTreeMap::new(),
        }
    }

    /// Returns where the run stands.
    pub fn outcome(&self) -> RunOutcome {
        match &self.finished {
            None => RunOutcome::Running,
            Some((.., RunStatus::Completed)) => RunOutcome::Completed,
            Some((.., RunStatus::Failed)) => RunOutcome::Failed,
            Some((.., RunStatus::Stopped)) => RunOutcome::Stopped,
        }
    }

    fn issues_by_status(&self) -> IssuesByStatus {
        let share = &self.totals.share;
        let has_ended = self.has_ended();
        IssuesByStatus {
            completed: share.completed,
            failed: share.failed,
            skipped: share.skipped,
            abandoned: if has_ended { share.open } else { 0 },
            in_progress: if has_ended { 0 } else { share.open },
        }
    }

    /// Returns the successes and errors: as the user scored them, if at all, else of the issues.
    fn outcomes(&self) -> (u64, u64) {
        let scored = (self.scored_successes, self.scored_errors);
        match scored {
            (0, 0) => (self.totals.share.completed, self.totals.share.failed),
            _ => scored,
        }
    }

    fn started_at(&self) -> Moment {
        match &self.started {
            Some((_, moment, _)) => *moment,
            None => self.events.first,
        }
    }

    fn lasted(&self) -> Span {
        let end = match &self.finished {
            Some((_, moment, _)) => *moment,
            None => self.events.last,
        };
        Span::between(self.started_at(), end)
    }

    /// Returns the ids of all issues in the order of their first events.
    pub fn issues_by_appearance(&self) -> Vec<&IssueId<'static>> {
        let mut issues: Vec<_> = self.issues.iter().collect();
        issues.sort_by_key(|(_, issue)| issue.first());
        issues.into_iter().map(|(id, _)| id).collect()
    }

    /// Returns how many anomalies there are in the run and its issues.
    pub(crate) fn anomaly_count(&self) -> u64 {
        let share = &self.totals.share;
        let of_abandoned = if self.has_ended() {
            share.open_cycles_of_open_issues
        } else {
            0
        };
        share.anomalies
            + of_abandoned
            + u64::from(self.ends_before_it_starts())
            + u64::from(self.has_more_successes_than_issues())
    }

    fn ends_before_it_starts(&self) -> bool {
        self.lasted() == Span::Negative
    }

    fn has_more_successes_than_issues(&self) -> bool {
        self.outcomes().0 > self.issues_by_status().ended()
    }

    /// Returns the anomalies in log order; what is no single event's comes last.
    fn anomaly_list(&self) -> Vec<Anomaly> {
        let mut placed: Vec<(Position, Anomaly)> = Vec::new();
        for (id, issue) in self.issues.iter() {
            let has_ended = issue.outcome(self.has_ended()).has_ended();
            if issue.anomaly_count(has_ended) == 0 {
                continue;
            }
            let anomalies = issue.anomaly_list(has_ended).into_iter();
            placed.extend(anomalies.map(|(position, anomaly)| {
                let issue_id = Some(id.clone());
                (
                    position,
                    Anomaly {
                        issue_id,
                        ..anomaly
                    },
                )
            }));
        }
        if let Some((position, moment, _)) = &self.finished
            && self.ends_before_it_starts()
        {
            let anomaly = Anomaly::new(AnomalyKind::RunEndBeforeStart, None, *moment);
            placed.push((position.clone(), anomaly));
        }
        placed.sort_by(|(left, _), (right, _)| left.cmp(right));
        let mut anomalies: Vec<Anomaly> = placed.into_iter().map(|(_, anomaly)| anomaly).collect();
        if self.has_more_successes_than_issues() {
            let kind = AnomalyKind::MoreSuccessesThanIssues;
            anomalies.push(Anomaly::new(kind, None, None));
        }
        anomalies.truncate(DETAILS_MAX);
        anomalies
    }
}

#[cfg(test)]
mod tests;
