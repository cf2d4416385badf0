"""What a block left open is closed, and the error that left it recorded once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import retally
from conftest import Events


def summary_of(run: retally.RunLogger, *keys: str) -> list[Any]:
    summary = run.get_run_summary()
    return [summary[key] for key in keys]


def test_a_block_that_ends_well_completes_what_it_opened() -> None:
    with retally.RunLogger("168") as run:
        with run.issue(123, title="Login fails") as issue:
            with issue.agent("coding"):
                pass
    report = issue.get_report()
    assert (report["status"], report["title"]) == ("completed", "Login fails")
    assert report["agent_metrics"]["coding"]["successes"] == 1
    assert report["first_time_right"] is True
    assert summary_of(run, "status", "success_rate") == ["completed", 100.0]


def test_an_exception_ends_all_that_is_open_and_is_recorded_once(root: Path) -> None:
    with pytest.raises(KeyError):
        with retally.RunLogger("168") as run:
            with run.issue(123) as issue:
                issue.start_agent("review")
                issue.start_debugging_cycle("review", "test_failure", "3 tests failed")
                with issue.agent("coding"):
                    raise KeyError("user_id")
    report = issue.get_report()
    assert report["status"] == "failed"
    agents = report["agent_metrics"]
    assert {name: agent["failures"] for name, agent in agents.items()} == {"review": 1, "coding": 1}
    [cycle] = report["debugging_details"]
    assert (cycle["open"], cycle["resolved"]) == (False, False)
    [error] = report["errors"]
    assert (error["error_type"], error["message"]) == ("KeyError", "'user_id'")
    assert summary_of(run, "status", "errors", "anomalies") == ["failed", [], []]
    assert (root / run.run_id / "issues" / "issue_123_report.json").exists()


def test_an_error_that_is_caught_within_the_run_is_the_issues_alone() -> None:
    with retally.RunLogger("168") as run:
        for number in (1, 2):
            try:
                with run.issue(number):
                    if number == 1:
                        raise ValueError("bad")
            except ValueError:
                pass
    assert summary_of(run, "status", "total_errors", "total_successes") == ["completed", 1, 1]


def test_what_was_finalized_within_a_block_is_not_finalized_again() -> None:
    with retally.RunLogger("168") as run:
        with run.issue(1) as issue:
            issue.finalize_issue("skipped")
        run.finalize_run("stopped")
    assert issue.get_report()["status"] == "skipped"
    assert run.get_run_summary()["status"] == "stopped"


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), "stopped"), (SystemExit(3), "stopped"), (SystemExit(0), "completed")],
)
def test_an_interrupted_run_is_stopped(error: BaseException, status: str) -> None:
    with pytest.raises(type(error)):
        with retally.RunLogger("168") as run:
            raise error
    assert run.get_run_summary()["status"] == status


def test_asynchronous_blocks_do_the_same() -> None:
    async def work() -> retally.RunLogger:
        async with retally.RunLogger("168") as run:

            async def solve(number: int) -> None:
                async with run.issue(number) as issue:
                    async with issue.agent("coding"):
                        await asyncio.sleep(0)
                        if number == 3:
                            raise RuntimeError("no idea")

            await asyncio.gather(*map(solve, range(4)), return_exceptions=True)
        return run

    run = asyncio.run(work())
    assert summary_of(run, "total_successes", "total_errors", "anomalies") == [3, 1, []]


def test_attempts_of_one_agent_that_overlap_are_told_apart(events: Events) -> None:
    run = retally.RunLogger("168")
    issue = run.issue(1)
    first, second = issue.agent("coding"), issue.agent("coding")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    spans = [event["span"] for event in events() if event["type"].startswith("agent.")]
    assert spans == [spans[0], spans[1], spans[0], spans[1]]
    assert spans[0] != spans[1]
    assert issue.finalize_issue()["anomalies"] == []


class Fake:
    def now(self) -> float:
        return 1e9


def test_trackers_with_a_clock_share_a_segment_though_it_is_bound_anew_each_time(root: Path) -> None:
    fake = Fake()
    run = retally.RunLogger("168", clock=fake.now, live=False)
    for number in range(5):
        retally.IssueTracker(run.run_id, number, clock=fake.now, live=False)
    assert run.stats.written == 6
    assert len([*(root / run.run_id / "events").iterdir()]) == 1


def test_trackers_of_the_same_options_share_a_segment_and_what_is_not_given(root: Path) -> None:
    run = retally.RunLogger("168", strict=True, live=False)
    for number in range(5):
        retally.IssueTracker(run.run_id, number, durability="power").finalize_issue()
    assert len([*(root / run.run_id / "events").iterdir()]) == 2
    tracker = retally.IssueTracker(run.run_id, 9, durability="power")
    # As the logger is strict, so is the tracker.
    with pytest.raises(retally.EventError):
        tracker.finalize_issue("no such status")
