"""What the Claude Agent SDK reports is in the log: the SDK itself, with a process that is made up."""

import asyncio
import functools
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import claude_agent_sdk
from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, Transport

import retally
from conftest import Events, examples, run_example
from retally.adapters.claude_agent_sdk import RetallyHooks

SESSION = "0e3f"


class FakeProcess(Transport):
    """Says what the command would say, and asks for hooks as it would: one line after the other."""

    def __init__(self, *lines: dict[str, Any]) -> None:
        self._lines = deque(lines)
        self._out: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._callbacks: dict[str, str] = {}
        self.answers: list[Any] = []

    async def connect(self) -> None:
        pass

    async def write(self, data: str) -> None:
        said = json.loads(data)
        if said["type"] == "control_request":
            for event, matchers in (said["request"].get("hooks") or {}).items():
                [[self._callbacks[event]]] = [matcher["hookCallbackIds"] for matcher in matchers]
            done = {"subtype": "success", "request_id": said["request_id"], "response": {}}
            await self._out.put({"type": "control_response", "response": done})
        elif said["type"] == "control_response":
            self.answers.append(said["response"].get("response"))
            await self._go_on()
        else:
            await self._go_on()

    async def _go_on(self) -> None:
        """Say the next lines, up to one that wants an answer."""
        while self._lines:
            line = self._lines.popleft()
            event = line.get("hook_event_name")
            if event is None:
                await self._out.put(line)
                if line["type"] == "result":
                    return
                continue
            request = {
                "subtype": "hook_callback",
                "callback_id": self._callbacks[event],
                "input": {"session_id": SESSION, "transcript_path": "", "cwd": "/", **line},
                "tool_use_id": line.get("tool_use_id"),
            }
            await self._out.put(
                {"type": "control_request", "request_id": str(len(self._lines)), "request": request}
            )
            return

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:  # type: ignore[override]
        while (line := await self._out.get()) is not None:
            yield line

    async def close(self) -> None:
        await self._out.put(None)

    def is_ready(self) -> bool:
        return True

    async def end_input(self) -> None:
        await self.close()  # As the command does when nothing more will be asked.


def hook(event: str, **fields: Any) -> dict[str, Any]:
    return {"hook_event_name": event, **fields}


def tool(name: str, number: str, end: str = "PostToolUse", **fields: Any) -> list[dict[str, Any]]:
    where = {key: fields.pop(key) for key in ("agent_id",) if key in fields}
    said = {"tool_name": name, "tool_input": {"path": "a secret"}, "tool_use_id": number, **where}
    return [hook("PreToolUse", **said), hook(end, **said, tool_response="a secret", **fields)]


def assistant(number: str, model: str = "claude-opus-4-7") -> dict[str, Any]:
    content = [{"type": "text", "text": "a secret"}]
    message = {"id": number, "role": "assistant", "model": model, "content": content}
    return {"type": "assistant", "message": message, "session_id": SESSION}


