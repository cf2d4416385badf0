"""One run, as this process has it: shared by the objects that log to it."""

from __future__ import annotations

import atexit
import datetime
import json
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from ._errors import EventError, RetallyError, SyncError
from ._retally import Log, event_json

Clock = Callable[[], "datetime.datetime | float"]
T = TypeVar("T")

_logger = logging.getLogger("retally")

# While nothing can be written, so much is kept to be written later; what goes beyond is lost.
_PENDING_BYTES_MAX = 16 << 20
# How long to wait until it is tried again.
_RETRY_SECONDS = 1.0


class LogStats(NamedTuple):
    """What became of the events that a process logged to a run."""

    written: int
    """Events that stand in the log."""
    pending: int
    """Events that could not be written yet, and are tried again."""
    lost: int
    """Events that no log can hold, or that were too many to be kept."""
    failures: int
    """Attempts that failed, at events and at report files."""


class Options(NamedTuple):
    """How a run is logged."""

    strict: bool = False
    verbose: bool = False
    redact: bool = True
    durability: str = "process"
    live: bool = True
    clock: Clock | None = None


class Run:
    """A run's log, and what could not be written to it yet."""

    def __init__(self, root: str, run_id: str | None, project: str | None, options: Options):
        self.root = root
        self.options = options
        self.log: Log | None = None
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._next_retry = 0.0
        # Taken without waiting only, so that neither a signal handler nor a fork can block on it.
        self._retrying = threading.Lock()
        self._written = self._lost = self._failures = 0
        self._refused_types: set[str] = set()
        self._is_warned = False
        self._is_changed = False
        # It is there as long as any of its runs.
        self.group: _Group | None = None
        self._spans = 0
        self._span_prefix = "" if options.clock else _token()
        if run_id is not None:
            Log.check_id(run_id)
        self.run_id = self._start(run_id, project)
        _live.add(self)

    def _start(self, run_id: str | None, project: str | None) -> str:
        """Open the log, new where there is a project, and return the run's id."""
        if project is None:
            assert run_id is not None, "a run that is not started is known by its id"
            self.guarded(lambda: self._open(run_id))
            return run_id
        variables, has_clock = self._variables(), self.options.clock is not None
        # A clock of the caller's is asked as seldom as can be.
        micros = 0 if run_id is not None else self._micros()
        try:
            self.log = Log.start(
                self.root,
                project,
                run_id=run_id,
                variables=variables,
                micros=micros,
                has_clock=has_clock,
                durability=self.options.durability,
                is_live=self.options.live,
            )
            return self.log.run_id
        except (RetallyError, OSError) as error:
            self._failed(error)
            # Nobody could reserve an id, so it has to be one that nobody else has.
            return run_id or f"{Log.usual_id('unwritten', micros)}_{os.urandom(6).hex()}"

    def _open(self, run_id: str) -> None:
        self.log = Log.open(
            self.root,
            run_id,
            variables=self._variables(),
            has_clock=self.options.clock is not None,
            durability=self.options.durability,
            is_live=self.options.live,
        )

    def _variables(self) -> dict[str, str] | None:
        if not self.options.redact:
            return None
        pairs = os.environ.items()
        return {key: value for key, value in pairs if _is_unicode(key) and _is_unicode(value)}

    def _micros(self) -> int:
        """Return the time in microseconds since 1970, by the clock that was handed over."""
        clock = self.options.clock
        if clock is None:
            return time.time_ns() // 1000
        now = clock()
        if isinstance(now, datetime.datetime):
            since = now.astimezone(datetime.timezone.utc) - _EPOCH
            return since // datetime.timedelta(microseconds=1)
        return round(now * 1_000_000)

    def append(self, type_name: str, fields: dict[str, Any]) -> None:
        """Append an event, or keep it for later. Raises nothing unless `strict`."""
        self._is_changed = True
        if self._pending and not self.retry():
            self._keep(type_name, fields)
            return
        try:
            if self.log is None:
                self._open(self.run_id)
            assert self.log is not None, "`_open` sets it"
            self.log.append(type_name, fields, self._micros() if self.options.clock else None)
            self._written += 1
        except SyncError as error:
            self._written += 1
            self._failed(error)
        except EventError as error:
            self._refuse(type_name, error)
        except Exception as error:
            # Kept before it is told, which raises where `strict`.
            if not self.options.strict:
                self._keep(type_name, fields)
            self._failed(error)

    def finish(self, status: str) -> None:
        """Append the end of the run."""
        self._is_changed = True
        if self.log is None or (self._pending and not self.retry(now=True)):
            self.append("run.finished", {"status": status})
            return
        try:
            self.log.finish(status, self._micros() if self.options.clock else None)
            self._written += 1
        except SyncError as error:
            self._written += 1
            self._failed(error)
        except EventError as error:
            self._refuse("run.finished", error)
        except Exception as error:
            if not self.options.strict:
                self._keep("run.finished", {"status": status})
            self._failed(error)

    def _refuse(self, type_name: str, error: EventError) -> None:
        self._lost += 1
        if self.options.strict:
            raise error
        if type_name not in self._refused_types:
            self._refused_types.add(type_name)
            _logger.warning("run %s: `%s` is not logged: %s", self.run_id, type_name, error)

    def _keep(self, type_name: str, fields: dict[str, Any]) -> None:
        """Keep an event with its time, and with a key so that it cannot count twice."""
        try:
            key = None if "key" in fields else os.urandom(16).hex()
            event = event_json(type_name, fields, self._micros(), key)
        except Exception as error:
            self._lost += 1
            self._warn(error)
            return
        if self._pending_bytes + len(event) > _PENDING_BYTES_MAX:
            self._lost += 1
            return
        self._pending.append(event)
        self._pending_bytes += len(event)
        _unwritten.add(self)

    def retry(self, now: bool = False) -> bool:
        """Write what is kept, if it is time to; return whether nothing is left."""
        if not now and time.monotonic() < self._next_retry:
            return False
        if not self._retrying.acquire(blocking=False):
            return False
        try:
            if self.log is None:
                self._open(self.run_id)
            assert self.log is not None, "`_open` sets it"
            while self._pending:
                self._write_first(self.log)
        except Exception as error:
            self._next_retry = time.monotonic() + _RETRY_SECONDS
            self._failures += 1
            self._warn(error)
            return False
        finally:
            self._retrying.release()
        _unwritten.discard(self)
        if self._is_warned:
            self._is_warned = False
            _logger.warning("run %s: the log can be written again", self.run_id)
        return True

    def _write_first(self, log: Log) -> None:
        event = self._pending[0]
        try:
            log.append_given(event)
            self._written += 1
        except SyncError:
            self._written += 1
        except EventError as error:
            self._lost += 1
            self._warn(error)
        self._pending.popleft()
        self._pending_bytes -= len(event)

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._next_retry = time.monotonic() + _RETRY_SECONDS
        if self.options.strict:
            raise error
        self._warn(error)

    def _warn(self, error: Exception) -> None:
        """Tell the first failure of many."""
        if not self._is_warned:
            self._is_warned = True
            # While it is being started it has no id yet.
            name = getattr(self, "run_id", "that is being started")
            _logger.warning("run %s is not logged as it should be: %s", name, error)

    def guarded(self, call: Callable[[], T]) -> T | None:
        """Return what `call` returns, or `None` where it fails and that is not to be raised."""
        try:
            return call()
        except Exception as error:
            self._failed(error)
            return None

    def update_reports(self) -> None:
        """Bring the report files to what the log says."""
        if self._pending:
            self.retry(now=True)
        if (log := self.log) is not None:
            self._is_changed = False
            if self.guarded(log.update_reports) is None:
                self._is_changed = True

    def run_report(self) -> dict[str, Any]:
        """Return the run's report as it is now; without a log, what is known of it."""
        log = self.log
        text = self.guarded(log.run_report) if log is not None else None
        return json.loads(text) if text else {"run_id": self.run_id}

    def issue_report(self, issue: str) -> dict[str, Any] | None:
        """Return an issue's report as it is now, or `None` where no event that was written names it."""
        log = self.log
        text = self.guarded(lambda: log.issue_report(issue)) if log is not None else None
        return json.loads(text) if text else None

    def is_news(self, error: BaseException) -> bool:
        """Return whether an exception was not recorded yet: it may pass through several contexts."""
        place = (self.root, self.run_id)
        if getattr(error, "_retally_recorded", None) == place:
            return False
        try:
            error._retally_recorded = place  # type: ignore[attr-defined]
        except Exception:
            pass  # One that takes no attribute is recorded by each context.
        return True

    def new_span(self) -> str:
        """Return what pairs a start with its end, unlike any other of the run."""
        self._spans += 1
        return f"{self._span_prefix}{self._spans}"

    def say(self, text: str) -> None:
        """Print, where that is wanted."""
        if self.options.verbose:
            print(f"retally: {text}", flush=True)

    @property
    def stats(self) -> LogStats:
        """What became of the events so far."""
        failures = self._failures + (self.log.failed_updates if self.log else 0)
        return LogStats(self._written, len(self._pending), self._lost, failures)

    def at_exit(self) -> None:
        """Write what is left, once."""
        if self._is_changed:
            self.update_reports()

    def in_child(self) -> None:
        """Begin anew after a fork: what is kept is the parent's to write."""
        self._retrying = threading.Lock()
        self._pending, self._pending_bytes = deque(), 0
        self._written = self._lost = self._failures = 0
        self._is_changed = False
        if self.options.clock is None:
            self._span_prefix = _token()


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

