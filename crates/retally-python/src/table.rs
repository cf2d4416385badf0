//! Runs and issues as tables, which Python's table libraries take over by columns.
//!
//! The columns bear the names of the reports' keys; what has a name of its own within an object is
//! `object.name`. Lists and what is keyed by agents, tools and the like are not in tables.

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, RecordBatchIterator, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::ArrowError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use retally_log::Timestamp;
use retally_reduce::{IssueReport, RunReport, RunState};
use std::fmt::Display;
use std::sync::Arc;

/// A table in the memory layout of Arrow.
#[pyclass(frozen, module = "retally._retally")]
pub(crate) struct Table(RecordBatch);

#[pymethods]
impl Table {
    /// Returns the table as the Arrow `PyCapsule` interface has it.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The interface leaves it to the producer whether it casts, and consumers check.
        drop(requested_schema);
        let batch = self.0.clone();
        let schema = batch.schema();
        let batches = RecordBatchIterator::new([Ok(batch)], schema);
        let stream = FFI_ArrowArrayStream::new(Box::new(batches));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }

    /// How many rows it has.
    fn __len__(&self) -> usize {
        self.0.num_rows()
    }
}

impl Table {
    /// A row a run.
    pub(crate) fn of_runs(states: &[RunState]) -> Result<Self, ArrowError> {
        let reports: Vec<_> = states.iter().map(RunState::run_report).collect();
        let rows = &Rows(&reports);
        let llm = |run: &RunReport| run.llm_configuration.clone();
        let by_status = |run: &RunReport| run.issues_by_status;
        make([
            rows.text("run_id", |run| Some(run.run_id.clone())),
            rows.text("project_id", |run| run.project_id.clone()),
            rows.text("llm_configuration.provider", |run| llm(run)?.provider),
            rows.text("llm_configuration.model", |run| llm(run)?.model),
            rows.number("llm_configuration.temperature", |run| llm(run)?.temperature),
            rows.number("duration_seconds", |run| run.duration_seconds),
            rows.count("total_successes", |run| Some(run.total_successes)),
            rows.count("total_errors", |run| Some(run.total_errors)),
            rows.number("success_rate", |run| run.success_rate),
            rows.text("status", |run| Some(run.status.as_str().to_owned())),
            rows.time("started_at", |run| run.started_at),
            rows.time("ended_at", |run| run.ended_at),
            rows.text("execution_mode", |run| run.execution_mode.clone()),
            rows.text("specific_issue", |run| {
                Some(run.specific_issue.as_ref()?.as_str().to_owned())
            }),
            rows.count("total_issues", |run| Some(run.total_issues)),
            rows.count("issues_by_status.completed", |run| {
                Some(by_status(run).completed)
            }),
            rows.count("issues_by_status.failed", |run| Some(by_status(run).failed)),
            rows.count("issues_by_status.skipped", |run| {
                Some(by_status(run).skipped)
            }),
            rows.count("issues_by_status.abandoned", |run| {
                Some(by_status(run).abandoned)
            }),
            rows.count("issues_by_status.in_progress", |run| {
                Some(by_status(run).in_progress)
            }),
            rows.count("pipeline_attempts", |run| Some(run.pipeline_attempts)),
            rows.count("succeeded_pipelines", |run| Some(run.succeeded_pipelines)),
            rows.count("failed_pipelines", |run| Some(run.failed_pipelines)),
            rows.number("pipeline_success_rate", |run| run.pipeline_success_rate),
            rows.count("first_pass_pipelines", |run| Some(run.first_pass_pipelines)),
            rows.count("first_pass_base", |run| Some(run.first_pass_base)),
            rows.number("first_pass_rate", |run| run.first_pass_rate),
            rows.count("debugging_cycles", |run| Some(run.debugging_cycles)),
            rows.count("resolved_cycles", |run| Some(run.resolved_cycles)),
            rows.count("llm_calls", |run| Some(run.llm_calls)),
            rows.count("tool_calls", |run| Some(run.tool_calls)),
            rows.count("input_tokens", |run| run.input_tokens),
            rows.count("output_tokens", |run| run.output_tokens),
            rows.count("cache_read_tokens", |run| run.cache_read_tokens),
            rows.count("cache_write_tokens", |run| run.cache_write_tokens),
            rows.count("reasoning_tokens", |run| run.reasoning_tokens),
            rows.number("cost_usd", |run| run.cost_usd),
            rows.count("calls_without_cost", |run| Some(run.calls_without_cost)),
            rows.count("damaged_lines", |run| Some(run.damaged_lines)),
            rows.count("misfit_lines", |run| Some(run.misfit_lines)),
        ])
    }

