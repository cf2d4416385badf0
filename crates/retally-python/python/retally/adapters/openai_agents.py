"""The OpenAI Agents SDK, through a tracing processor."""

from __future__ import annotations

from typing import Any

from agents.tracing import Span, Trace, TracingProcessor

from .._issue_tracker import IssueTracker
from .._run_logger import RunLogger
from ._recorder import ISSUE_KEY, Recorder, member, never_in_the_way


class RetallyTracingProcessor(TracingProcessor):
    """Records calls of models and tools, and the attempts of agents.

    `agents.add_trace_processor(processor)` lets it see every run of the process, beside the SDK's
    own export; `agents.set_trace_processors([processor])` instead of that. With a `RunLogger`, the
    issue is `RunConfig(trace_metadata={"retally_issue": 123})` or the metadata of `trace()`.
    """

    def __init__(
        self,
        target: IssueTracker | RunLogger,
        *,
        agent: str | None = None,
        provider: str | None = None,
    ) -> None:
        """Record for an issue or a run.

        `agent` is who calls outside of any agent, `provider` whose models are called: the SDK does
        not say it.
        """
        self._recorder = Recorder(target, agent)
        self._provider = provider

    @never_in_the_way
    def on_span_start(self, span: Span[Any]) -> None:
        """Begin a span, an attempt where it is an agent's."""
        data = span.span_data
        is_agent = data.type == "agent"
        self._recorder.begin(
            span.span_id,
            span.parent_id,
            agent=data.name if is_agent else None,
            issue=member(span.trace_metadata, ISSUE_KEY),
        )

    @never_in_the_way
    def on_span_end(self, span: Span[Any]) -> None:
        """End a span, and record what it called."""
        data = span.span_data
        error = _error_text(span.error)
        known = self._recorder.end(span.span_id, error is None, error)
        if known is None:
            return
        ended = {"duration_ms": self._recorder.duration_ms(known), "success": error is None}
        if data.type == "function":
            self._recorder.tool_call(known, data.name, **ended, error=error)
        elif data.type in ("generation", "response"):
            response = member(data, "response")
            model = member(data, "model") or member(response, "model")
            self._recorder.llm_call(
                known,
                model,
                provider=self._provider,
                **_tokens(member(data, "usage")),
                **ended,
                error=error,
            )

    def on_trace_start(self, trace: Trace) -> None:
        """Record nothing: spans say which trace they are of."""

    def on_trace_end(self, trace: Trace) -> None:
        """Record nothing: the issue goes on after a trace."""

    def shutdown(self) -> None:
        """Do nothing: every event is in the log when its call returns."""

    def force_flush(self) -> None:
        """Do nothing, for the same reason."""


def _error_text(error: Any) -> str | None:
    """Return what a span's error says, with what its data says about the cause."""
    if error is None:
        return None
    cause = member(error, "data", "error") or member(error, "data", "message")
    name = member(error, "data", "name")
    said = [member(error, "message"), name, cause]
    return ": ".join(str(text) for text in said if text)


def _tokens(usage: Any) -> dict[str, Any]:
    """Return the counts of a call. Input includes cached tokens, output those of reasoning."""
    return {
        "input_tokens": member(usage, "input_tokens"),
        "output_tokens": member(usage, "output_tokens"),
        "cache_read_tokens": member(usage, "input_tokens_details", "cached_tokens"),
        "cache_write_tokens": member(usage, "input_tokens_details", "cache_write_tokens"),
        "reasoning_tokens": member(usage, "output_tokens_details", "reasoning_tokens"),
    }
