"""What LangChain and LangGraph report is in the log, with their own fake models."""

import asyncio
import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import (
    FakeListChatModel,
    GenericFakeChatModel,
)
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt

import retally
from conftest import Events, examples, run_example
from retally.adapters.langchain import RetallyCallbackHandler

USAGE = {
    "input_tokens": 350,
    "output_tokens": 240,
    "total_tokens": 590,
    "input_token_details": {"cache_creation": 200, "cache_read": 100},
    "output_token_details": {"reasoning": 80},
}
MODEL = {"model_name": "gpt-5.5-mini", "model_provider": "openai"}


class FakeModel(GenericFakeChatModel):
    """The framework's fake model, which does not know how to be given tools."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


def model_that_says(*messages: AIMessage | str) -> FakeModel:
    return FakeModel(messages=iter(messages))


def message_that_calls(name: str, count: int = 1, **arguments: Any) -> AIMessage:
    calls = [{"name": name, "args": arguments, "id": f"call_{n}"} for n in range(count)]
    return AIMessage("", tool_calls=calls, usage_metadata=USAGE, response_metadata=MODEL)


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@tool
def fail(a: int, b: int) -> int:
    """Fail."""
    raise ValueError("no sum today")


@pytest.fixture
def run() -> retally.RunLogger:
    """A run whose clock goes on by a second each time that it is asked."""
    seconds = itertools.count()
    return retally.RunLogger("168", clock=lambda: float(next(seconds)))


@pytest.fixture
def issue(run: retally.RunLogger) -> retally.IssueTracker:
    return run.issue(123)


def logged(events: Events, *types: str) -> list[dict[str, Any]]:
    return [event for event in events() if event["type"] in types]


def kinds(events: Events) -> list[tuple[str, str]]:
    """All events of agents and calls, with the agent."""
    types = ("agent.started", "agent.finished", "llm.called", "tool.called")
    return [(event["type"], event.get("agent", "")) for event in logged(events, *types)]


def test_an_agent_with_its_calls_is_recorded(
    issue: retally.IssueTracker, events: Events
) -> None:
    model = model_that_says(message_that_calls("add", a=1, b=2), "It is 3, a secret of mine.")
    agent = create_agent(model, [add], name="coder")
    agent.invoke(
        {"messages": [("user", "What is 1 + 2?")]},
        {"callbacks": [RetallyCallbackHandler(issue)]},
    )
    assert kinds(events) == [
        ("agent.started", "coder"),
        ("llm.called", "coder"),
        ("tool.called", "coder"),
        ("llm.called", "coder"),
        ("agent.finished", "coder"),
    ]
    first, second = logged(events, "llm.called")
    assert first == {
        "type": "llm.called",
        "issue": 123,
        "agent": "coder",
        "provider": "openai",
        "model": "gpt-5.5-mini",
        "input_tokens": 350,
        "output_tokens": 240,
        "cache_read_tokens": 100,
        "cache_write_tokens": 200,
        "reasoning_tokens": 80,
        "duration_ms": 1000,
        "success": True,
    }
    assert (second["model"], "input_tokens" in second) == ("FakeModel", False)
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
    # Neither what was asked nor what was answered is anywhere.
    assert "secret" not in str(events()) and "What is" not in str(events())
    report = issue.finalize_issue()
    assert report["agent_metrics"]["coder"]["successes"] == 1
    assert report["anomalies"] == []


def test_an_agent_within_a_node_of_its_name_is_one_attempt(
    issue: retally.IssueTracker, events: Events
) -> None:
    graph = StateGraph(MessagesState)
    graph.add_node("planner", lambda state: {"messages": [model_that_says("plan").invoke("plan")]})
    graph.add_node("coder", create_agent(model_that_says("done"), [], name="coder"))
    graph.add_edge(START, "planner")
    graph.add_edge("planner", "coder")
    graph.add_edge("coder", END)
    handler = RetallyCallbackHandler(issue, agents={"planner", "coder"})
    graph.compile().invoke({"messages": [("user", "go")]}, {"callbacks": [handler]})
    assert kinds(events) == [
        ("agent.started", "planner"),
        ("llm.called", "planner"),
        ("agent.finished", "planner"),
        ("agent.started", "coder"),
        ("llm.called", "coder"),
        ("agent.finished", "coder"),
    ]


def test_an_exception_fails_the_tool_and_the_agent(
    issue: retally.IssueTracker, events: Events
) -> None:
    agent = create_agent(model_that_says(message_that_calls("fail", a=1, b=2)), [fail], name="coder")
    with pytest.raises(ValueError):
        agent.invoke({"messages": []}, {"callbacks": [RetallyCallbackHandler(issue)]})
    called, finished = logged(events, "tool.called", "agent.finished")
    assert (called["tool"], called["success"], called["error"]) == ("fail", False, "no sum today")
    assert (finished["success"], finished["error"]) == (False, "no sum today")


def test_a_tool_whose_error_goes_to_the_model_failed(
    issue: retally.IssueTracker, events: Events
) -> None:
    tolerant = fail.model_copy(update={"handle_tool_error": True})
    call = {"name": "fail", "args": {"a": 1, "b": "two"}, "id": "1", "type": "tool_call"}
    tolerant = tolerant.model_copy(update={"handle_validation_error": True})
    tolerant.invoke(call, {"callbacks": [RetallyCallbackHandler(issue)]})
    [called] = logged(events, "tool.called")
    assert (called["success"], "error" in called) == (False, False)


def test_each_try_of_a_failing_model_is_a_call(
    issue: retally.IssueTracker, events: Events
) -> None:
    class Overloaded(FakeModel):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            if next(self.messages) == "busy":
                raise ConnectionError("busy")
            return FakeListChatModel(responses=["ok"])._generate([])

    model = Overloaded(messages=iter(["busy", "busy", "free"]))
    patient = model.with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    handler = RetallyCallbackHandler(issue, agent="coder")
    patient.invoke("go", {"callbacks": [handler]})
    calls = logged(events, "llm.called")
    assert [call["success"] for call in calls] == [False, False, True]
    assert [call.get("error") for call in calls] == ["busy", "busy", None]
    assert {call["agent"] for call in calls} == {"coder"}


def test_streams_are_recorded_when_they_end(
    issue: retally.IssueTracker, events: Events
) -> None:
    config: Any = {"callbacks": [RetallyCallbackHandler(issue)]}
    list(model_that_says("read to the end").stream("go", config))
    left: Iterator[Any] = model_that_says("left at the first word").stream("go", config)
    next(left)
    left.close()  # type: ignore[attr-defined]

    async def read() -> None:
        async for _ in model_that_says("read by a task").astream("go", config):
            pass

    asyncio.run(read())
    calls = logged(events, "llm.called")
    # One that was left neither succeeded nor failed.
    assert [call.get("success") for call in calls] == [True, None, True]
    assert not any("error" in call for call in calls)


def test_agents_at_work_at_once_keep_their_calls(
    run: retally.RunLogger, events: Events
) -> None:
    handler = RetallyCallbackHandler(run)

    async def solve(number: int) -> None:
        model = model_that_says(message_that_calls("add", 3, a=1, b=2), "done")
        agent = create_agent(model, [add], name=f"coder_{number % 2}")
        config: Any = {"callbacks": [handler], "metadata": {"retally_issue": number}}
        await agent.ainvoke({"messages": []}, config)

    async def solve_all() -> None:
        await asyncio.gather(*map(solve, range(1, 9)))

    asyncio.run(solve_all())
    for number in range(1, 9):
        own = [event for event in events() if event.get("issue") == number]
        assert {event["agent"] for event in own} == {f"coder_{number % 2}"}
        assert [event["type"] for event in own].count("tool.called") == 3
        assert [event["type"] for event in own].count("llm.called") == 2
    assert run.get_run_summary()["anomalies"] == []
    assert handler._recorder._spans == {}


def test_without_an_issue_calls_belong_to_the_run(
    run: retally.RunLogger, events: Events
) -> None:
    agent = create_agent(model_that_says("done"), [], name="coder")
    agent.invoke({"messages": []}, {"callbacks": [RetallyCallbackHandler(run)]})
    assert kinds(events) == [("llm.called", "coder")]
    assert "issue" not in logged(events, "llm.called")[0]


def test_waiting_for_a_person_is_no_failure(
    issue: retally.IssueTracker, events: Events
) -> None:
    graph = StateGraph(MessagesState)
    graph.add_node("reviewer", lambda state: {"messages": [interrupt("May I?")]})
    graph.add_edge(START, "reviewer")
    waiting = graph.compile(checkpointer=InMemorySaver())
    handler = RetallyCallbackHandler(issue, agents={"reviewer"})
    config: Any = {"callbacks": [handler], "configurable": {"thread_id": "1"}}
    waiting.invoke({"messages": []}, config)
    [finished] = logged(events, "agent.finished")
    assert (finished["success"], "error" in finished) == (True, False)


@pytest.mark.parametrize("is_strict", [False, True])
def test_a_fault_of_the_adapter_is_told_once_or_raised(
    is_strict: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue = retally.RunLogger("168", strict=is_strict).issue(1)
    handler = RetallyCallbackHandler(issue)

    def break_down(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(handler._recorder, "begin", break_down)
    work = RunnableLambda(lambda x: x)
    with caplog.at_level(logging.WARNING):
        if is_strict:
            with pytest.raises(RuntimeError):
                work.invoke(1, {"callbacks": [handler]})
            return
        assert work.invoke(1, {"callbacks": [handler]}) == 1
        assert work.invoke(2, {"callbacks": [handler]}) == 2
    own = [record for record in caplog.records if record.name == "retally"]
    assert len(own) == 1 and "a bug of ours" in own[0].getMessage()


@pytest.mark.parametrize("block", examples("python-adapters.md", "python langchain"))
def test_the_example_of_the_page_runs(block: str, tmp_path: Path, events: Events) -> None:
    model = model_that_says(message_that_calls("add", a=1, b=2), "done")
    run_example(block, tmp_path, model=model, tools=[add])
    assert [kind for kind, _ in kinds(events)] == [
        "agent.started",
        "llm.called",
        "tool.called",
        "llm.called",
        "agent.finished",
    ]
