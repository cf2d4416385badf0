"""Whatever happens to the log, the orchestrator goes on; and what was logged is not lost."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import retally
from conftest import Events


def break_root(root: Path) -> None:
    """Put a file in the place of the folder of runs: nobody, not even root, can write there."""
    root.write_text("no folder")


def mend_root(root: Path) -> None:
    root.unlink()


def use(run: retally.RunLogger) -> None:
    with run.issue(123) as issue:
        with issue.agent("coding"):
            issue.record_llm_call("m", input_tokens=5)
    run.finalize_run()


def test_an_unwritable_root_costs_one_warning(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    break_root(root)
    with caplog.at_level(logging.DEBUG):
        run = retally.RunLogger("168")
        use(run)
        tracker = retally.IssueTracker(run.run_id, 124)
        assert tracker.finalize_issue() == {"issue_id": 124, "run_id": run.run_id}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    stats = run.stats
    assert (stats.written, stats.lost) == (0, 0)
    assert stats.pending == 9
    assert stats.failures > 0


def test_what_could_not_be_written_is_written_later_with_its_times(
    root: Path, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    times = iter(range(1000))
    break_root(root)
    run = retally.RunLogger("168", {"llm_model": "m"}, clock=lambda: float(next(times)))
    issue = run.issue(123)
    issue.start_agent("coding")
    issue.end_agent("coding", True)
    mend_root(root)
    report = issue.finalize_issue()
    run.finalize_run()
    assert run.stats[1:3] == (0, 0)
    assert [event["type"] for event in events()] == [
        "run.started",
        "issue.started",
        "agent.started",
        "agent.finished",
        "issue.finished",
        "run.finished",
    ]
    assert (report["status"], report["anomalies"]) == ("completed", [])
    assert report["duration_seconds"] == 3.0
    assert "can be written again" in caplog.text
    assert (root / run.run_id / "issues" / "issue_123_report.json").exists()


def test_what_is_left_is_written_at_exit(root: Path) -> None:
    program = """
import os, retally, sys
root = sys.argv[1]
open(root, "w").close()
retally.RunLogger("168").issue(7)
os.unlink(root)
"""
    ended = subprocess.run([sys.executable, "-c", program, str(root)], capture_output=True)
    assert ended.returncode == 0, ended.stderr
    [run] = root.iterdir()
    assert (run / "issues" / "issue_7_metrics.json").exists()


def test_reports_are_current_after_the_exit_without_an_end(root: Path) -> None:
    program = "import retally; run = retally.RunLogger('168'); run.issue(7).start_agent('coding')"
    subprocess.run([sys.executable, "-c", program], check=True)
    [metrics] = root.glob("*/issues/issue_7_metrics.json")
    assert '"coding"' in metrics.read_text()


def test_strict_raises_what_is_wrong_with_the_log(root: Path) -> None:
    break_root(root)
    with pytest.raises(retally.WriteError) as raised:
        retally.RunLogger("168", strict=True)
    assert isinstance(raised.value, (retally.RetallyError, OSError))


def test_an_event_that_no_log_can_hold_is_counted_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = retally.RunLogger("168")
    for _ in range(3):
        run.issue(1).finalize_issue("done")
    assert run.stats.lost == 3
    [record] = caplog.records
    assert "issue.finished" in record.message and "completed, failed, skipped" in record.message
    strict = retally.RunLogger("168", strict=True)
    with pytest.raises(retally.EventError):
        strict.finalize_run("done")


def test_what_the_caller_asked_for_in_vain_is_raised(root: Path) -> None:
    with pytest.raises(retally.RunIdError):
        retally.RunLogger("168", run_id="../outside")
    with pytest.raises(retally.RunIdError):
        retally.IssueTracker("../outside", 1)
    with pytest.raises(retally.RunNotFoundError):
        retally.open_run("run_")
    with pytest.raises(TypeError):
        retally.IssueTracker("run_1")
    with pytest.raises(ValueError):
        retally.RunLogger("168", durability="for ever")
    assert not root.exists()


def test_a_run_goes_on_in_another_process(root: Path) -> None:
    run = retally.RunLogger("168")
    run.issue(1).finalize_issue()
    program = "import retally; retally.open_run('latest').issue(2).finalize_issue('failed')"
    subprocess.run([sys.executable, "-c", program], check=True)
    summary = retally.open_run(run.run_id[:12]).finalize_run()
    assert summary["issues_processed"] == [1, 2]
    assert (summary["total_successes"], summary["total_errors"]) == (1, 1)


def test_threads_share_a_run() -> None:
    run = retally.RunLogger("168", strict=True)

    def work(number: int) -> None:
        issue = retally.IssueTracker(run.run_id, number)
        for _ in range(100):
            issue.record_tool_call("grep", success=True)
        issue.finalize_issue()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    summary = run.finalize_run()
    assert (summary["total_successes"], summary["tool_calls"]) == (8, 800)
    assert run.stats.written == 1 + 8 * 102 + 1


KILLED = """
import retally, sys
issue = retally.IssueTracker(sys.argv[1], sys.argv[2], strict=True)
for number in range(10**9):
    issue.record_tool_call("grep", success=True)
    if number % 100 == 99:
        print(number + 1, flush=True)
