"""The original tracker's users change one import."""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import retally

EXAMPLE = Path(__file__).with_name("seed_example.py")


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def check_reports(root: Path) -> None:
    [run] = root.iterdir()
    assert run.name.startswith("run_") and run.name.endswith("_project_168")
    final = read(run / f"{run.name}_final.json")
    assert final["run_id"] == run.name
    assert final["project_id"] == "168"
    assert final["llm_configuration"] == {
        "provider": "deepseek",
        "model": "deepseek-chat",
        "temperature": 0.0,
    }
    assert final["execution_mode"] == "implement_all"
    assert final["issues_processed"] == [123]
    assert (final["total_successes"], final["total_errors"]) == (1, 0)
    assert (final["success_rate"], final["status"]) == (100.0, "completed")
    assert read(run / f"{run.name}_metadata.json")["status"] == "completed"

    report = read(run / "issues" / "issue_123_report.json")
    assert read(run / "issues" / "issue_123_metrics.json") == report
    assert (report["issue_id"], report["status"]) == (123, "completed")
    agents = {
        name: [agent[key] for key in ("attempts", "successes", "failures", "retries")]
        for name, agent in report["agent_metrics"].items()
    }
    assert agents == {"coding": [1, 1, 0, 0], "testing": [0, 0, 0, 2]}
    assert (report["pipeline_attempts"], report["pipeline_success_rate"]) == (2, 50.0)
    assert (report["succeeded_pipelines"], report["failed_pipelines"]) == (1, 1)
    assert (report["total_errors"], report["debugging_cycles"]) == (1, 1)
    assert (report["resolved_cycles"], report["debugging_success_rate"]) == (1, 100.0)
    [cycle] = report["debugging_details"]
    assert (cycle["agent"], cycle["error_type"], cycle["attempts"], cycle["resolved"]) == (
        "testing",
        "test_failure",
        2,
        True,
    )
    pipelines = [(it["pipeline_id"], it["status"], it["commit_sha"]) for it in report["pipeline_details"]]
    assert pipelines == [("4259", "failed", "abc123"), ("4260", "success", "def456")]
    assert report["anomalies"] == []


def test_the_seeds_example_leaves_the_seeds_files(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    runpy.run_path(str(EXAMPLE))
    check_reports(root)
    assert capfd.readouterr() == ("", "")


def test_the_seeds_example_is_a_program(root: Path) -> None:
    ended = subprocess.run([sys.executable, EXAMPLE], capture_output=True, check=True)
    assert (ended.stdout, ended.stderr) == (b"", b"")
    check_reports(root)


def test_finalize_issue_returns_what_stands_in_its_file(root: Path) -> None:
    run = retally.RunLogger("168")
    tracker = retally.IssueTracker(run_id=run.run_id, issue_iid="PROJ-7")
    report = tracker.finalize_issue("failed")
    assert report == read(root / run.run_id / "issues" / "issue_PROJ-7_report.json")
    assert (report["issue_id"], report["status"]) == ("PROJ-7", "failed")
    summary = run.finalize_run("failed")
    assert summary == read(root / run.run_id / f"{run.run_id}_final.json")
    assert summary == run.get_run_summary()
    assert summary["total_errors"] == 1


def test_the_runs_own_counts_win() -> None:
    run = retally.RunLogger("168")
    run.issue(1).finalize_issue()
    run.issue(2).finalize_issue()
    run.record_success()
    run.record_error()
    run.record_error("timeout", "the model did not answer", severity="high")
    summary = run.get_run_summary()
    assert (summary["total_successes"], summary["total_errors"]) == (1, 2)
    assert summary["success_rate"] == 50.0
    [error] = summary["errors"]
    assert (error["error_type"], error["severity"]) == ("timeout", "high")


def test_verbose_prints_and_nothing_else_does(capfd: pytest.CaptureFixture[str]) -> None:
    run = retally.RunLogger("168", run_id="run_1", verbose=True)
    run.issue(7).finalize_issue()
    run.finalize_run()
    printed = capfd.readouterr().out.splitlines()
    assert printed == [
        "retally: run run_1 started",
        "retally: issue 7 completed",
        "retally: run run_1 completed",
    ]


def test_the_same_calls_at_the_same_times_leave_the_same_reports(tmp_path: Path) -> None:
    def report(root: Path) -> bytes:
        times = iter(range(1_733_236_222, 1_733_236_999))
        clock = lambda: float(next(times))  # noqa: E731
        with retally.RunLogger("168", run_id="run_test", root=root, clock=clock) as run:
            with run.issue(123) as issue, issue.agent("coding"):
                issue.record_llm_call("deepseek-chat", input_tokens=1000, output_tokens=100)
        files = sorted(root.glob("run_test/**/*.json"))
        assert len(files) == 4
        return b"".join(path.read_bytes() for path in files)

    first = report(tmp_path / "a")
    assert first == report(tmp_path / "b")
    assert b'"started_at": "2024-12-03T14:30:22.000000Z"' in first
