from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from . import _run
from ._issue_tracker import IssueTracker
from ._plain import exception_text
from ._retally import Log
from ._run import Clock, LogStats, Options

# The keys of `config` that have fields of their own in the log.
_LLM_KEYS = {"provider": "llm_provider", "model": "llm_model", "temperature": "llm_temperature"}
_OWN_KEYS = {"mode": "mode", "execution_mode": "mode", "specific_issue": "specific_issue"}


class RunLogger:
    """Logs a run: what an orchestrator does from its start to its end.

    A logger may be used by any number of threads. As a context manager, plain or asynchronous, it
    ends the run: as completed, or as failed with the error where an exception left the block.

    Nothing that goes wrong with the log is raised unless `strict`: the first failure is told
    through `logging`, events are kept and tried again, and `stats` counts.
    """

    def __init__(
        self,
        project_id: object,
        config: Mapping[str, Any] | None = None,
        *,
        tags: Mapping[str, Any] | None = None,
        root: str | os.PathLike[str] | None = None,
        run_id: str | None = None,
        clock: Clock | None = None,
        strict: bool = False,
        verbose: bool = False,
        redact: bool = True,
        durability: str = "process",
        live: bool = True,
    ) -> None:
        """Start a run.

        `config` may hold anything; `llm_provider`, `llm_model`, `llm_temperature`, `mode` and
        `specific_issue` say what the reports call so. `root` is the folder of all runs, else
        `RETALLY_ROOT`, else `logs/runs`. `run_id` and `clock` (returns seconds since 1970, or a
        datetime) make tests deterministic; of an id that is taken `_2` becomes part. `redact`
        takes secrets out of all texts. `durability="power"` syncs each event to the disk. `live`
        keeps the report files current while events come.

        Raises `RunIdError` if `run_id` is none, and `ValueError` for another durability.
        """
        options = Options(strict, verbose, redact, _durability(durability), live, clock)
        self._run = _run.start(_run.root_path(root), run_id, str(project_id), options)
        self._is_finished = False
        fields = _started(project_id, config, tags)
        self._run.append("run.started", fields)
        self._run.say(f"run {self.run_id} started")

    @classmethod
    def _of(cls, run: _run.Run) -> RunLogger:
        logger = cls.__new__(cls)
        logger._run = run
        logger._is_finished = False
        return logger

    @property
    def run_id(self) -> str:
        """The run's id, which is the name of its folder."""
        return self._run.run_id

    @property
    def root(self) -> str:
        """The folder of all runs."""
        return self._run.root

    @property
    def stats(self) -> LogStats:
        """What became of the events that this process logged to the run."""
        return self._run.stats

    def add_issue(self, issue_id: object, title: str | None = None) -> None:
        """Record that the work on an issue began. To say it twice changes nothing."""
        self._run.append("issue.started", {"issue": issue_id, "title": title})

    def issue(self, issue_id: object, title: str | None = None) -> IssueTracker:
        """Begin the work on an issue and return its tracker, which is a context manager."""
        return IssueTracker._of(self._run, issue_id, title)

    def record_success(self) -> None:
        """Count a success of the run. Where nothing is counted, issues that are done count."""
        self._run.append("run.scored", {"success": True})

    def record_error(
        self,
        error_type: str | None = None,
        message: str | None = None,
        *,
        severity: str | None = None,
    ) -> None:
        """Count an error of the run, and record what it was where that is said."""
        self._run.append("run.scored", {"success": False})
        if error_type is not None or message is not None:
            self._record_error(error_type, message, severity)

    def _record_error(
        self, error_type: object, message: object, severity: str | None = None
    ) -> None:
        fields = {"error_type": error_type, "message": message, "severity": severity}
        fields = {"error_type": "error", "message": ""} | _stated(fields)
        self._run.append("error.recorded", fields)

    def note(self, text: str, *, agent: str | None = None) -> None:
        """Add a note to the run."""
        self._run.append("note.added", {"text": text, "agent": agent})

    def event(self, type: str, **fields: Any) -> None:
        """Append an event of any type, also one of your own such as `acme.deployed`."""
        self._run.append(type, fields)

    def update_reports(self) -> None:
        """Bring the report files to what the log says now."""
        self._run.update_reports()

    def get_run_summary(self) -> dict[str, Any]:
        """Return the report of the run as it is now, with the keys of its final report file."""
        return self._run.run_report()

    def finalize_run(self, status: str = "completed") -> dict[str, Any]:
        """End the run as `completed`, `failed` or `stopped`, and return its report.

        When it returns, the report files are written.
        """
        self._is_finished = True
        self._run.finish(_word(status))
        self._run.update_reports()
        self._run.say(f"run {self.run_id} {status}")
        return self._run.run_report()

    def __enter__(self) -> RunLogger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None and self._run.is_news(error) and not _is_plain_exit(error):
            self._record_error(type(error).__name__, exception_text(error))
        if not self._is_finished:
            self.finalize_run(_status_after(error))

    async def __aenter__(self) -> RunLogger:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __repr__(self) -> str:
        return f"<RunLogger {self.run_id}>"


def open_run(
    run_id: str,
    *,
    root: str | os.PathLike[str] | None = None,
    clock: Clock | None = None,
    strict: bool = False,
    verbose: bool = False,
    redact: bool = True,
    durability: str = "process",
    live: bool = True,
) -> RunLogger:
    """Go on with a run, also one that another process started or that ended.

    `run_id` may be the beginning of an id, or `latest`. The options are those of `RunLogger`.

    Raises `RunNotFoundError` if there is no such run, or several.
    """
    options = Options(strict, verbose, redact, _durability(durability), live, clock)
    path = _run.root_path(root)
    return RunLogger._of(_run.go_on(path, Log.find(path, run_id), options._asdict()))


def _durability(word: str) -> str:
    if word not in ("process", "power"):
        raise ValueError(f"durability is {word!r} (want 'process' or 'power')")
    return word


def _word(status: object) -> str:
    return str(getattr(status, "value", status))


def _status_after(error: BaseException | None) -> str:
    if error is None or _is_plain_exit(error):
        return "completed"
    return "failed" if isinstance(error, Exception) else "stopped"


def _is_plain_exit(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and error.code in (None, 0)


def _stated(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _started(
    project_id: object, config: Mapping[str, Any] | None, tags: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the fields of `run.started`: what `config` says of the model stands by itself."""
    if config is not None and not isinstance(config, Mapping):
        config = dict(getattr(config, "__dict__", None) or {"config": config})
    config = dict(config or {})
    llm = {name: config.pop(key, None) for name, key in _LLM_KEYS.items()}
    fields: dict[str, Any] = {"project_id": project_id, "llm": _stated(llm) or None}
    for key, name in _OWN_KEYS.items():
        if config.get(key) is not None and fields.get(name) is None:
            fields[name] = config.pop(key)
    # What is left; the log has no use for an empty one.
    return fields | {"config": config or None, "tags": dict(tags) if tags else None}
