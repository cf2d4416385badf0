"""What OpenTelemetry's spans say is in the log, with PydanticAI's own models for tests."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, set_span_in_context
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RequestUsage

import retally
from conftest import Events, examples, run_example
from retally.adapters.opentelemetry import RetallySpanExporter, RetallySpanProcessor

SECOND = 1_000_000_000


@pytest.fixture
def run() -> retally.RunLogger:
    return retally.RunLogger("168")


@pytest.fixture
def issue(run: retally.RunLogger) -> retally.IssueTracker:
    return run.issue(123)


@pytest.fixture
def provider(issue: retally.IssueTracker) -> Iterator[TracerProvider]:
    """A provider whose spans are logged to an issue."""
    provider = TracerProvider()
    provider.add_span_processor(RetallySpanProcessor(issue))
    yield provider
    provider.shutdown()


def agent_of(provider: TracerProvider, name: str, model: Any = None, **options: Any) -> Agent:
    """An agent of PydanticAI that tells the provider what it does."""
    settings = InstrumentationSettings(tracer_provider=provider)
    model = model or TestModel()
    return Agent(model, name=name, capabilities=[Instrumentation(settings)], **options)


def logged(events: Events, *types: str) -> list[dict[str, Any]]:
    return [event for event in events() if event["type"] in types]


def kinds(events: Events) -> list[tuple[str, str]]:
    types = ("agent.started", "agent.finished", "llm.called", "tool.called")
    return [(event["type"], event.get("agent", "")) for event in logged(events, *types)]


def add(a: int) -> int:
    return a + 1


def test_an_agent_of_pydantic_ai_is_recorded(
    issue: retally.IssueTracker, provider: TracerProvider, events: Events
) -> None:
    coder = agent_of(provider, "coder", TestModel(custom_output_text="secret"), tools=[add])
    coder.run_sync("What is 1 + 2?")
    assert kinds(events) == [
        ("agent.started", "coder"),
        ("llm.called", "coder"),
        ("tool.called", "coder"),
        ("llm.called", "coder"),
        ("agent.finished", "coder"),
    ]
    [called] = logged(events, "tool.called")
    assert (called["tool"], called["success"], called["issue"]) == ("add", True, 123)
    assert called["duration_ms"] >= 0
    first, second = logged(events, "llm.called")
    assert (first["provider"], first["model"], first["success"]) == ("test", "test", True)
    assert (first["input_tokens"], second["input_tokens"]) == (55, 56)
    assert "secret" not in str(events()) and "What is" not in str(events())
    report = issue.finalize_issue()
    assert report["agent_metrics"]["coder"]["successes"] == 1
    assert report["anomalies"] == []


def test_tokens_of_pydantic_ai_are_counted(
    issue: retally.IssueTracker, provider: TracerProvider, events: Events
) -> None:
    usage = RequestUsage(
        input_tokens=350,
        output_tokens=240,
        cache_read_tokens=100,
        cache_write_tokens=200,
        details={"reasoning_tokens": 80},
    )

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse([TextPart("done")], usage=usage, model_name="gpt-5.5-mini")

    model = FunctionModel(answer, model_name="gpt-5.5-mini")
    agent_of(provider, "coder", model).run_sync("go")
    [call] = logged(events, "llm.called")
    del call["duration_ms"]
    assert call == {
        "type": "llm.called",
        "issue": 123,
        "agent": "coder",
        "provider": "function",
        "model": "gpt-5.5-mini",
        "input_tokens": 350,
        "output_tokens": 240,
        "cache_read_tokens": 100,
        "cache_write_tokens": 200,
        "reasoning_tokens": 80,
        "success": True,
    }


def test_a_tool_that_raises_fails_the_agent(provider: TracerProvider, events: Events) -> None:
    def fail(a: int) -> int:
        raise ValueError("no sum today")

    with pytest.raises(ValueError):
        agent_of(provider, "coder", tools=[fail]).run_sync("go")
    called, finished = logged(events, "tool.called", "agent.finished")
    assert (called["tool"], called["success"], called["error"]) == ("fail", False, "no sum today")
    assert (finished["success"], finished["error"]) == (False, "no sum today")


def test_a_tool_that_asks_for_another_try_failed(
    provider: TracerProvider, events: Events
) -> None:
    tries = iter([True, False])

    def guess(a: int) -> int:
        if next(tries):
            raise ModelRetry("higher")
        return a

    agent_of(provider, "coder", tools=[guess]).run_sync("go")
    calls = logged(events, "tool.called")
    assert [call["success"] for call in calls] == [False, True]
    assert logged(events, "agent.finished")[0]["success"] is True


def test_a_model_that_fails_is_recorded(provider: TracerProvider, events: Events) -> None:
    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        raise ConnectionError("overloaded")

    with pytest.raises(ConnectionError):
        agent_of(provider, "coder", FunctionModel(answer, model_name="m")).run_sync("go")
    call, finished = logged(events, "llm.called", "agent.finished")
    assert (call["model"], call["success"], call["error"]) == ("m", False, "overloaded")
    assert (finished["success"], finished["error"]) == (False, "overloaded")


def test_a_stream_is_recorded(provider: TracerProvider, events: Events) -> None:
    async def read() -> None:
        async with agent_of(provider, "coder").run_stream("go") as result:
            async for _ in result.stream_text():
                pass

    asyncio.run(read())
    assert kinds(events) == [
        ("agent.started", "coder"),
        ("llm.called", "coder"),
        ("agent.finished", "coder"),
    ]


def test_agents_at_once_keep_the_issue_around_them(
    run: retally.RunLogger, events: Events
) -> None:
    provider = TracerProvider()
    processor = RetallySpanProcessor(run)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("orchestrator")

    async def solve(number: int) -> None:
        with tracer.start_as_current_span("issue", attributes={"retally.issue": number}):
            await agent_of(provider, f"coder_{number % 2}", tools=[add]).run("go")

    async def solve_all() -> None:
        await asyncio.gather(*map(solve, range(1, 9)))

    asyncio.run(solve_all())
    for number in range(1, 9):
        own = [event for event in events() if event.get("issue") == number]
        assert {event["agent"] for event in own} == {f"coder_{number % 2}"}
        assert [event["type"] for event in own].count("llm.called") == 2
    assert run.get_run_summary()["anomalies"] == []
    assert processor._recorder._spans == {}


CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (
            {
                "gen_ai.operation.name": "generate_content",
                "gen_ai.provider.name": "gcp.gemini",
                "gen_ai.request.model": "gemini-3-flash",
                "gen_ai.response.model": "gemini-3-flash-002",
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 5,
                "gen_ai.usage.cache_read.input_tokens": 4,
                "gen_ai.usage.cache_creation.input_tokens": 3,
                "gen_ai.usage.reasoning.output_tokens": 2,
                "operation.cost": 0.25,
            },
            {
                "provider": "gcp.gemini",
                "model": "gemini-3-flash-002",
                "input_tokens": 10,
                "output_tokens": 5,
                "cache_read_tokens": 4,
                "cache_write_tokens": 3,
                "reasoning_tokens": 2,
                "cost_usd": 0.25,
            },
        ),
        (
            # As it was said before operations had names.
            {
                "gen_ai.system": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.prompt_tokens": 10,
                "gen_ai.usage.completion_tokens": 5,
            },
            {"provider": "openai", "model": "gpt-4o", "input_tokens": 10, "output_tokens": 5},
        ),
        ({"gen_ai.operation.name": "text_completion"}, {"model": "unknown"}),
        ({"gen_ai.operation.name": "create_agent", "gen_ai.request.model": "m"}, None),
        ({"http.request.method": "POST"}, None),
    ],
)
def test_what_the_conventions_say_is_read(
    attributes: dict[str, Any],
    expected: dict[str, Any] | None,
    provider: TracerProvider,
    events: Events,
) -> None:
    tracer = provider.get_tracer("")
    tracer.start_span("s", attributes=attributes, start_time=SECOND).end(3 * SECOND)
    calls = logged(events, "llm.called")
    if expected is None:
        assert calls == []
    else:
        always = {"type": "llm.called", "issue": 123, "duration_ms": 2000, "success": True}
        assert calls == [always | expected]


def test_attributes_may_come_after_the_start(
    issue: retally.IssueTracker, provider: TracerProvider, events: Events
) -> None:
    tracer = provider.get_tracer("")
    named = tracer.start_span("invoke_agent coder")
    late = tracer.start_span("reviewing", context=set_span_in_context(named))
    late.set_attribute("gen_ai.operation.name", "invoke_agent")
    late.set_attribute("gen_ai.agent.name", "reviewer")
    late.end()
    named.end()
    assert sorted(kinds(events)) == [
        ("agent.finished", "coder"),
        ("agent.finished", "reviewer"),
        ("agent.started", "coder"),
        ("agent.started", "reviewer"),
    ]
    assert issue.get_report()["anomalies"] == []


def test_a_call_that_two_layers_report_counts_once(
    provider: TracerProvider, events: Events
) -> None:
    tracer = provider.get_tracer("")
    with tracer.start_as_current_span("framework", attributes=CHAT):
        with tracer.start_as_current_span("POST"):
            with tracer.start_as_current_span("client", attributes=CHAT):
                pass
        with tracer.start_as_current_span("t", attributes={"gen_ai.operation.name": "execute_tool"}):
            with tracer.start_as_current_span("within a tool", attributes=CHAT):
                pass
    assert [event["type"] for event in events()[2:]] == ["llm.called", "tool.called", "llm.called"]


def test_an_error_without_an_exception_has_what_there_is(
    provider: TracerProvider, events: Events
) -> None:
    tracer = provider.get_tracer("")
    for description, attributes in [("too long", {}), (None, {"error.type": "429"}), (None, {})]:
        span = tracer.start_span("chat m", attributes=CHAT | attributes)
        span.set_status(StatusCode.ERROR, description)
        span.end()
    calls = logged(events, "llm.called")
    assert [call.get("error") for call in calls] == ["too long", "429", None]
    assert [call["success"] for call in calls] == [False] * 3


@pytest.mark.parametrize("batches", [False, True])
def test_an_exporter_records_what_ended_with_its_times(
    batches: bool, issue: retally.IssueTracker, events: Events
) -> None:
    exporter = RetallySpanExporter(issue)
    processor = BatchSpanProcessor(exporter) if batches else SimpleSpanProcessor(exporter)
    provider = TracerProvider()
    provider.add_span_processor(processor)
    agent_of(provider, "coder", tools=[add]).run_sync("go")
    provider.shutdown()
    assert sorted(kinds(events)) == [
        ("agent.finished", "coder"),
        ("agent.started", "coder"),
        ("llm.called", "coder"),
        ("llm.called", "coder"),
        ("tool.called", "coder"),
    ]
    report = issue.finalize_issue()
    assert (report["llm_calls"], report["anomalies"]) == (2, [])
    assert report["agent_metrics"]["coder"]["successes"] == 1


def test_an_exported_attempt_lasts_as_long_as_its_span(
    issue: retally.IssueTracker, events: Events
) -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("")
    invoke = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "coder"}
    agent = tracer.start_span("a", attributes=invoke, start_time=1_800_000_000 * SECOND)
    call = tracer.start_span("chat", set_span_in_context(agent), attributes=CHAT)
    call.end()
    agent.end(1_800_000_090 * SECOND)
    exporter = RetallySpanExporter(issue)
    # A call says who made it, or the agent around it is exported with it.
    assert exporter.export(kept.get_finished_spans()) is SpanExportResult.SUCCESS
    assert exporter.export(kept.get_finished_spans()) is SpanExportResult.SUCCESS
    assert {agent for _, agent in kinds(events)} == {"coder"}
    report = issue.finalize_issue()
    # Handed over twice, counted once.
    assert report["llm_calls"] == 1
    coder = report["agent_metrics"]["coder"]
    assert (coder["attempts"], coder["duration"]) == (1, 90.0)


def test_what_is_exported_while_nothing_can_be_written_is_kept(
    root: Path, events: Events
) -> None:
    root.write_text("no folder")
    issue = retally.RunLogger("168").issue(123)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(RetallySpanExporter(issue)))
    provider.get_tracer("").start_span("chat", attributes=CHAT).end()
    root.unlink()
    report = issue.finalize_issue()
    assert report["llm_calls"] == 1
    assert issue.stats.lost == 0


def test_a_fault_of_the_adapter_does_not_reach_the_program(
    provider: TracerProvider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from retally.adapters import opentelemetry

    def break_down(*args: Any) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(opentelemetry, "_operation", break_down)
    monkeypatch.setattr(opentelemetry, "_call", break_down)
    assert agent_of(provider, "coder").run_sync("go").output
    assert [record.name for record in caplog.records] == ["retally"]


@pytest.mark.parametrize("block", examples("python-adapters.md", "python opentelemetry"))
def test_the_example_of_the_page_runs(block: str, tmp_path: Path, events: Events) -> None:
    run_example(block, tmp_path, model=TestModel(), tools=[add])
    calls = logged(events, "llm.called")
    assert calls and {call["issue"] for call in calls} == {123}
