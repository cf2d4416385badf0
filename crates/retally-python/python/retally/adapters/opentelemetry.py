"""PydanticAI, and all else that tells OpenTelemetry what it does by the GenAI conventions.

A processor of spans records while they are open, and knows what is around them; an exporter takes
them when they ended, where nothing but an exporter fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

from .._issue_tracker import IssueTracker
from .._run_logger import RunLogger
from ._recorder import Recorder, never_in_the_way

ISSUE_ATTRIBUTE = "retally.issue"
"""The attribute that names the issue of a span, and of all within it, for a `RunLogger`."""

_MODEL_OPERATIONS = {"chat", "text_completion", "generate_content", "embeddings"}

# Where a field stands: by the conventions of today, by those of earlier versions, and as widespread
# instrumentations say what the conventions had no name for. The first that is there counts.
_PROVIDER = ("gen_ai.provider.name", "gen_ai.system")
_MODEL = ("gen_ai.response.model", "gen_ai.request.model")
_LLM_FIELDS = {
    "provider": _PROVIDER,
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
    ),
    "cost_usd": ("operation.cost",),
}


class RetallySpanProcessor(SpanProcessor):
    """Records calls of models and tools when they end, and attempts of agents as they go on.

    `TracerProvider.add_span_processor(processor)` lets it see all spans. With a `RunLogger`, the
    issue is the attribute `retally.issue` of a span around, given when the span starts.
    """

    def __init__(self, target: IssueTracker | RunLogger, *, agent: str | None = None) -> None:
        """Record for an issue or a run. `agent` is who calls outside of any agent."""
        self._recorder = Recorder(target, agent)

    @never_in_the_way
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Begin a span, an attempt where it invokes an agent."""
        said = span.attributes or {}
        # Some instrumentations name a span before they say what it does.
        operation = _operation(said) or span.name.partition(" ")[0]
        self._recorder.begin(
            _key(span.context),
            _key(span.parent),
            agent=_agent(span) if operation == "invoke_agent" else None,
            issue=said.get(ISSUE_ATTRIBUTE),
            model=str(_first(said, _MODEL)) if operation in _MODEL_OPERATIONS else None,
            tool=span.name if operation == "execute_tool" else None,
        )

    @never_in_the_way
    def on_end(self, span: ReadableSpan) -> None:
        """End a span, and record what it called."""
        known = self._recorder.end(_key(span.context), *_outcome(span))
        if known is None:
            return
        known.issue = (span.attributes or {}).get(ISSUE_ATTRIBUTE, known.issue)
        if call := _call(span):
            self._recorder.call(call.type, known, call.fields)
        elif known.pair is None:
            # An agent that was not known for one when it started.
            for event in _events(span):
                self._recorder.append_at(event.type, known.issue, event.keyed(), event.nanoseconds)


class RetallySpanExporter(SpanExporter):
    """Records spans that ended, with their own times.

    For a `SimpleSpanProcessor`, or a `BatchSpanProcessor` that is shut down before the issue is
    finalized. What it is handed twice counts once. Agent and issue are those of the span itself, or
    of a span around it that is exported with it.
    """

    def __init__(self, target: IssueTracker | RunLogger, *, agent: str | None = None) -> None:
        """Record for an issue or a run. `agent` is who calls where no span says it."""
        self._recorder = Recorder(target, agent)
        self._agent = agent

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Record a batch of spans. What the log cannot take now, it keeps."""
        self._export(spans)
        return SpanExportResult.SUCCESS

    @never_in_the_way
    def _export(self, spans: Sequence[ReadableSpan]) -> None:
        by_key = {_key(span.context): span for span in spans}
        for span in spans:
            around = [span, *_spans_around(span, by_key)]
            issue = next(_stated(around, ISSUE_ATTRIBUTE), None)
            agent = next(_stated(around, "gen_ai.agent.name"), self._agent)
            for event in _events(span):
                fields = {"agent": agent, **event.keyed()}
                self._recorder.append_at(event.type, issue, fields, event.nanoseconds)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return at once: what was exported is in the log."""
        return True


