"""What the OpenAI Agents SDK reports is in the log: its own models, with an API that answers here."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from agents import (
    Agent,
    MaxTurnsExceeded,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
    set_trace_processors,
    trace,
)
from agents.testing.model import ScriptedModel, assistant_message, function_call
from openai import AsyncOpenAI

import retally
from conftest import Events, examples, run_example
from retally.adapters.openai_agents import RetallyTracingProcessor


@function_tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@function_tool(failure_error_function=None)
def fail(a: int) -> int:
    """Fail."""
    raise ValueError("no sum today")


@pytest.fixture
def run() -> retally.RunLogger:
    """A run whose clock goes on by a second each time that it is asked."""
    seconds = itertools.count()
    return retally.RunLogger("168", clock=lambda: float(next(seconds)))


@pytest.fixture
def issue(run: retally.RunLogger) -> Iterator[retally.IssueTracker]:
    """An issue to which all runs of agents are logged."""
    issue = run.issue(123)
    set_trace_processors([RetallyTracingProcessor(issue, provider="openai")])
    yield issue
    set_trace_processors([])


def client_that_answers(*answers: dict[str, Any]) -> AsyncOpenAI:
    """A client of the API that never leaves the process."""
    waiting = iter(answers)

    def answer(request: httpx2.Request) -> httpx2.Response:
        body = next(waiting)
        return httpx2.Response(500 if "error" in body else 200, json=body)

    transport = httpx2.MockTransport(answer)
    http_client = httpx2.AsyncClient(transport=transport)
    return AsyncOpenAI(api_key="none", max_retries=0, http_client=http_client)


def scripted(*steps: Any) -> ScriptedModel:
    return ScriptedModel(steps, emit_traces=True)


def logged(events: Events, *types: str) -> list[dict[str, Any]]:
    return [event for event in events() if event["type"] in types]


def kinds(events: Events) -> list[tuple[str, str]]:
    types = ("agent.started", "agent.finished", "llm.called", "tool.called")
    return [(event["type"], event.get("agent", "")) for event in logged(events, *types)]


def test_an_agent_with_its_calls_is_recorded(
    issue: retally.IssueTracker, events: Events
) -> None:
    steps = [function_call("add", {"a": 1, "b": 2}, call_id="1")], [assistant_message("secret")]
    coder = Agent(name="coder", model=scripted(*steps), tools=[add])
    Runner.run_sync(coder, "What is 1 + 2?")
    assert kinds(events) == [
        ("agent.started", "coder"),
        ("llm.called", "coder"),
        ("tool.called", "coder"),
        ("llm.called", "coder"),
        ("agent.finished", "coder"),
    ]
    assert logged(events, "tool.called") == [
        {
            "type": "tool.called",
            "issue": 123,
            "agent": "coder",
            "tool": "add",
            "success": True,
            "duration_ms": 1000,
        }
    ]
    assert "secret" not in str(events()) and "What is" not in str(events())
    report = issue.finalize_issue()
    assert report["agent_metrics"]["coder"]["successes"] == 1
    assert report["anomalies"] == []


CALL = {
    "type": "llm.called",
    "issue": 123,
    "agent": "coder",
    "provider": "openai",
    "model": "gpt-5.5-mini",
    "input_tokens": 350,
    "output_tokens": 240,
    "cache_read_tokens": 100,
    "reasoning_tokens": 80,
    "duration_ms": 1000,
    "success": True,
}


def test_tokens_of_chat_completions_are_counted(
    issue: retally.IssueTracker, events: Events
) -> None:
    client = client_that_answers(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-5.5-mini",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": "done"},
                }
            ],
            "usage": {
                "prompt_tokens": 350,
                "completion_tokens": 240,
                "total_tokens": 590,
                "prompt_tokens_details": {"cached_tokens": 100},
                "completion_tokens_details": {"reasoning_tokens": 80},
            },
        }
    )
    model = OpenAIChatCompletionsModel("gpt-5.5-mini", openai_client=client)
    Runner.run_sync(Agent(name="coder", model=model), "go")
    [call] = logged(events, "llm.called")
    assert call == CALL | {"cache_write_tokens": 0}


def response(**fields: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-5.5-mini",
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "output": [
            {
                "id": "2",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "done", "annotations": []}],
            }
        ],
        "usage": {
            "input_tokens": 350,
            "output_tokens": 240,
            "total_tokens": 590,
            "input_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 50},
            "output_tokens_details": {"reasoning_tokens": 80},
        },
        **fields,
    }


def test_tokens_of_responses_are_counted(issue: retally.IssueTracker, events: Events) -> None:
    client = client_that_answers(response())
    model = OpenAIResponsesModel("gpt-5.5-mini", openai_client=client)
    Runner.run_sync(Agent(name="coder", model=model), "go")
    [call] = logged(events, "llm.called")
    assert call == CALL | {"cache_write_tokens": 50}


def test_a_call_that_fails_is_recorded(issue: retally.IssueTracker, events: Events) -> None:
    client = client_that_answers({"error": {"message": "overloaded"}})
    model = OpenAIChatCompletionsModel("gpt-5.5-mini", openai_client=client)
    with pytest.raises(Exception, match="overloaded"):
        Runner.run_sync(Agent(name="coder", model=model), "go")
    [call, finished] = logged(events, "llm.called", "agent.finished")
    assert (call["model"], call["success"]) == ("gpt-5.5-mini", False)
    assert "input_tokens" not in call
    assert finished["success"] is False
    assert "overloaded" in call["error"] and "overloaded" in finished["error"]


def test_a_tool_that_raises_fails_the_agent(
    issue: retally.IssueTracker, events: Events
) -> None:
    steps = ([function_call("fail", {"a": 1}, call_id="1")],)
    with pytest.raises(Exception, match="no sum today"):
        Runner.run_sync(Agent(name="coder", model=scripted(*steps), tools=[fail]), "go")
    called, finished = logged(events, "tool.called", "agent.finished")
    assert (called["tool"], called["success"]) == ("fail", False)
    assert called["error"] == "Error running tool: no sum today"
    assert finished["success"] is False


def test_an_agent_that_does_not_come_to_an_end_failed(
    issue: retally.IssueTracker, events: Events
) -> None:
    steps = ([function_call("add", {"a": 1, "b": 2}, call_id="1")],) * 2
    with pytest.raises(MaxTurnsExceeded):
        agent = Agent(name="coder", model=scripted(*steps), tools=[add])
        Runner.run_sync(agent, "go", max_turns=1)
    [finished] = logged(events, "agent.finished")
    assert (finished["success"], finished["error"]) == (False, "Max turns exceeded")


def test_a_handoff_ends_one_agent_and_starts_the_other(
    issue: retally.IssueTracker, events: Events
) -> None:
    model = scripted(
        [function_call("transfer_to_reviewer", {}, call_id="1")], [assistant_message("fine")]
    )
    reviewer = Agent(name="reviewer", model=model)
    Runner.run_sync(Agent(name="coder", model=model, handoffs=[reviewer]), "go")
    assert kinds(events) == [
        ("agent.started", "coder"),
        ("llm.called", "coder"),
        ("agent.finished", "coder"),
        ("agent.started", "reviewer"),
        ("llm.called", "reviewer"),
        ("agent.finished", "reviewer"),
    ]


def test_an_agent_as_a_tool_is_an_attempt_within_the_other(
    issue: retally.IssueTracker, events: Events
) -> None:
    expert = Agent(name="expert", model=scripted([assistant_message("42")]))
    steps = [function_call("ask", {"input": "?"}, call_id="1")], [assistant_message("done")]
    tools = [expert.as_tool("ask", "Ask.")]
    Runner.run_sync(Agent(name="coder", model=scripted(*steps), tools=[*tools]), "go")
    assert kinds(events) == [
        ("agent.started", "coder"),
        ("llm.called", "coder"),
        ("agent.started", "expert"),
        ("llm.called", "expert"),
        ("agent.finished", "expert"),
        ("tool.called", "coder"),
        ("llm.called", "coder"),
        ("agent.finished", "coder"),
    ]


def test_a_stream_is_recorded(issue: retally.IssueTracker, events: Events) -> None:
    chunks = [
        {"type": "response.created", "sequence_number": 0, "response": response(usage=None)},
        {"type": "response.completed", "sequence_number": 1, "response": response()},
    ]
    body = "".join(f"event: {chunk['type']}\ndata: {json.dumps(chunk)}\n\n" for chunk in chunks)
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, text=body, headers=headers))
    client = AsyncOpenAI(api_key="none", http_client=httpx2.AsyncClient(transport=transport))
    model = OpenAIResponsesModel("gpt-5.5-mini", openai_client=client)

    async def read() -> None:
        result = Runner.run_streamed(Agent(name="coder", model=model), "go")
        async for _ in result.stream_events():
            pass

    asyncio.run(read())
    [call] = logged(events, "llm.called")
    assert call == CALL | {"cache_write_tokens": 50}
    assert logged(events, "agent.finished")[0]["success"] is True


def test_runs_at_once_keep_their_issues(run: retally.RunLogger, events: Events) -> None:
    set_trace_processors([RetallyTracingProcessor(run)])

    async def solve(number: int) -> None:
        steps = [function_call("add", {"a": 1, "b": 2}, call_id="1")], [assistant_message("done")]
        coder = Agent(name=f"coder_{number % 2}", model=scripted(*steps), tools=[add])
        config = RunConfig(trace_metadata={"retally_issue": number})
        await Runner.run(coder, "go", run_config=config)

    async def solve_all() -> None:
        await asyncio.gather(*map(solve, range(1, 9)))

    asyncio.run(solve_all())
    for number in range(1, 9):
        own = [event for event in events() if event.get("issue") == number]
        assert {event["agent"] for event in own} == {f"coder_{number % 2}"}
        assert [event["type"] for event in own].count("llm.called") == 2
    assert run.get_run_summary()["anomalies"] == []


def test_the_metadata_of_a_trace_names_the_issue(
    run: retally.RunLogger, events: Events
) -> None:
    processor = RetallyTracingProcessor(run)
    set_trace_processors([processor])
    with trace("work", metadata={"retally_issue": "PROJ-7"}):
        Runner.run_sync(Agent(name="coder", model=scripted([assistant_message("done")])), "go")
    Runner.run_sync(Agent(name="coder", model=scripted([assistant_message("done")])), "go")
    first, second = logged(events, "llm.called")
    assert (first["issue"], "issue" in second) == ("PROJ-7", False)
    assert [event["issue"] for event in logged(events, "agent.started")] == ["PROJ-7"]
    assert processor._recorder._spans == {}


@pytest.mark.parametrize("block", examples("python-adapters.md", "python openai_agents"))
def test_the_example_of_the_page_runs(block: str, tmp_path: Path, events: Events) -> None:
    set_trace_processors([])
    steps = [function_call("add", {"a": 1, "b": 2}, call_id="1")], [assistant_message("done")]
    run_example(block, tmp_path, model=scripted(*steps), tools=[add])
    set_trace_processors([])
    assert [kind for kind, _ in kinds(events)] == [
        "agent.started",
        "llm.called",
        "tool.called",
        "llm.called",
        "agent.finished",
    ]
    assert {event.get("issue") for event in logged(events, "llm.called")} == {123}
