"""What the adapters share needs no framework; what needs one is in `adapters`."""

import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import retally
from conftest import DOCS, Events, examples
from retally.adapters import _recorder
from retally.adapters._recorder import Recorder

FRAMEWORKS = {
    "agents",
    "claude_agent_sdk",
    "langchain_core",
    "langgraph",
    "litellm",
    "opentelemetry",
    "pydantic_ai",
    "smolagents",
}


def test_importing_retally_imports_no_adapter_and_no_framework() -> None:
    program = "import sys, retally; print(*{name.partition('.')[0] for name in sys.modules}); "
    program += "print(*[name for name in sys.modules if 'adapters' in name])"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    imported, adapters = result.stdout.splitlines()
    assert not FRAMEWORKS & set(imported.split())
    assert adapters == ""


def test_every_adapter_has_a_lock_file_a_test_an_extra_and_an_example() -> None:
    package = Path(_recorder.__file__).parent
    names = {file.stem for file in package.glob("*.py") if not file.stem.startswith("_")}
    tests = Path(__file__).parent / "adapters"
    assert names == {file.stem for file in tests.glob("*.lock")}
    assert names == {file.stem.removeprefix("test_") for file in tests.glob("test_*.py")}
    extras = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    assert all(f'\n{name.replace("_", "-")} = [' in extras for name in names)
    assert all(examples("python-adapters.md", f"python {name}") for name in names)


def test_the_page_states_the_versions_that_are_tested() -> None:
    page = (DOCS / "python-adapters.md").read_text()
    [table] = re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE)
    rows = [row.split("|")[3:5] for row in table.splitlines()[2:]]
    for name, packages in rows:
        lock = Path(__file__).parent / "adapters" / f"{name.strip(' `')}.lock"
        for package in packages.split(","):
            assert package.strip().replace(" ", "==") in lock.read_text().splitlines()
    assert len(rows) == 6


def test_an_adapter_wants_a_tracker_or_a_run() -> None:
    with pytest.raises(TypeError, match="`IssueTracker` or a `RunLogger`"):
        Recorder("168")  # type: ignore[arg-type]


def test_spans_inherit_agent_and_issue_until_they_end(events: Events) -> None:
    run = retally.RunLogger("168")
    recorder = Recorder(run, agent="orchestrator")
    recorder.begin("graph", issue=7)
    recorder.begin("agent", "graph", agent="coder")
    recorder.begin("step", "agent")
    recorder.llm_call(recorder.span("step"), "m")
    recorder.end("agent", False, "no idea")
    recorder.llm_call(recorder.span("graph"), "m")
    recorder.llm_call(recorder.span("agent"), None)
    found = [event for event in events() if event["type"] != "run.started"]
    pair = found[0].pop("span")
    assert found == [
        {"type": "agent.started", "issue": 7, "agent": "coder"},
        {"type": "llm.called", "issue": 7, "agent": "coder", "model": "m"},
        {
            "type": "agent.finished",
            "issue": 7,
            "agent": "coder",
            "span": pair,
            "success": False,
            "error": "no idea",
        },
        {"type": "llm.called", "issue": 7, "agent": "orchestrator", "model": "m"},
        {"type": "llm.called", "agent": "orchestrator", "model": "unknown"},
    ]


def test_an_exception_that_leaves_the_issue_ends_the_adapters_agents_too() -> None:
    with pytest.raises(KeyError):
        with retally.RunLogger("168").issue(1) as issue:
            Recorder(issue).begin(1, agent="coder")
            raise KeyError("user_id")
    assert issue.get_report()["agent_metrics"]["coder"]["failures"] == 1


def test_an_event_with_a_time_of_its_own_is_refused_like_any_other() -> None:
    run = retally.RunLogger("168")
    Recorder(run).append_at("agent.finished", 1, {"agent": "coder"}, 0)
    assert run.stats[1:3] == (0, 1)
    run = retally.RunLogger("168", strict=True)
    with pytest.raises(retally.EventError):
        Recorder(run).append_at("agent.finished", 1, {"agent": "coder"}, 0)


def test_an_event_with_a_time_of_its_own_is_in_the_reports_at_exit(root: Path) -> None:
    program = """
import retally
from retally.adapters._recorder import Recorder
run = retally.RunLogger("168", run_id="run_test")
run.issue(1).finalize_issue()
run.finalize_run()
Recorder(run).append_at("llm.called", 1, {"model": "m"}, 1_800_000_000_000_000_000)
assert run.stats.written == 5
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    report = json.loads((root / "run_test" / "issues" / "issue_1_report.json").read_text())
    assert report["llm_calls"] == 1


def test_spans_that_never_end_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_recorder, "_OPEN_SPANS_MAX", 8)
    recorder = Recorder(retally.RunLogger("168"))
    for number in range(20):
        recorder.begin(number, agent="coder", issue=1)
    assert [*recorder._spans] == [*range(12, 20)]
    assert recorder.end(3) is None


def test_threads_share_an_adapter(events: Events) -> None:
    recorder = Recorder(retally.RunLogger("168"))

    def work(worker: int) -> None:
        for number in range(50):
            key = (worker, number)
            recorder.begin(key, agent=f"agent_{worker}", issue=worker)
            recorder.tool_call(recorder.span(key), "grep", success=True)
            recorder.end(key)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [event for event in events() if event["type"] != "run.started"]
    assert len(found) == 4 * 50 * 3
    assert {(event["issue"], event["agent"]) for event in found} == {
        (worker, f"agent_{worker}") for worker in range(4)
    }
