from __future__ import annotations

import datetime
import decimal
import json
import os
from collections.abc import Collection
from types import TracebackType
from typing import Any

from . import _current, _run
from ._plain import exception_text
from ._retally import Log, event_json
from ._run import Clock, LogStats


class IssueTracker:
    """Tracks the work on one issue of a run.

    As a context manager, plain or asynchronous, it ends the issue: as completed, or as failed with
    the error where an exception left the block, and ends before it what was left open.
    """

    def __init__(
        self,
        run_id: str,
        issue_id: object = None,
        *,
        issue_iid: object = None,
        title: str | None = None,
        root: str | os.PathLike[str] | None = None,
        clock: Clock | None = None,
        strict: bool | None = None,
        verbose: bool | None = None,
        redact: bool | None = None,
        durability: str | None = None,
        live: bool | None = None,
    ) -> None:
        """Begin the work on an issue, or go on with it.

        The run may have been started anywhere; where this process started it, the options of its
        `RunLogger` hold for what is not given here. `issue_iid` is another name of `issue_id`.

        Raises `TypeError` without an issue, and `RunIdError` if `run_id` is none.
        """
        issue = issue_iid if issue_id is None else issue_id
        if issue is None:
            raise TypeError("an IssueTracker needs an `issue_id`")
        Log.check_id(run_id)
        given = {
            "clock": clock,
            "strict": strict,
            "verbose": verbose,
            "redact": redact,
            "durability": durability,
            "live": live,
        }
        given = {name: value for name, value in given.items() if value is not None}
        self._begin(_run.go_on(_run.root_path(root), run_id, given), issue, title)

    @classmethod
    def _of(cls, run: _run.Run, issue: object, title: str | None) -> IssueTracker:
        tracker = cls.__new__(cls)
        tracker._begin(run, issue, title)
        return tracker

    def _begin(self, run: _run.Run, issue: object, title: str | None) -> None:
        self._run = run
        self.issue_id = issue
        self._open_agents: list[tuple[str, str | None]] = []
        self._open_cycles: list[tuple[str, str | None]] = []
        self._is_finished = False
        self._blocks: list[_current.Block[IssueTracker]] = []
        self._run.append("issue.started", {"issue": self.issue_id, "title": title})

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._run.run_id

    @property
    def stats(self) -> LogStats:
        """What became of the events that this process logged to the run."""
        return self._run.stats

    def start_agent(self, agent: str, *, span: str | None = None) -> None:
        """Record that an agent started an attempt. `span` pairs it with its end, which is needed
        only where one agent is at work several times at once."""
        self._open_agents.append((agent, span))
        self._run.append("agent.started", {"issue": self.issue_id, "agent": agent, "span": span})

    def end_agent(
        self, agent: str, success: bool, *, error: object = None, span: str | None = None
    ) -> None:
        """Record how an agent's attempt ended, and why it did not succeed."""
        _take_last(self._open_agents, agent, span)
        self._run.append(
            "agent.finished",
            {
                "issue": self.issue_id,
                "agent": agent,
                "span": span,
                "success": success,
                "error": error,
            },
        )

    def agent(self, agent: str) -> AgentAttempt:
        """Return a context manager in which an agent is at work: it succeeds unless an exception
        leaves the block."""
        return AgentAttempt(self, agent)

    def record_pipeline_attempt(
        self,
        pipeline_id: object,
        status: str,
        commit_sha: str | None = None,
        *,
        name: str | None = None,
        ref: str | None = None,
        attempt: int | None = None,
        started_at: datetime.datetime | str | float | None = None,
        triggered_by: str | None = None,
        failed_jobs: Collection[str] | None = None,
        error_type: str | None = None,
        queue_ms: float | datetime.timedelta | None = None,
        duration_ms: float | datetime.timedelta | None = None,
        url: str | None = None,
    ) -> None:
        """Record that a pipeline was seen in a status, as often as you like."""
        self._run.append(
            "pipeline.recorded",
            {
                "issue": self.issue_id,
                "pipeline_id": pipeline_id,
                "status": status,
                "commit_sha": commit_sha,
                "name": name,
                "ref": ref,
                "attempt": attempt,
                "started_at": started_at,
                "triggered_by": triggered_by,
                "failed_jobs": failed_jobs,
                "error_type": error_type,
                "queue_ms": queue_ms,
                "duration_ms": duration_ms,
                "url": url,
            },
        )

    def start_debugging_cycle(
        self, agent: str, error_type: str, error_message: str = "", *, span: str | None = None
    ) -> None:
        """Record that an agent has to rework because of an error."""
        self._open_cycles.append((agent, span))
        self._run.append(
            "debug.started",
            {
                "issue": self.issue_id,
                "agent": agent,
                "error_type": error_type,
                "error_message": error_message,
                "span": span,
            },
        )

    def record_debug_attempt(self, agent: str | None = None, *, span: str | None = None) -> None:
        """Record an attempt at a fix, in the newest open cycle (of the agent, or of the span)."""
        self._run.append("debug.attempted", {"issue": self.issue_id, "agent": agent, "span": span})

    def end_debugging_cycle(
        self,
        resolved: bool,
        resolution_method: str | None = None,
        *,
        agent: str | None = None,
        span: str | None = None,
    ) -> None:
        """Record that the newest open cycle ended, and whether the error is gone."""
        _take_last(self._open_cycles, agent, span)
        self._run.append(
            "debug.finished",
            {
                "issue": self.issue_id,
                "agent": agent,
                "span": span,
                "resolved": resolved,
                "resolution_method": resolution_method,
            },
        )

    def record_llm_call(
        self,
        model: str,
        *,
        provider: str | None = None,
        agent: str | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cache_read_tokens: int | None = None,
        cache_write_tokens: int | None = None,
        reasoning_tokens: int | None = None,
        cost_usd: float | decimal.Decimal | str | None = None,
        duration_ms: float | datetime.timedelta | None = None,
        success: bool | None = None,
        error: object = None,
        calls: int | None = None,
    ) -> None:
        """Record a call of a language model, or `calls` of them. Input tokens include cached ones,
        output tokens those spent on reasoning."""
        self._run.append(
            "llm.called",
            {
                "issue": self.issue_id,
                "agent": agent,
                "provider": provider,
                "model": model,
                "input_tokens": input_tokens,
                "output_tokens": output_tokens,
                "cache_read_tokens": cache_read_tokens,
                "cache_write_tokens": cache_write_tokens,
                "reasoning_tokens": reasoning_tokens,
                "cost_usd": cost_usd,
                "duration_ms": duration_ms,
                "success": success,
                "error": error,
                "calls": calls,
            },
        )

    def record_tool_call(
        self,
        tool: str,
        *,
        agent: str | None = None,
        success: bool | None = None,
        duration_ms: float | datetime.timedelta | None = None,
        error: object = None,
        calls: int | None = None,
    ) -> None:
        """Record a call of a tool, or `calls` of them."""
        self._run.append(
            "tool.called",
            {
                "issue": self.issue_id,
                "agent": agent,
                "tool": tool,
                "success": success,
                "duration_ms": duration_ms,
                "error": error,
                "calls": calls,
            },
        )

    def record_code_change(
        self,
        *,
        agent: str | None = None,
        files_created: int | None = None,
        files_modified: int | None = None,
        files_deleted: int | None = None,
        lines_added: int | None = None,
        lines_deleted: int | None = None,
        commits: int | None = None,
        test_coverage_percent: float | None = None,
    ) -> None:
        """Record what changed in the code; reports add it up."""
        self._run.append(
            "code.changed",
            {
                "issue": self.issue_id,
                "agent": agent,
                "files_created": files_created,
                "files_modified": files_modified,
                "files_deleted": files_deleted,
                "lines_added": lines_added,
                "lines_deleted": lines_deleted,
                "commits": commits,
                "test_coverage_percent": test_coverage_percent,
            },
        )

    def record_error(
        self,
        error_type: str,
        message: object = "",
        *,
        agent: str | None = None,
        severity: str | None = None,
    ) -> None:
        """Record an error that made no debugging cycle."""
        self._run.append(
            "error.recorded",
            {
                "issue": self.issue_id,
                "agent": agent,
                "error_type": error_type,
                "message": message,
                "severity": severity,
            },
        )

    def note(self, text: str, *, agent: str | None = None) -> None:
        """Add a note to the issue."""
        self._run.append("note.added", {"issue": self.issue_id, "text": text, "agent": agent})

    def event(self, type: str, /, **fields: Any) -> None:
        """Append an event of any type that names the issue."""
        self._run.append(type, {"issue": self.issue_id, **fields})

    def get_report(self) -> dict[str, Any]:
        """Return the issue's report as it is now. Without a log: only what is known here."""
        # The report is the same however the issue was named, so its text is enough.
        report = self._run.issue_report(_issue_text(self.issue_id))
        return report or {"issue_id": self.issue_id, "run_id": self.run_id}

    def finalize_issue(self, status: str = "completed") -> dict[str, Any]:
        """End the issue as `completed`, `failed` or `skipped`, and return its report.

        When it returns, the report files are written.
        """
        self._is_finished = True
        self._run.append("issue.finished", {"issue": self.issue_id, "status": status})
        self._run.update_reports()
        self._run.say(f"issue {self.issue_id} {status}")
        return self.get_report()

    def __enter__(self) -> IssueTracker:
        self._blocks.append(_current.issue.begin(self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._blocks:
            _current.issue.end(self._blocks.pop())
        if isinstance(error, SystemExit) and error.code in (None, 0):
            error = None
        if error is not None:
            self._close_open(error)
            if self._run.is_news(error):
                self.record_error(type(error).__name__, exception_text(error))
        if not self._is_finished:
            self.finalize_issue("completed" if error is None else "failed")

    def _close_open(self, error: BaseException) -> None:
        """End what the exception left open, the innermost first."""
        for agent, span in reversed(self._open_cycles[:]):
            self.end_debugging_cycle(False, agent=agent, span=span)
        for agent, span in reversed(self._open_agents[:]):
            self.end_agent(agent, False, error=exception_text(error), span=span)

    async def __aenter__(self) -> IssueTracker:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __repr__(self) -> str:
        return f"<IssueTracker {self.issue_id} of {self.run_id}>"


class AgentAttempt:
    """An attempt of an agent, as long as its block lasts. Several of one agent may overlap."""

    def __init__(self, tracker: IssueTracker, agent: str) -> None:
        self._tracker = tracker
        self._agent = agent
        self._span: str | None = None
        self._block: _current.Block[str] | None = None

    def __enter__(self) -> AgentAttempt:
        self._block = _current.agent.begin(self._agent)
        self._span = self._tracker._run.new_span()
        self._tracker.start_agent(self._agent, span=self._span)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._block is not None:
            _current.agent.end(self._block)
        text = None if error is None else exception_text(error)
        self._tracker.end_agent(self._agent, error is None, error=text, span=self._span)

    async def __aenter__(self) -> AgentAttempt:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


def _take_last(open_ones: list[tuple[str, str | None]], agent: str | None, span: str | None) -> None:
    """Remove the newest that is meant, where one is."""
    for opened in reversed(open_ones):
        if (span is not None and opened[1] == span) or (
            span is None and agent in (None, opened[0])
        ):
            try:
                open_ones.remove(opened)
            except ValueError:
                pass  # Another thread was faster.
            return


def _issue_text(issue: object) -> str:
    """Return the text by which the log knows an issue."""
    event = json.loads(event_json("issue.started", {"issue": issue}))
    return str(event.get("issue", ""))