def result(model_usage: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    said = {
        "type": "result",
        "subtype": "success",
        "duration_ms": 1,
        "duration_api_ms": 1,
        "is_error": False,
        "num_turns": 1,
        "session_id": SESSION,
    }
    return said | {"modelUsage": model_usage} | fields


def used(*counts: int, cost: float, **fields: Any) -> dict[str, Any]:
    keys = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
    return dict(zip(keys, counts, strict=True)) | {"costUSD": cost} | fields


PROMPT, STOP = hook("UserPromptSubmit", prompt="a secret"), hook("Stop", stop_hook_active=False)


@pytest.fixture
def run() -> retally.RunLogger:
    """A run whose clock goes on by a second each time that it is asked."""
    seconds = itertools.count()
    return retally.RunLogger("168", clock=lambda: float(next(seconds)))


@pytest.fixture
def issue(run: retally.RunLogger) -> retally.IssueTracker:
    return run.issue(123)


def play(hooks: RetallyHooks, *turns: list[dict[str, Any]]) -> FakeProcess:
    """Ask once for each turn, and hand over all messages."""
    process = FakeProcess(*itertools.chain(*turns))

    async def ask() -> None:
        options = ClaudeAgentOptions(hooks=hooks.matchers())
        async with ClaudeSDKClient(options, transport=process) as client:
            for _ in turns:
                await client.query("a secret")
                async for message in client.receive_response():
                    hooks.record(message)

    asyncio.run(asyncio.wait_for(ask(), 60))
    return process


def logged(events: Events, *types: str) -> list[dict[str, Any]]:
    return [event for event in events() if event["type"] in types]


def kinds(events: Events) -> list[tuple[str, str]]:
    types = ("agent.started", "agent.finished", "llm.called", "tool.called")
    return [(event["type"], event.get("agent", "")) for event in logged(events, *types)]


def test_a_turn_is_an_attempt_with_its_calls(
    issue: retally.IssueTracker, events: Events
) -> None:
    usage = {"claude-opus-4-7": used(50, 240, 100, 200, cost=0.25, provider="firstParty")}
    messages = [assistant("msg_1"), assistant("msg_1"), *tool("Read", "t1"), assistant("msg_2")]
    process = play(
        RetallyHooks(issue, agent="coding"), [PROMPT, *messages, STOP, result(usage)]
    )
    assert kinds(events) == [
        ("agent.started", "coding"),
        ("tool.called", "coding"),
        ("agent.finished", "coding"),
        ("llm.called", "coding"),
    ]
    # A message comes once a content block.
    assert logged(events, "llm.called") == [
        {
            "type": "llm.called",
            "issue": 123,
            "agent": "coding",
            "provider": "anthropic",
            "model": "claude-opus-4-7",
            "input_tokens": 350,
            "output_tokens": 240,
            "cache_read_tokens": 100,
            "cache_write_tokens": 200,
            "cost_usd": 0.25,
            "success": True,
            "calls": 2,
        }
    ]
    [called] = logged(events, "tool.called")
    assert (called["tool"], called["success"], called["duration_ms"]) == ("Read", True, 1000)
    assert "secret" not in str(events())
    # No hook decided anything.
    assert process.answers == [{}] * 4
    report = issue.finalize_issue()
    assert (report["agent_metrics"]["coding"]["successes"], report["anomalies"]) == (1, [])


def test_results_state_totals_and_each_turn_counts_its_own(
    issue: retally.IssueTracker, events: Events
) -> None:
    haiku = used(5, 5, 0, 0, cost=0.01)
    first = {"opus": used(10, 20, 0, 0, cost=0.5), "haiku": haiku}
    second = {"opus": used(15, 40, 7, 0, cost=0.75), "haiku": haiku}
    reset = {"type": "conversation_reset", "new_conversation_id": "1", "uuid": "2"}
    reset["session_id"] = SESSION
    play(
        RetallyHooks(issue, agent="coding"),
        [PROMPT, assistant("m1", "opus"), assistant("m2", "opus"), STOP, result(first)],
        [PROMPT, assistant("m3", "opus"), STOP, result(second)],
        [PROMPT, reset, STOP, result({"opus": used(16, 41, 8, 0, cost=0.8)})],
    )
    calls = logged(events, "llm.called")
    assert [(call["model"], call["input_tokens"], call["output_tokens"]) for call in calls] == [
        ("opus", 10, 20),
        ("haiku", 5, 5),
        ("opus", 12, 20),
        ("opus", 24, 41),
    ]
    assert [call["cost_usd"] for call in calls] == [0.5, 0.01, 0.25, 0.8]
    assert [call.get("calls") for call in calls] == [2, None, 1, None]
    assert len(logged(events, "agent.started")) == 3


def test_totals_of_another_process_begin_anew(
    issue: retally.IssueTracker, events: Events
) -> None:
    hooks = RetallyHooks(issue)
    for _ in range(2):
        play(hooks, [result({"opus": used(10, 20, 0, 0, cost=0.5)})])
        play(hooks, [result({"opus": used(3, 1, 0, 0, cost=0.1)})])
    assert [call["output_tokens"] for call in logged(events, "llm.called")] == [20, 1, 19, 1]


def test_subagents_at_once_keep_their_tools(
    issue: retally.IssueTracker, events: Events
) -> None:
    first, second = tool("Grep", "t1", agent_id="a1"), tool("Bash", "t2", agent_id="a2")
    play(
        RetallyHooks(issue, agent="coding"),
        [
            PROMPT,
            hook("SubagentStart", agent_id="a1", agent_type="reviewer"),
            hook("SubagentStart", agent_id="a2", agent_type="tester"),
            first[0],
            second[0],
            second[1],
            first[1],
            hook("SubagentStop", agent_id="a2", agent_type="tester"),
            hook("SubagentStop", agent_id="a1", agent_type="reviewer"),
            *tool("Read", "t3"),
            STOP,
            result(),
        ],
    )
    assert kinds(events) == [
        ("agent.started", "coding"),
        ("agent.started", "reviewer"),
        ("agent.started", "tester"),
        ("tool.called", "tester"),
        ("tool.called", "reviewer"),
        ("agent.finished", "tester"),
        ("agent.finished", "reviewer"),
        ("tool.called", "coding"),
        ("agent.finished", "coding"),
    ]
    assert issue.finalize_issue()["anomalies"] == []


def test_a_tool_that_fails_is_recorded(issue: retally.IssueTracker, events: Events) -> None:
    end = "PostToolUseFailure"
    play(
        RetallyHooks(issue),
        [
            *tool("Bash", "t1", end, error="exit code 1", duration_ms=7),
            *tool("Bash", "t2", end, error="interrupted", is_interrupt=True, duration_ms=8),
            result(),
        ],
    )
    failed, left = logged(events, "tool.called")
    assert (failed["success"], failed["error"], failed["duration_ms"]) == (False, "exit code 1", 7)
    assert ("success" in left, "error" in left, left["duration_ms"]) == (False, False, 8)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"is_error": True, "subtype": "error_max_turns"}, "error_max_turns"),
        ({"is_error": True, "api_error_status": 529}, "status 529"),
        ({"subtype": "left", "terminal_reason": "aborted_tools"}, "left"),
    ],
)
def test_a_turn_that_fails_or_is_left_fails_the_attempt(
    fields: dict[str, Any], error: str, issue: retally.IssueTracker, events: Events
) -> None:
    usage = {"opus": used(1, 1, 0, 0, cost=0.1)}
    play(RetallyHooks(issue, agent="coding"), [PROMPT, result(usage, **fields)])
    [finished] = logged(events, "agent.finished")
    assert (finished["success"], finished["error"]) == (False, error)
    # What a failed turn used was used.
    assert logged(events, "llm.called")[0]["input_tokens"] == 1