class _Event(NamedTuple):
    """An event that a span amounts to."""

    type: str
    fields: dict[str, Any]
    key: str = ""
    nanoseconds: int = 0
    """When it happened, since 1970."""

    def keyed(self) -> dict[str, Any]:
        """The fields with the key."""
        return {**self.fields, "key": self.key}


def _events(span: ReadableSpan) -> Iterator[_Event]:
    """Yield what a span that ended amounts to."""
    start, end = span.start_time or 0, span.end_time or 0
    trace_id, span_id = _key(span.context)
    key = f"{trace_id:032x}-{span_id:016x}"
    if call := _call(span):
        yield call._replace(key=key, nanoseconds=end)
    elif _operation(span.attributes or {}) == "invoke_agent":
        success, error = _outcome(span)
        who = {"agent": _agent(span), "span": f"{span_id:016x}"}
        yield _Event("agent.started", who, f"{key}-start", start)
        ended = {**who, "success": success, "error": error}
        yield _Event("agent.finished", ended, f"{key}-end", end)


def _call(span: ReadableSpan) -> _Event | None:
    """Return the call of a model or a tool that a span is, without the agent unless it says so."""
    said = span.attributes or {}
    operation = _operation(said)
    success, error = _outcome(span)
    duration_ms = ((span.end_time or 0) - (span.start_time or 0)) / 1e6
    fields: dict[str, Any] = {"duration_ms": duration_ms, "success": success, "error": error}
    if agent := said.get("gen_ai.agent.name"):
        fields["agent"] = agent
    if operation == "execute_tool":
        return _Event("tool.called", {"tool": said.get("gen_ai.tool.name") or span.name, **fields})
    if operation not in _MODEL_OPERATIONS:
        return None
    counts = {name: _first(said, keys) for name, keys in _LLM_FIELDS.items()}
    return _Event("llm.called", {"model": _first(said, _MODEL) or "unknown", **counts, **fields})


def _operation(said: Mapping[str, Any]) -> str | None:
    """Return what a span does. Before there was a name for it, a model was all that was said."""
    operation = said.get("gen_ai.operation.name")
    if operation is None and _first(said, _PROVIDER) and _first(said, _MODEL):
        return "chat"
    return operation


def _agent(span: ReadableSpan) -> str:
    name = (span.attributes or {}).get("gen_ai.agent.name")
    return str(name or span.name.removeprefix("invoke_agent ").strip() or "unknown")


def _outcome(span: ReadableSpan) -> tuple[bool, str | None]:
    """Return whether a span succeeded, and the text of its error."""
    if span.status.status_code is not StatusCode.ERROR:
        return True, None
    for event in reversed(span.events):
        if event.name == "exception":
            said = event.attributes or {}
            text = said.get("exception.message") or said.get("exception.type")
            return False, str(text) if text else None
    kind = (span.attributes or {}).get("error.type")
    return False, span.status.description or (str(kind) if kind else None)


def _first(said: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((said[key] for key in keys if said.get(key) is not None), None)


def _stated(spans: Sequence[ReadableSpan], key: str) -> Iterator[Any]:
    return (said[key] for span in spans if key in (said := span.attributes or {}))


def _spans_around(
    span: ReadableSpan, by_key: Mapping[tuple[int, int], ReadableSpan]
) -> Iterator[ReadableSpan]:
    """Yield the spans around one, the nearest first."""
    seen = {_key(span.context)}
    while (parent := by_key.get(_key(span.parent))) is not None:
        # Ids of a broken instrumentation may go round in circles.
        if _key(parent.context) in seen:
            return
        seen.add(_key(parent.context))
        yield parent
        span = parent


def _key(context: Any) -> tuple[int, int]:
    return (context.trace_id, context.span_id) if context is not None else (0, 0)
