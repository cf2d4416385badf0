"""The reports as they stand in their files; docs/metrics.md explains each key.

Times are RFC 3339 in UTC, rates percent with two decimals at most, costs USD. `None` is what is
not known.
"""

from __future__ import annotations

from typing import Any, TypedDict


class LlmConfiguration(TypedDict):
    """The language model that a run was started with."""

    provider: str | None
    model: str | None
    temperature: float | None


class IssuesByStatus(TypedDict):
    """How many issues stand where."""

    completed: int
    failed: int
    skipped: int
    abandoned: int
    in_progress: int


class AgentMetrics(TypedDict):
    """What an agent did at an issue; `duration` is seconds."""

    attempts: int
    successes: int
    failures: int
    retries: int
    duration: float


class ToolMetrics(TypedDict):
    """How a tool was called."""

    calls: int
    successes: int
    failures: int
    duration_seconds: float | None


class CodeMetrics(TypedDict):
    """What was changed in the code."""

    files_created: int
    files_modified: int
    files_deleted: int
    lines_added: int
    lines_deleted: int
    commits: int
    test_coverage_percent: float | None


class _Pipelines(TypedDict):
    pipeline_attempts: int
    succeeded_pipelines: int
    failed_pipelines: int
    pipeline_success_rate: float | None


class _Usage(TypedDict):
    llm_calls: int
    tool_calls: int
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    calls_without_cost: int


class IssueReport(_Pipelines, _Usage):
    """What was done on an issue."""

    issue_id: int | str
    status: str
    duration_seconds: float | None
    agent_metrics: dict[str, AgentMetrics]
    total_errors: int
    debugging_cycles: int
    resolved_cycles: int
    debugging_success_rate: float | None
    debugging_details: list[dict[str, Any]]
    pipeline_details: list[dict[str, Any]]
    run_id: str
    title: str | None
    started_at: str | None
    ended_at: str | None
    total_agent_retries: int
    first_time_right: bool | None
    complexity_score: int
    tools: dict[str, ToolMetrics]
    code: CodeMetrics
    errors: list[dict[str, Any]]
    notes: list[dict[str, Any]]
    anomalies: list[dict[str, Any]]
    omitted: dict[str, int]


class _Run(_Pipelines, _Usage):
    run_id: str
    project_id: str | None
    llm_configuration: LlmConfiguration | None
    duration_seconds: float | None
    total_successes: int
    total_errors: int
    success_rate: float | None
    status: str
    started_at: str | None
    ended_at: str | None
    execution_mode: str | None
    specific_issue: int | str | None
    total_issues: int
    issues_by_status: IssuesByStatus
    first_pass_pipelines: int
    first_pass_base: int
    first_pass_rate: float | None
    debugging_cycles: int
    resolved_cycles: int
    retries_by_agent: dict[str, int]
    damaged_lines: int
    misfit_lines: int
    unknown_types: dict[str, int]


class RunReport(_Run):
    """What a run amounts to."""

    issues_processed: list[int | str]
    errors: list[dict[str, Any]]
    anomalies: list[dict[str, Any]]
    omitted: dict[str, int]


class RunMetadata(_Run):
    """What a run was started with, and where it stands."""

    config: dict[str, Any]
    tags: dict[str, str]
    errors: int
    anomalies: int
    unknown_fields: int
    reducer_version: int
    price_book: str