# What this process has of each run, by root and id, as long as it has any of it.
_groups: weakref.WeakValueDictionary[tuple[str, str], _Group] = weakref.WeakValueDictionary()
# All of them, also those that were opened with options of their own.
_live: weakref.WeakSet[Run] = weakref.WeakSet()
# Runs that must not be forgotten, for what is kept would be lost.
_unwritten: set[Run] = set()
_lock = threading.RLock()


def start(root: str, run_id: str | None, project: str, options: Options) -> Run:
    """Start a run."""
    run = Run(root, run_id, project, options)
    with _lock:
        _join_group(run)
    return run


def go_on(root: str, run_id: str, given: dict[str, Any]) -> Run:
    """Return a run as this process has it with these options, else open it. Options that are not
    given are those of the first that it had, such as its logger's."""
    with _lock:
        group = _groups.get((root, run_id))
        options = (group.options if group else Options())._replace(**given)
        for run in group.runs if group else ():
            if run.options == options:
                return run
        run = Run(root, run_id, None, options)
        _join_group(run)
        return run


class _Group:
    """A run as this process has it, once for each set of options, so that trackers which log alike
    share a segment."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.runs: weakref.WeakSet[Run] = weakref.WeakSet()


def _join_group(run: Run) -> None:
    group = _groups.setdefault((run.root, run.run_id), _Group(run.options))
    group.runs.add(run)
    run.group = group


def root_path(root: str | os.PathLike[str] | None) -> str:
    """Return the root as an absolute path: `root`, else `RETALLY_ROOT`, else `logs/runs`."""
    return os.path.abspath(root or os.environ.get("RETALLY_ROOT") or "logs/runs")


def _token() -> str:
    return f"{os.urandom(6).hex()}-"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _at_exit() -> None:
    for run in list(_live):
        try:
            run.at_exit()
        except Exception as error:
            _logger.warning("run %s is not logged as it should be: %s", run.run_id, error)


def _in_child() -> None:
    global _lock
    _lock = threading.RLock()
    _unwritten.clear()
    for run in list(_live):
        run.in_child()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
