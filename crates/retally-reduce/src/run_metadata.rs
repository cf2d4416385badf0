//! What is reported of a run while it goes on.

use crate::quantity::{Percent, Seconds, Usd};
#[cfg(doc)]
use crate::run_report::RunReport;
use crate::run_report::{IssuesByStatus, RunOutcome};
use crate::run_start::LlmConfiguration;
use crate::run_state::{REDUCER_VERSION, RunState};
use retally_log::{IssueId, Object, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

/// The content of `<run>_metadata.json`; `docs/metrics.md` explains each number. The fields are in
/// the order of the file; those that [`RunReport`] has too mean the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunMetadata {
    /// The run.
    pub run_id: String,
    /// The project; `None` without a `run.started`.
    pub project_id: Option<String>,
    /// The language model; `None` where none was stated.
    pub llm_configuration: Option<LlmConfiguration>,
    /// Where the run stands.
    pub status: RunOutcome,
    /// When it was started, else its first event.
    pub started_at: Option<Timestamp>,
    /// When it ended; `None` while it runs.
    pub ended_at: Option<Timestamp>,
    /// How long it lasted, while it runs up to its last event.
    pub duration_seconds: Option<Seconds>,
    /// The `mode` that it was started with.
    pub execution_mode: Option<String>,
    /// The one issue that it was started for.
    pub specific_issue: Option<IssueId<'static>>,
    /// What else it was configured with, keys sorted, numbers as they stood.
    pub config: Object,
    /// Names and values to group runs by.
    pub tags: BTreeMap<String, String>,
    /// The number of issues that events name.
    pub total_issues: u64,
    /// How many of them stand where.
    pub issues_by_status: IssuesByStatus,
    /// See [`RunReport::total_successes`].
    pub total_successes: u64,
    /// See [`RunReport::total_errors`].
    pub total_errors: u64,
    /// See [`RunReport::success_rate`].
    pub success_rate: Option<Percent>,
    /// See [`RunReport::pipeline_attempts`].
    pub pipeline_attempts: u64,
    /// See [`RunReport::succeeded_pipelines`].
    pub succeeded_pipelines: u64,
    /// See [`RunReport::failed_pipelines`].
    pub failed_pipelines: u64,
    /// See [`RunReport::pipeline_success_rate`].
    pub pipeline_success_rate: Option<Percent>,
    /// See [`RunReport::first_pass_pipelines`].
    pub first_pass_pipelines: u64,
    /// See [`RunReport::first_pass_base`].
    pub first_pass_base: u64,
    /// See [`RunReport::first_pass_rate`].
    pub first_pass_rate: Option<Percent>,
    /// See [`RunReport::debugging_cycles`].
    pub debugging_cycles: u64,
    /// See [`RunReport::resolved_cycles`].
    pub resolved_cycles: u64,
    /// See [`RunReport::retries_by_agent`].
    pub retries_by_agent: BTreeMap<String, u64>,
    /// See [`RunReport::llm_calls`].
    pub llm_calls: u128,
    /// See [`RunReport::tool_calls`].
    pub tool_calls: u128,
    /// See [`RunReport::input_tokens`].
    pub input_tokens: Option<u128>,
    /// See [`RunReport::output_tokens`].
    pub output_tokens: Option<u128>,
    /// See [`RunReport::cache_read_tokens`].
    pub cache_read_tokens: Option<u128>,
    /// See [`RunReport::cache_write_tokens`].
    pub cache_write_tokens: Option<u128>,
    /// See [`RunReport::reasoning_tokens`].
    pub reasoning_tokens: Option<u128>,
    /// See [`RunReport::cost_usd`].
    pub cost_usd: Option<Usd>,
    /// See [`RunReport::calls_without_cost`].
    pub calls_without_cost: u128,
    /// How many errors name no issue.
    pub errors: u64,
    /// How many anomalies there are in the run and its issues.
    pub anomalies: u64,
    /// Lines of the log that cannot be trusted.
    pub damaged_lines: u64,
    /// Sound lines that break the rules of their type.
    pub misfit_lines: u64,
    /// How many events of each type that this version does not know.
    pub unknown_types: BTreeMap<String, u64>,
    /// How many fields stand in events of known types that do not have them.
    pub unknown_fields: u64,
    /// Which version of the fold computed the reports.
    pub reducer_version: u64,
    /// The digest of the price book that priced the calls: SHA-256, hexadecimal.
    pub price_book: String,
}

impl RunState {
    /// Returns the metadata of the run, which costs the same for any number of issues.
    pub fn metadata(&self) -> RunMetadata {
        let start = self.started.as_ref().map(|(.., start)| start);
        let numbers = self.run_numbers();
        RunMetadata {
            run_id: numbers.run_id,
            project_id: numbers.project_id,
            llm_configuration: numbers.llm_configuration,
            status: numbers.status,
            started_at: numbers.started_at,
            ended_at: numbers.ended_at,
            duration_seconds: numbers.duration_seconds,
            execution_mode: numbers.execution_mode,
            specific_issue: numbers.specific_issue,
            config: start.map(|start| start.config.clone()).unwrap_or_default(),
            tags: start.map(|start| start.tags.clone()).unwrap_or_default(),
            total_issues: numbers.total_issues,
            issues_by_status: numbers.issues_by_status,
            total_successes: numbers.total_successes,
            total_errors: numbers.total_errors,
            success_rate: numbers.success_rate,
            pipeline_attempts: numbers.pipeline_attempts,
            succeeded_pipelines: numbers.succeeded_pipelines,
            failed_pipelines: numbers.failed_pipelines,
            pipeline_success_rate: numbers.pipeline_success_rate,
            first_pass_pipelines: numbers.first_pass_pipelines,
            first_pass_base: numbers.first_pass_base,
            first_pass_rate: numbers.first_pass_rate,
            debugging_cycles: numbers.debugging_cycles,
            resolved_cycles: numbers.resolved_cycles,
            retries_by_agent: numbers.retries_by_agent,
            llm_calls: numbers.llm_calls,
            tool_calls: numbers.tool_calls,
            input_tokens: numbers.input_tokens,
            output_tokens: numbers.output_tokens,
            cache_read_tokens: numbers.cache_read_tokens,
            cache_write_tokens: numbers.cache_write_tokens,
            reasoning_tokens: numbers.reasoning_tokens,
            cost_usd: numbers.cost_usd,
            calls_without_cost: numbers.calls_without_cost,
            errors: self.errors().count(),
            anomalies: self.anomaly_count(),
            damaged_lines: numbers.damaged_lines,
            misfit_lines: numbers.misfit_lines,
            unknown_types: numbers.unknown_types,
            unknown_fields: self.unknown_fields,
            reducer_version: REDUCER_VERSION,
            price_book: self.prices.digest().to_owned(),
        }
    }
}
