"""What all adapters share: which agent works on which issue, how long it took, how it ended."""

from __future__ import annotations

import datetime
import functools
import logging
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from .._issue_tracker import IssueTracker
from .._plain import exception_text
from .._retally import event_json
from .._run_logger import RunLogger

M = TypeVar("M", bound=Callable[..., None])

_logger = logging.getLogger("retally")

ISSUE_KEY = "retally_issue"
"""The key of a framework's metadata that names the issue where the adapter has a `RunLogger`."""

# Spans that began and did not end, such as those of abandoned streams: beyond so many, the oldest
# is forgotten.
_OPEN_SPANS_MAX = 65_536


@dataclass(slots=True)
class Span:
    """What a framework began, and everything below it belongs to."""

    agent: str | None
    """The agent at work: the span's own, else that of the nearest span around it."""
    issue: object
    """The issue that the span names, else the nearest span around it. Only of a `RunLogger`."""
    seconds: float
    """When it began, by a clock of no known origin."""
    pair: str | None = None
    """Pairs start and end in the log where the span is an attempt of the agent."""
    model: str | None = None
    """The model that is called, where that is known at the beginning."""
    provider: str | None = None
    """The provider of the model."""
    tool: str | None = None
    """The tool that is called."""
    is_within_call: bool = False
    """Whether a call of a model is around it, and neither an agent nor a tool in between: a model's
    call within another's is the same one, which a framework and its client both report."""


