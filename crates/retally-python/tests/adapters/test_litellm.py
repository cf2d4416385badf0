"""What litellm reports is in the log, with the answers that it makes up itself."""

import asyncio
import datetime
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Else the import looks for prices in the network.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from litellm.types.utils import ModelResponse, Usage

import retally
from conftest import Events, examples, run_example
from retally.adapters import litellm as adapter
from retally.adapters.litellm import RetallyLogger

QUESTION = [{"role": "user", "content": "What is 1 + 2?"}]


class Observed(RetallyLogger):
    """Tells when it was called: litellm calls it in a thread of its own, after the answer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calls = threading.Semaphore(0)

    def log_success_event(self, *args: Any, **kwargs: Any) -> None:
        super().log_success_event(*args, **kwargs)
        self.calls.release()

    def log_failure_event(self, *args: Any, **kwargs: Any) -> None:
        super().log_failure_event(*args, **kwargs)
        self.calls.release()

    async def async_log_success_event(self, *args: Any, **kwargs: Any) -> None:
        await super().async_log_success_event(*args, **kwargs)
        self.calls.release()

    async def async_log_failure_event(self, *args: Any, **kwargs: Any) -> None:
        await super().async_log_failure_event(*args, **kwargs)
        self.calls.release()

    def wait(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.calls.acquire(timeout=30)


@pytest.fixture
def issue() -> retally.IssueTracker:
    return retally.RunLogger("168").issue(123)


@pytest.fixture
def logger(issue: retally.IssueTracker) -> Iterator[Observed]:
    yield from registered(Observed(issue, agent="coding"))


def registered(logger: Observed) -> Iterator[Observed]:
    litellm.callbacks = [logger]
    yield logger
    litellm.logging_callback_manager._reset_all_callbacks()


def logged(events: Events) -> list[dict[str, Any]]:
    found = [event for event in events() if event["type"] == "llm.called"]
    assert all(event.pop("duration_ms") >= 0 for event in found)
    return found


def run_asynchronously(logger: Observed, work: Any, count: int = 1) -> None:
    """Run until the logger was called so often: litellm calls it in a task of its own."""

    async def run() -> None:
        await work
        await asyncio.to_thread(logger.wait, count)

    asyncio.run(run())


def answer(**usage: Any) -> ModelResponse:
    choices = [{"index": 0, "message": {"role": "assistant", "content": "3"}}]
    return ModelResponse(model="gpt-4o", choices=choices, usage=Usage(**usage))


CALL = {
    "type": "llm.called",
    "issue": 123,
    "agent": "coding",
    "provider": "openai",
    "model": "gpt-4o",
    "input_tokens": 10,
    "output_tokens": 20,
    "cost_usd": 0.000225,
    "success": True,
}


def test_a_call_is_recorded_and_nothing_that_was_said(logger: Observed, events: Events) -> None:
    litellm.completion("gpt-4o", QUESTION, mock_response="a secret")
    logger.wait()
    assert logged(events) == [CALL]
    assert "secret" not in str(events()) and "What is" not in str(events())


def test_an_asynchronous_call_is_recorded_once(logger: Observed, events: Events) -> None:
    run_asynchronously(logger, litellm.acompletion("gpt-4o", QUESTION, mock_response="3"))
    assert logged(events) == [CALL]


def test_cached_and_reasoning_tokens_are_counted(logger: Observed, events: Events) -> None:
    response = answer(
        prompt_tokens=350,
        completion_tokens=240,
        total_tokens=590,
        prompt_tokens_details={"cached_tokens": 100, "cache_creation_tokens": 200},
        completion_tokens_details={"reasoning_tokens": 80},
    )
    litellm.completion("gpt-4o", QUESTION, mock_response=response)
    logger.wait()
    [call] = logged(events)
    assert call["input_tokens"] == 350 and call["output_tokens"] == 240
    assert call["cache_read_tokens"] == 100 and call["cache_write_tokens"] == 200
    assert call["reasoning_tokens"] == 80


@pytest.mark.parametrize("is_asynchronous", [False, True])
def test_a_stream_is_one_call(is_asynchronous: bool, logger: Observed, events: Events) -> None:
    async def read() -> None:
        stream = await litellm.acompletion("gpt-4o", QUESTION, mock_response="a b", stream=True)
        async for _ in stream:
            pass

    if is_asynchronous:
        run_asynchronously(logger, read())
    else:
        for _ in litellm.completion("gpt-4o", QUESTION, mock_response="a b", stream=True):
            pass
        logger.wait()
    [call] = logged(events)
    assert (call["model"], call["success"]) == ("gpt-4o", True)
    assert call["input_tokens"] > 0 and call["output_tokens"] > 0


@pytest.mark.parametrize("is_asynchronous", [False, True])
def test_a_call_that_fails_is_recorded(
    is_asynchronous: bool, logger: Observed, events: Events
) -> None:
    options: Any = {"mock_response": ConnectionError("overloaded")}

    async def call() -> None:
        with pytest.raises(litellm.InternalServerError):
            await litellm.acompletion("gpt-4o", QUESTION, **options)

    if is_asynchronous:
        run_asynchronously(logger, call())
    else:
        with pytest.raises(litellm.InternalServerError):
            litellm.completion("gpt-4o", QUESTION, **options)
        logger.wait()
    [call] = logged(events)
    assert "overloaded" in call.pop("error")
    assert call == {
        "type": "llm.called",
        "issue": 123,
        "agent": "coding",
        "provider": "openai",
        "model": "gpt-4o",
        "success": False,
    }


def test_calls_say_whose_they_are(events: Events) -> None:
    for logger in registered(Observed(retally.RunLogger("168"))):
        for number in (1, 2):
            metadata = {"retally_issue": number, "retally_agent": f"agent_{number}"}
            litellm.completion("gpt-4o", QUESTION, mock_response="3", metadata=metadata)
        litellm.completion("gpt-4o", QUESTION, mock_response="3")
        logger.wait(3)
    found = {(call.get("issue"), call.get("agent")) for call in logged(events)}
    assert found == {(1, "agent_1"), (2, "agent_2"), (None, None)}


def test_a_cost_that_nobody_knows_is_left_to_the_price_book(
    logger: Observed, events: Events
) -> None:
    litellm.completion("openai/a-model-of-our-own", QUESTION, mock_response="3")
    logger.wait()
    [call] = logged(events)
    assert (call["model"], "cost_usd" in call) == ("a-model-of-our-own", False)


def test_an_answer_from_the_cache_is_no_call(logger: Observed, events: Events) -> None:
    # As litellm says it; its cache itself cannot be had without the packages of its proxy.
    now = datetime.datetime.now()
    for is_cached in (True, False, None):
        details = {"model": "gpt-4o", "custom_llm_provider": "openai", "cache_hit": is_cached}
        logger.log_success_event(details, ModelResponse(), now, now)
    assert len(logged(events)) == 2


def test_calls_at_once_are_all_recorded(logger: Observed, events: Events) -> None:
    async def call_all() -> None:
        call = litellm.acompletion
        await asyncio.gather(*(call("gpt-4o", QUESTION, mock_response="3") for _ in range(20)))

    run_asynchronously(logger, call_all(), 20)
    assert logged(events) == [CALL] * 20


def test_a_fault_of_the_adapter_does_not_reach_litellm(
    logger: Observed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(logger._recorder, "llm_call", break_down)
    for _ in range(2):
        assert litellm.completion("gpt-4o", QUESTION, mock_response="3").choices
        logger.wait()
    assert [record.name for record in caplog.records] == ["retally"]


@pytest.mark.parametrize("block", examples("python-adapters.md", "python litellm"))
def test_the_example_of_the_page_runs(
    block: str, tmp_path: Path, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litellm, "callbacks", [])
    monkeypatch.setattr(adapter, "RetallyLogger", Observed)
    run_example(block, tmp_path)
    [logger] = litellm.callbacks
    logger.wait()
    litellm.logging_callback_manager._reset_all_callbacks()
    assert logged(events) == [CALL]
