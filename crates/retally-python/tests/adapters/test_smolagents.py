"""What smolagents reports of its steps is in the log, with a model that answers from a list."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from smolagents import CodeAgent, Model, ToolCallingAgent, tool
from smolagents.memory import ActionStep
from smolagents.models import (
    ChatMessage,
    ChatMessageToolCall,
    ChatMessageToolCallFunction,
    MessageRole,
)
from smolagents.monitoring import TokenUsage

import retally
from conftest import Events, examples, run_example
from retally.adapters import smolagents
from retally.adapters.smolagents import step_callbacks


class FakeModel(Model):
    """Says what it is told to, or raises it."""

    def __init__(self, *answers: ChatMessage | Exception) -> None:
        super().__init__(model_id="gpt-5.5-mini")
        self._answers: Iterator[ChatMessage | Exception] = iter(answers)

    def generate(self, messages: Any, **kwargs: Any) -> ChatMessage:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def saying(text: str) -> ChatMessage:
    return ChatMessage(MessageRole.ASSISTANT, text, token_usage=TokenUsage(350, 240))


def calling(*calls: tuple[str, dict[str, Any]]) -> ChatMessage:
    message = saying("")
    message.tool_calls = [
        ChatMessageToolCall(ChatMessageToolCallFunction(arguments, name), str(n), "function")
        for n, (name, arguments) in enumerate(calls)
    ]
    return message


DONE = calling(("final_answer", {"answer": "a secret"}))


@tool
def add(a: int, b: int) -> int:
    """Add.

    Args:
        a: One.
        b: The other.
    """
    return a + b


@tool
def fail(a: int) -> int:
    """Fail.

    Args:
        a: A number.
    """
    raise ValueError("no sum today")


@pytest.fixture
def issue() -> retally.IssueTracker:
    return retally.RunLogger("168").issue(123)


def agent_of(issue: retally.IssueTracker, *answers: Any, **options: Any) -> ToolCallingAgent:
    options = {"name": "coder", "tools": [add, fail], "verbosity_level": -1} | options
    model = FakeModel(*answers)
    return ToolCallingAgent(model=model, step_callbacks=step_callbacks(issue), **options)


def logged(events: Events, *types: str) -> list[dict[str, Any]]:
    return [event for event in events() if event["type"] in types]


def kinds(events: Events) -> list[tuple[str, str]]:
    types = ("agent.started", "agent.finished", "llm.called", "tool.called")
    return sorted((event["type"], event.get("agent", "")) for event in logged(events, *types))


def test_an_agent_with_its_steps_is_recorded(
    issue: retally.IssueTracker, events: Events
) -> None:
    agent_of(issue, calling(("add", {"a": 1, "b": 2})), DONE).run("What is 1 + 2?")
    first, second = logged(events, "llm.called")
    assert first == second
    assert first == {
        "type": "llm.called",
        "issue": 123,
        "agent": "coder",
        "model": "gpt-5.5-mini",
        "input_tokens": 350,
        "output_tokens": 240,
        "success": True,
    }
    calls = logged(events, "tool.called")
    assert [(call["tool"], call["success"]) for call in calls] == [
        ("add", True),
        ("final_answer", True),
    ]
    assert "secret" not in str(events()) and "What is" not in str(events())
    report = issue.finalize_issue()
    assert report["agent_metrics"]["coder"]["successes"] == 1
    assert report["anomalies"] == []


def test_an_attempt_begins_with_the_first_step(issue: retally.IssueTracker) -> None:
    record = step_callbacks(issue)

    def last_long(step: Any, agent: Any) -> None:
        step.timing.start_time -= 90
        record[ActionStep](step, agent=agent)

    callbacks: Any = {**record, ActionStep: last_long}
    model = FakeModel(DONE)
    ToolCallingAgent([], model, step_callbacks=callbacks, verbosity_level=-1).run("go")
    # One without a name goes by its class. It is recorded when its first step ended.
    assert 90 <= issue.get_report()["agent_metrics"]["ToolCallingAgent"]["duration"] < 180


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([("fail", {"a": 1})], [("fail", False, "no sum today")]),
        # An unknown tool has no cause beneath what smolagents says.
        ([("nothing", {"a": 1})], [("nothing", False, "AgentToolExecutionError")]),
        # One of them failed, and nothing says which.
        (
            [("add", {"a": 1, "b": 2}), ("fail", {"a": 1})],
            [("add", None, None), ("fail", None, None)],
        ),
    ],
)
def test_a_tool_that_fails_is_recorded(
    calls: Any, expected: Any, issue: retally.IssueTracker, events: Events
) -> None:
    agent_of(issue, calling(*calls), DONE).run("go")
    *found, final = logged(events, "tool.called")
    assert [(call["tool"], call.get("success"), call.get("error")) for call in found] == expected
    assert final["success"] is True
    assert logged(events, "agent.finished")[0]["success"] is True


def test_a_model_that_fails_fails_the_agent(
    issue: retally.IssueTracker, events: Events
) -> None:
    with pytest.raises(Exception, match="overloaded"):
        agent_of(issue, ConnectionError("overloaded")).run("go")
    call, finished = logged(events, "llm.called", "agent.finished")
    assert (call["success"], call["error"]) == (False, "overloaded")
    assert "input_tokens" not in call
    assert (finished["success"], finished["error"]) == (False, "overloaded")


def test_an_error_around_a_run_is_not_the_runs(
    issue: retally.IssueTracker, events: Events
) -> None:
    with pytest.raises(Exception, match="overloaded"):
        agent_of(issue, ConnectionError("overloaded")).run("go")
    try:
        agent_of(issue, ConnectionError("overloaded")).run("go")
    except Exception:
        agent_of(issue, DONE).run("go again")
    assert [event["success"] for event in logged(events, "llm.called")] == [False, False, True]
    assert [event["success"] for event in logged(events, "agent.finished")] == [False, False, True]


def test_an_agent_that_does_not_come_to_an_end_failed(
    issue: retally.IssueTracker, events: Events
) -> None:
    step = calling(("add", {"a": 1, "b": 2}))
    agent_of(issue, step, saying("I give up"), max_steps=1).run("go")
    assert len(logged(events, "llm.called")) == 2
    [finished] = logged(events, "agent.finished")
    assert (finished["success"], finished["error"]) == (False, "AgentMaxStepsError")


def test_plans_are_calls_too(issue: retally.IssueTracker, events: Events) -> None:
    agent_of(issue, saying("first this"), DONE, planning_interval=1).run("go")
    plan, act = logged(events, "llm.called")
    assert plan["duration_ms"] >= 0 and "duration_ms" not in act
    assert len(logged(events, "agent.started")) == 1


def test_code_is_a_call_of_the_interpreter_and_not_recorded(
    issue: retally.IssueTracker, events: Events
) -> None:
    answers = [saying(f"<code>\n{code}\n</code>") for code in ("1 / 0", "final_answer(add(1, 2))")]
    agent = CodeAgent(
        tools=[add],
        model=FakeModel(*answers),
        name="coder",
        step_callbacks=step_callbacks(issue),
        verbosity_level=-1,
    )
    assert agent.run("go") == 3
    calls = logged(events, "tool.called")
    assert [(call["tool"], call["success"]) for call in calls] == [
        ("python_interpreter", False),
        ("python_interpreter", True),
    ]
    assert "1 / 0" not in str(events())


def test_managed_agents_have_attempts_of_their_own(
    issue: retally.IssueTracker, events: Events
) -> None:
    callbacks = step_callbacks(issue)
    options: Any = {"tools": [], "verbosity_level": -1, "step_callbacks": callbacks}
    expert = ToolCallingAgent(
        model=FakeModel(DONE), name="expert", description="Knows.", **options
    )
    ask = calling(("expert", {"task": "?"}))
    manager = ToolCallingAgent(
        model=FakeModel(ask, DONE), name="manager", managed_agents=[expert], **options
    )
    manager.run("go")
    assert kinds(events) == [
        ("agent.finished", "expert"),
        ("agent.finished", "manager"),
        ("agent.started", "expert"),
        ("agent.started", "manager"),
        ("llm.called", "expert"),
        ("llm.called", "manager"),
        ("llm.called", "manager"),
        ("tool.called", "expert"),
        ("tool.called", "manager"),
        ("tool.called", "manager"),
    ]


def test_an_agent_may_run_again(issue: retally.IssueTracker, events: Events) -> None:
    agent = agent_of(issue, DONE, calling(("add", {"a": 1, "b": 2})), DONE)
    agent.run("go")
    for _ in agent.run("go on", stream=True, reset=False):
        pass
    assert len(logged(events, "llm.called")) == 3
    report = issue.finalize_issue()
    assert report["agent_metrics"]["coder"]["successes"] == 2
    assert report["anomalies"] == []


def test_an_interruption_ends_the_attempt(
    issue: retally.IssueTracker, events: Events
) -> None:
    class Interrupted(FakeModel):
        def generate(self, messages: Any, **kwargs: Any) -> ChatMessage:
            raise KeyboardInterrupt

    agent = agent_of(issue)
    agent.model = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        agent.run("go")
    call, finished = logged(events, "llm.called", "agent.finished")
    assert (call["success"], call["error"]) == (False, "KeyboardInterrupt")
    assert (finished["success"], finished["error"]) == (False, "KeyboardInterrupt")


def test_a_stream_that_is_left_ends_the_attempt(
    issue: retally.IssueTracker, events: Events
) -> None:
    left = agent_of(issue, calling(("add", {"a": 1, "b": 2})), DONE).run("go", stream=True)
    next(left)
    # smolagents yields once more when it is closed, which Python does not like.
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        left.close()
    called, finished = logged(events, "tool.called", "agent.finished")
    assert ("success" in called, "error" in finished) == (False, False)


def test_the_issue_of_a_run_is_given(events: Events) -> None:
    run = retally.RunLogger("168")
    callbacks = step_callbacks(run, issue="PROJ-7", provider="openai")
    model = FakeModel(DONE)
    agent = ToolCallingAgent([add], model, step_callbacks=callbacks, verbosity_level=-1)
    agent.run("go")
    assert {event["issue"] for event in events() if event["type"] != "run.started"} == {"PROJ-7"}
    assert logged(events, "llm.called")[0]["provider"] == "openai"


def test_a_fault_of_the_adapter_does_not_reach_the_program(
    issue: retally.IssueTracker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def break_down(*args: Any) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(smolagents._Steps, "_span", break_down)
    assert agent_of(issue, DONE).run("go") == "a secret"
    assert [record.name for record in caplog.records] == ["retally"]


@pytest.mark.parametrize("block", examples("python-adapters.md", "python smolagents"))
def test_the_example_of_the_page_runs(block: str, tmp_path: Path, events: Events) -> None:
    model = FakeModel(calling(("add", {"a": 1, "b": 2})), DONE)
    run_example(block, tmp_path, model=model, tools=[add])
    assert len(logged(events, "llm.called")) == 2
    assert logged(events, "agent.finished")[0]["agent"] == "coder"
