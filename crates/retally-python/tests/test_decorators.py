"""Functions that are agents and tools record what they do at the current issue."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import retally


@retally.agent("coding")
def write_code(fails: bool = False) -> str:
    if fails:
        raise ValueError("no idea")
    return grep("x")


@retally.tool
def grep(pattern: str) -> str:
    """Search."""
    if not pattern:
        raise ValueError("nothing to search")
    return pattern


@retally.agent
async def review() -> str:
    await asyncio.sleep(0)
    return await fetch("a")


@retally.tool("fetch_url")
async def fetch(url: str) -> str:
    await asyncio.sleep(0)
    return url


def test_calls_are_attempts_and_tool_calls_of_the_current_issue(events: Any) -> None:
    with retally.RunLogger("168", strict=True) as run, run.issue(1) as issue:
        assert retally.current_issue() is issue
        assert write_code() == "x"
        with pytest.raises(ValueError):
            write_code(fails=True)
        with pytest.raises(ValueError):
            grep("")
    report = issue.get_report()
    agent = report["agent_metrics"]["coding"]
    assert (agent["attempts"], agent["successes"], agent["failures"]) == (2, 1, 1)
    tool = report["tools"]["grep"]
    assert (tool["calls"], tool["successes"], tool["failures"]) == (2, 1, 1)
    calls = [event for event in events() if event["type"] == "tool.called"]
    assert [(call.get("agent"), call.get("error")) for call in calls] == [
        ("coding", None),
        (None, "nothing to search"),
    ]


def test_outside_of_an_issue_nothing_is_recorded(events: Any) -> None:
    with retally.RunLogger("168", strict=True) as run:
        with run.issue(1):
            pass
        assert retally.current_issue() is None
        assert write_code() == "x"
    assert {event["type"] for event in events()} == {
        "run.started", "issue.started", "issue.finished", "run.finished"
    }


def test_tasks_work_on_issues_of_their_own() -> None:
    async def work(run: retally.RunLogger, number: int) -> None:
        async with run.issue(number):
            for _ in range(number):
                assert await review() == "a"

    async def main() -> retally.RunLogger:
        async with retally.RunLogger("168", strict=True) as run:
            await asyncio.gather(*(work(run, number) for number in (1, 2, 3)))
        return run

    asyncio.run(main())
    issues = {issue["issue_id"]: issue for issue in retally.read_run().issues}
    assert {number: issue["agent_metrics"]["review"]["successes"] for number, issue in issues.items()} == {
        1: 1, 2: 2, 3: 3
    }
    assert {number: issue["tools"]["fetch_url"]["calls"] for number, issue in issues.items()} == {1: 1, 2: 2, 3: 3}


def test_blocks_may_end_in_any_order() -> None:
    with retally.RunLogger("168") as run:
        first, second = run.issue(1), run.issue(2)
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert retally.current_issue() is second
        second.__exit__(None, None, None)
        assert retally.current_issue() is None


def test_threads_begin_without_an_issue() -> None:
    seen: list[object] = []
    with retally.RunLogger("168") as run, run.issue(1):
        thread = threading.Thread(target=lambda: seen.append(retally.current_issue()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_a_function_stays_what_it_was() -> None:
    assert (grep.__name__, grep.__doc__) == ("grep", "Search.")
    assert asyncio.iscoroutinefunction(review)


def test_a_generator_is_refused() -> None:
    def lines() -> Iterator[str]:
        yield "x"

    with pytest.raises(TypeError, match="generator"):
        retally.agent(lines)