def test_the_issue_of_a_run_is_given(run: retally.RunLogger, events: Events) -> None:
    hooks = RetallyHooks(run, issue="PROJ-7", agent="coding")
    usage = {"opus": used(1, 1, 0, 0, cost=0.1)}
    play(hooks, [PROMPT, *tool("Read", "t1"), STOP, result(usage)])
    found = [event for event in events() if event["type"] != "run.started"]
    assert len(found) == 4 and {event["issue"] for event in found} == {"PROJ-7"}


def test_a_fault_of_the_adapter_does_not_reach_the_program(
    issue: retally.IssueTracker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hooks = RetallyHooks(issue, agent="coding")

    def break_down(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(hooks._recorder, "begin", break_down)
    process = play(hooks, [PROMPT, *tool("Read", "t1"), STOP, result()])
    assert process.answers == [{}] * 4
    assert [record.name for record in caplog.records] == ["retally"]


@pytest.mark.parametrize("block", examples("python-adapters.md", "python claude_agent_sdk"))
def test_the_example_of_the_page_runs(
    block: str, tmp_path: Path, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = {"opus": used(1, 1, 0, 0, cost=0.1)}
    process = FakeProcess(PROMPT, *tool("Read", "t1"), STOP, result(usage))
    asked = functools.partial(claude_agent_sdk.query, transport=process)
    monkeypatch.setattr(claude_agent_sdk, "query", asked)
    run_example(block, tmp_path)
    assert [kind for kind, _ in kinds(events)] == [
        "agent.started",
        "tool.called",
        "agent.finished",
        "llm.called",
    ]
