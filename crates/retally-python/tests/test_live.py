"""Report files follow the log while it grows, without anybody asking for it."""

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import retally

PATIENCE_SECONDS = 20


def eventually(is_so: Callable[[], bool]) -> bool:
    """Return whether something becomes true before patience ends, however slow the machine is."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def calls_in(path: Path) -> int:
    return int(json.loads(path.read_bytes())["tool_calls"]) if path.exists() else -1


def test_a_report_follows_each_event(root: Path) -> None:
    run = retally.RunLogger("168", strict=True)
    issue = run.issue(1)
    report = root / run.run_id / "issues" / "issue_1_metrics.json"
    for count in range(1, 4):
        issue.record_tool_call("grep")
        assert eventually(lambda: calls_in(report) == count)


def test_a_report_follows_after_a_rest_too(root: Path) -> None:
    run = retally.RunLogger("168", strict=True)
    issue = run.issue(1)
    report = root / run.run_id / "issues" / "issue_1_metrics.json"
    threads = lambda: [t for t in Path("/proc/self/task").iterdir() if is_of_reports(t)]
    issue.record_tool_call("grep")
    assert eventually(lambda: calls_in(report) == 1)
    assert eventually(lambda: not threads())
    issue.record_tool_call("grep")
    assert eventually(lambda: calls_in(report) == 2)


def is_of_reports(task: Path) -> bool:
    try:
        return (task / "comm").read_text().startswith("retally-reports")
    except OSError:
        return False


def test_nothing_follows_where_that_is_not_wanted(root: Path) -> None:
    run = retally.RunLogger("168", strict=True, live=False)
    # Said of a tracker, it holds for what that logs.
    issue = retally.IssueTracker(run.run_id, 1, live=False)
    issue.record_tool_call("grep")
    followed = retally.RunLogger("168", strict=True)
    followed.add_issue(1)
    assert eventually(lambda: [*(root / followed.run_id / "issues").glob("*.json")] != [])
    assert [*(root / run.run_id).rglob("*.json")] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_reports_are_made_in_a_child_whose_parent_made_many(root: Path) -> None:
    run = retally.RunLogger("168", strict=True)
    # So many that several threads make them, which the child will not have.
    for number in range(100):
        run.add_issue(number)
    run.update_reports()
    child = os.fork()
    if child == 0:
        is_whole = False
        try:
            run.add_issue(100)
            is_whole = len(run.finalize_run()["issues_processed"]) == 101
        finally:
            os._exit(0 if is_whole else 1)
    status: list[int] = []
    assert eventually(lambda: bool(status or collect(child, status))), "the child waits forever"
    assert status == [0]


def collect(child: int, status: list[int]) -> bool:
    ended, code = os.waitpid(child, os.WNOHANG)
    status += [code] if ended else []
    return bool(ended)


def test_reports_that_cannot_be_written_are_counted_and_tried_again(root: Path) -> None:
    run = retally.RunLogger("168")
    (root / run.run_id / "issues").write_text("in the way")
    run.add_issue(1)
    assert eventually(lambda: run.stats.failures > 0)
    (root / run.run_id / "issues").unlink()
    run.add_issue(2)
    assert eventually(lambda: len([*root.glob("*/issues/*_metrics.json")]) == 2)
    assert run.stats.lost == 0


def test_threads_and_reports_at_once_end_at_the_whole(root: Path) -> None:
    run = retally.RunLogger("168", strict=True)

    def work(number: int) -> None:
        issue = run.issue(number)
        for _ in range(300):
            issue.record_tool_call("grep")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reports = [root / run.run_id / "issues" / f"issue_{number}_metrics.json" for number in range(4)]
    assert eventually(lambda: [calls_in(report) for report in reports] == [300] * 4)
