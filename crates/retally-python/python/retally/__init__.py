"""Logs what LLM agents do to issues, and says what it amounts to.

>>> import retally, tempfile
>>> with retally.RunLogger("168", root=tempfile.mkdtemp()) as run:
...     with run.issue(123, title="Login fails") as issue:
...         with issue.agent("coding"):
...             issue.record_llm_call("deepseek-chat", input_tokens=5200, output_tokens=810)
>>> run.get_run_summary()["success_rate"]
100.0

Events go to append-only files in the root, `logs/runs` unless `RETALLY_ROOT` or `root=` says
otherwise; the report files beside them are current whenever an issue or the run is finalized.
"""

from ._current import current_issue
from ._decorators import agent, tool
from ._errors import (
    EventError,
    ReportError,
    RetallyError,
    RunIdError,
    RunNotFoundError,
    SyncError,
    WriteError,
)
from ._issue_tracker import AgentAttempt, IssueTracker
from ._recorded import Change, RecordedRun, Runs, Table, read_run, rebuild, runs
from ._reports import IssueReport, RunMetadata, RunReport
from ._run import LogStats
from ._run_logger import RunLogger, open_run

__all__ = [
    "AgentAttempt",
    "Change",
    "EventError",
    "IssueReport",
    "IssueTracker",
    "LogStats",
    "RecordedRun",
    "ReportError",
    "RetallyError",
    "RunIdError",
    "RunLogger",
    "RunMetadata",
    "RunNotFoundError",
    "RunReport",
    "Runs",
    "SyncError",
    "Table",
    "WriteError",
    "agent",
    "current_issue",
    "open_run",
    "read_run",
    "rebuild",
    "runs",
    "tool",
]