    /// A row an issue of a run.
    pub(crate) fn of_issues(states: &[RunState]) -> Result<Self, ArrowError> {
        let reports: Vec<_> = states.iter().flat_map(issue_reports).collect();
        let rows = &Rows(&reports);
        make([
            rows.text("run_id", |issue| Some(issue.run_id.clone())),
            rows.text("issue_id", |issue| Some(issue.issue_id.as_str().to_owned())),
            rows.text("title", |issue| issue.title.clone()),
            rows.text("status", |issue| Some(issue.status.as_str().to_owned())),
            rows.number("duration_seconds", |issue| issue.duration_seconds),
            rows.time("started_at", |issue| issue.started_at),
            rows.time("ended_at", |issue| issue.ended_at),
            rows.count("pipeline_attempts", |issue| Some(issue.pipeline_attempts)),
            rows.count("succeeded_pipelines", |issue| {
                Some(issue.succeeded_pipelines)
            }),
            rows.count("failed_pipelines", |issue| Some(issue.failed_pipelines)),
            rows.number("pipeline_success_rate", |issue| issue.pipeline_success_rate),
            rows.count("total_errors", |issue| Some(issue.total_errors)),
            rows.count("debugging_cycles", |issue| Some(issue.debugging_cycles)),
            rows.count("resolved_cycles", |issue| Some(issue.resolved_cycles)),
            rows.number("debugging_success_rate", |issue| {
                issue.debugging_success_rate
            }),
            rows.count("total_agent_retries", |issue| {
                Some(issue.total_agent_retries)
            }),
            rows.flag("first_time_right", |issue| issue.first_time_right),
            rows.count("complexity_score", |issue| Some(issue.complexity_score)),
            rows.count("llm_calls", |issue| Some(issue.llm_calls)),
            rows.count("tool_calls", |issue| Some(issue.tool_calls)),
            rows.count("input_tokens", |issue| issue.input_tokens),
            rows.count("output_tokens", |issue| issue.output_tokens),
            rows.count("cache_read_tokens", |issue| issue.cache_read_tokens),
            rows.count("cache_write_tokens", |issue| issue.cache_write_tokens),
            rows.count("reasoning_tokens", |issue| issue.reasoning_tokens),
            rows.number("cost_usd", |issue| issue.cost_usd),
            rows.count("calls_without_cost", |issue| Some(issue.calls_without_cost)),
            rows.count("code.files_created", |issue| Some(issue.code.files_created)),
            rows.count("code.files_modified", |issue| {
                Some(issue.code.files_modified)
            }),
            rows.count("code.files_deleted", |issue| Some(issue.code.files_deleted)),
            rows.count("code.lines_added", |issue| Some(issue.code.lines_added)),
            rows.count("code.lines_deleted", |issue| Some(issue.code.lines_deleted)),
            rows.count("code.commits", |issue| Some(issue.code.commits)),
            rows.number("code.test_coverage_percent", |issue| {
                issue.code.test_coverage_percent
            }),
        ])
    }
}

fn issue_reports(state: &RunState) -> impl Iterator<Item = IssueReport> {
    let issues = state.issues_by_appearance();
    issues.into_iter().filter_map(|id| state.issue_report(id))
}

type Column = (&'static str, ArrayRef);

fn make(columns: impl IntoIterator<Item = Column>) -> Result<Table, ArrowError> {
    // All may be absent: which columns there are does not depend on what stands in them.
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    Ok(Table(RecordBatch::try_from_iter_with_nullable(columns)?))
}

/// The reports of which columns are made.
struct Rows<'r, R>(&'r [R]);

impl<R> Rows<'_, R> {
    fn text(&self, name: &'static str, value: impl Fn(&R) -> Option<String>) -> Column {
        let texts: StringArray = self.0.iter().map(value).collect();
        (name, Arc::new(texts))
    }

    /// A count beyond 64 bits is absent.
    fn count<T: TryInto<u64>>(
        &self,
        name: &'static str,
        value: impl Fn(&R) -> Option<T>,
    ) -> Column {
        let count = |row: &R| value(row)?.try_into().ok();
        let counts: UInt64Array = self.0.iter().map(count).collect();
        (name, Arc::new(counts))
    }

    /// The float nearest to the number as it stands in the report.
    fn number<T: Display>(&self, name: &'static str, value: impl Fn(&R) -> Option<T>) -> Column {
        let number = |row: &R| {
            value(row)?
                .to_string()
                .parse()
                .ok()
                .filter(|it: &f64| it.is_finite())
        };
        let numbers: Float64Array = self.0.iter().map(number).collect();
        (name, Arc::new(numbers))
    }

    fn flag(&self, name: &'static str, value: impl Fn(&R) -> Option<bool>) -> Column {
        let flags: BooleanArray = self.0.iter().map(value).collect();
        (name, Arc::new(flags))
    }

    fn time(&self, name: &'static str, value: impl Fn(&R) -> Option<Timestamp>) -> Column {
        let micros = |row: &R| value(row).map(Timestamp::as_micros);
        let times: TimestampMicrosecondArray = self.0.iter().map(micros).collect();
        (name, Arc::new(times.with_timezone("UTC")))
    }
}