class Recorder:
    """Records what happens within spans, which are known by the framework's own ids.

    Any thread may begin and end them, in any order. Of an id that is not known, or not any more,
    nothing is inherited and no duration is known.
    """

    def __init__(self, target: IssueTracker | RunLogger, agent: str | None = None) -> None:
        """Record for the issue of an `IssueTracker`, or for the issues that spans name in the run
        of a `RunLogger`. `agent` is who calls where no span says it."""
        if not isinstance(target, (IssueTracker, RunLogger)):
            kind = type(target).__name__
            raise TypeError(f"an adapter needs an `IssueTracker` or a `RunLogger` (got `{kind}`)")
        self._tracker = target if isinstance(target, IssueTracker) else None
        self._run = target._run
        self._agent = agent
        self._spans: dict[Hashable, Span] = {}
        self._is_warned = False

    @property
    def is_strict(self) -> bool:
        """Whether errors are raised."""
        return self._run.options.strict

    def span(self, key: Hashable) -> Span:
        """Return an open span; one that is not known inherits nothing."""
        return self._spans.get(key) or Span(self._agent, None, self._now())

    def begin(
        self,
        key: Hashable,
        parent: Hashable = None,
        *,
        agent: str | None = None,
        issue: object = None,
        model: str | None = None,
        provider: str | None = None,
        tool: str | None = None,
        began_seconds: float | None = None,
    ) -> Span:
        """Begin a span: an attempt of `agent`, or a call of `model` or `tool`, where one is named.

        `began_seconds`, since 1970, is when an attempt began that is known only now.
        """
        around = self.span(parent)
        issue = around.issue if issue is None else issue
        span = Span(agent or around.agent, issue, self._now(), None, model, provider, tool)
        is_call_around = around.model is not None or around.is_within_call
        span.is_within_call = is_call_around and not agent and span.tool is None
        while len(self._spans) >= _OPEN_SPANS_MAX:
            self._spans.pop(next(iter(self._spans)), None)
        self._spans[key] = span
        if agent:
            self._start_agent(agent, span, began_seconds)
        return span

    def is_open(self, key: Hashable) -> bool:
        """Whether a span began and did not end."""
        return key in self._spans

    def end(self, key: Hashable, success: bool | None = True, error: object = None) -> Span | None:
        """End a span and, if it is one, the agent's attempt; return it if it was open.

        An attempt that neither succeeded nor failed, such as one that waits for an answer of a
        person, ends as a success: nothing says otherwise.
        """
        span = self._spans.pop(key, None)
        if span is None or span.pair is None:
            return span
        fields = {"success": success is not False, "error": error, "span": span.pair}
        if self._tracker is not None:
            self._tracker.end_agent(span.agent or "", **fields)  # type: ignore[arg-type]
        else:
            self.append("agent.finished", span.issue, {"agent": span.agent, **fields})
        return span

    def _start_agent(self, agent: str, span: Span, began_seconds: float | None) -> None:
        if self._tracker is None and span.issue is None:
            return  # An attempt belongs to an issue; without one only calls can be recorded.
        span.pair = self._run.new_span()
        fields = {"agent": agent, "span": span.pair}
        if self._tracker is not None:
            # So that an exception that leaves the issue's block ends the attempt.
            self._tracker._open_agents.append((agent, span.pair))
        if began_seconds is None or self._run.options.clock is not None:
            self.append("agent.started", span.issue, fields)
        else:
            self.append_at("agent.started", span.issue, fields, int(began_seconds * 1e9))

    def duration_ms(self, span: Span) -> float:
        """Return how long it is since a span began."""
        return (self._now() - span.seconds) * 1000

    def llm_call(self, span: Span, model: object, **fields: Any) -> None:
        """Record a call of a model within a span."""
        self.call("llm.called", span, {"model": model or "unknown", **fields})

    def tool_call(self, span: Span, tool: object, **fields: Any) -> None:
        """Record a call of a tool within a span."""
        self.call("tool.called", span, {"tool": tool or "unknown", **fields})

    def call(self, type_name: str, span: Span, fields: dict[str, Any]) -> None:
        """Record a call, by the span's agent unless the fields name another."""
        if not (type_name == "llm.called" and span.is_within_call):
            self.append(type_name, span.issue, {"agent": span.agent, **fields})

    def append(self, type_name: str, issue: object, fields: dict[str, Any]) -> None:
        """Append an event, of the tracker's issue where there is one."""
        self._run.append(type_name, self._with_issue(issue, fields))

    def append_at(
        self, type_name: str, issue: object, fields: dict[str, Any], nanoseconds: int
    ) -> None:
        """Append an event that happened at a time since 1970."""
        fields = self._with_issue(issue, fields)
        if fields["issue"] is None and type_name.startswith("agent."):
            return
        run = self._run
        if run.log is not None and not run._pending:
            try:
                run.log.append_given(event_json(type_name, fields, nanoseconds // 1000))
                run._written += 1
                run._is_changed = True
                return
            except Exception:
                pass  # The run fails likewise, tells it, and keeps the event, if without its time.
        run.append(type_name, fields)

    def _with_issue(self, issue: object, fields: dict[str, Any]) -> dict[str, Any]:
        return {"issue": issue if self._tracker is None else self._tracker.issue_id, **fields}

    def _now(self) -> float:
        """Return seconds, by the run's own clock where it has one."""
        clock = self._run.options.clock
        if clock is None:
            return time.perf_counter()
        now = clock()
        return now.timestamp() if isinstance(now, datetime.datetime) else float(now)

    def failed(self, error: Exception) -> None:
        """Tell the first fault of the adapter, or raise it where the run is strict."""
        if self.is_strict:
            raise error
        if not self._is_warned:
            self._is_warned = True
            text = exception_text(error)
            _logger.warning("run %s: an adapter lost events: %s", self._run.run_id, text)


def never_in_the_way(method: M) -> M:
    """Keep what goes wrong in a method of an adapter, which has a `_recorder`, to itself."""

    @functools.wraps(method)
    def guarded(self: Any, /, *args: Any, **kwargs: Any) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self._recorder.failed(error)

    return cast(M, guarded)


def outcome(error: BaseException | None) -> tuple[bool | None, str | None]:
    """Return whether something succeeded, `None` where it was only left, and the error's text."""
    if error is None:
        return True, None
    # Closing a stream early, and LangGraph's interrupts and jumps to other agents, are no failures.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"GeneratorExit", "GraphBubbleUp"}:
        return None, None
    return False, exception_text(error)


def member(value: object, *names: str) -> Any:
    """Return what stands in nested mappings or objects under names, `None` where something lacks."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return value