"""


def test_a_process_that_is_killed_loses_nothing_and_harms_nobody(root: Path) -> None:
    run = retally.RunLogger("168", strict=True)
    command = [sys.executable, "-c", KILLED, run.run_id]
    with (
        subprocess.Popen([*command, "1"], stdout=subprocess.PIPE, text=True) as killed,
        subprocess.Popen([*command, "2"], stdout=subprocess.PIPE, text=True) as stopped,
    ):
        acknowledged = {}
        for issue, process in (("1", killed), ("2", stopped)):
            assert process.stdout is not None
            for _ in range(3):
                acknowledged[issue] = int(process.stdout.readline())
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert killed.stdout is not None
        for line in killed.stdout:
            acknowledged["1"] = int(line)
        stopped.kill()
    successor = retally.IssueTracker(run.run_id, 3)
    successor.record_tool_call("grep")
    summary = run.finalize_run("stopped")
    for issue, number in acknowledged.items():
        assert run.issue(issue).get_report()["tool_calls"] >= number
    assert summary["misfit_lines"] == 0
    assert run.issue(3).get_report()["tool_calls"] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_logs_to_a_file_of_its_own(root: Path) -> None:
    run = retally.RunLogger("168", strict=True)
    parent = run.issue(1)
    parent.start_agent("coding")
    done = threading.Event()

    def flood() -> None:
        while not done.is_set():
            parent.record_tool_call("grep")

    thread = threading.Thread(target=flood)
    thread.start()
    children = []
    for number in range(10, 14):
        child = os.fork()
        if child == 0:
            ended = 1
            try:
                with run.issue(number) as issue, issue.agent("coding"):
                    issue.record_tool_call("ls")
                ended = 0
            finally:
                os._exit(ended)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    done.set()
    thread.join()
    assert statuses == [0] * 4
    parent.end_agent("coding", True)
    parent.finalize_issue()
    summary = run.finalize_run()
    assert (summary["total_successes"], summary["anomalies"]) == (5, [])
    assert summary["damaged_lines"] == 0


def solve(run_id: str, number: int) -> int:
    issue = retally.IssueTracker(run_id, number)
    for _ in range(50):
        issue.record_tool_call("ls")
    issue.finalize_issue()
    return issue.stats.written


def test_a_pool_of_processes_logs_to_one_run(root: Path) -> None:
    run = retally.RunLogger("168", strict=True)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        written = pool.starmap(solve, [(run.run_id, number) for number in range(4)])
    summary = run.finalize_run()
    assert (summary["total_successes"], summary["tool_calls"]) == (4, 200)
    assert all(count >= 52 for count in written)


def test_a_signal_handler_may_log(root: Path) -> None:
    run = retally.RunLogger("168", strict=True)
    issue = run.issue(1)
    before = signal.signal(signal.SIGALRM, lambda *_: issue.note("interrupted"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        while issue.get_report()["notes"] == [] or run.stats.written < 500:
            issue.record_tool_call("grep")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert run.finalize_run()["damaged_lines"] == 0


def test_importing_retally_imports_no_framework() -> None:
    program = "import sys, retally; print([m for m in ('numpy', 'pandas', 'langchain') if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ended.stdout == b"[]\n"
