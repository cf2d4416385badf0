"""The model's log: lines as docs/format.md says, and what is asked of lists of events."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

Report = dict[str, Any]

# The fields of each type by docs/format.md, but `issue`.
FIELDS = {
    "run.started": "project_id llm mode specific_issue config tags",
    "run.finished": "status segments",
    "run.scored": "success",
    "issue.started": "title",
    "issue.finished": "status",
    "agent.started": "agent span",
    "agent.finished": "agent span success error",
    "pipeline.recorded": "pipeline_id status commit_sha name ref attempt started_at"
    " triggered_by failed_jobs error_type queue_ms duration_ms url",
    "debug.started": "agent error_type error_message span",
    "debug.attempted": "agent span",
    "debug.finished": "agent span resolved resolution_method",
    "error.recorded": "agent error_type message severity",
    "llm.called": "agent provider model input_tokens output_tokens cache_read_tokens"
    " cache_write_tokens reasoning_tokens cost_usd duration_ms success error calls",
    "tool.called": "agent tool success duration_ms error calls",
    "code.changed": "agent files_created files_modified files_deleted lines_added lines_deleted"
    " commits test_coverage_percent",
    "note.added": "text agent",
}
FINAL = (
    "success failed canceled skipped timed_out action_required neutral stale"
    " startup_failure".split()
)
OTHER_SPELLINGS = {
    "failure": "failed",
    "cancelled": "canceled",
    "in_progress": "running",
    "requested": "running",
}
TOKENS = "input_tokens output_tokens cache_read_tokens cache_write_tokens reasoning_tokens".split()
CODE_COUNTS = (
    "files_created files_modified files_deleted lines_added lines_deleted commits".split()
)
LIST_MAX = 1000


@dataclass(eq=False)
class Event:
    """A line of a log, equal to itself only; `ts` is in microseconds since 1970."""

    segment: str
    ts: int
    type: str
    fields: dict[str, Any]
    effective: int = 0
    """The greatest `ts` of the segment up to here."""

    def __post_init__(self) -> None:
        # `null` is absent.
        self.fields = {name: value for name, value in self.fields.items() if value is not None}

    def get(self, name: str) -> Any:
        return self.fields.get(name)

    @property
    def issue(self) -> str | None:
        value = self.get("issue")
        return None if value is None else str(value)

    @property
    def is_known(self) -> bool:
        return self.type in FIELDS


@dataclass
class Log:
    """All lines of a run, and the price book of its root."""

    run_id: str
    prices: Sequence[dict[str, Any]] = ()
    lines: list[Event] = field(default_factory=list)
    misfit_lines: int = 0
    latest: dict[str, int] = field(default_factory=dict)
    """By segment the greatest `ts` so far."""

    def add(self, segment: str, ts: int, type: str, fields: dict[str, Any]) -> None:
        event = Event(segment, ts, type, fields)
        event.effective = self.latest[segment] = max(ts, self.latest.get(segment, ts))
        self.lines.append(event)

    def add_misfit(self, segment: str, ts: int | None) -> None:
        self.misfit_lines += 1
        if ts is not None:
            self.latest[segment] = max(ts, self.latest.get(segment, ts))

    def events(self) -> list[Event]:
        """All events that count, in log order."""
        # The sort is stable, so that the lines of a segment keep their order.
        ordered = sorted(self.lines, key=lambda it: (it.effective, it.segment.encode()))
        used: set[tuple[str | None, str]] = set()
        counting = []
        for event in ordered:
            key = event.get("key")
            if key is not None:
                if (event.issue, key) in used:
                    continue
                used.add((event.issue, key))
            counting.append(event)
        return counting

    def issues(self) -> list[str]:
        """The issues that events name, by first appearance."""
        named = [event.issue for event in self.events() if event.is_known]
        return [issue for issue in dict.fromkeys(named) if issue is not None]


def total(events: Iterable[Event], name: str) -> int | None:
    """The sum of what was stated, `None` where nothing was."""
    stated = [event.get(name) for event in events if event.get(name) is not None]
    return sum(stated) if stated else None


def calls(event: Event) -> int:
    stated = event.get("calls")
    return 1 if stated is None else int(stated)


def of_type(events: Iterable[Event], type: str) -> list[Event]:
    return [event for event in events if event.type == type]


def last_stated(events: Iterable[Event], name: str) -> Any:
    return ([event.get(name) for event in events if event.get(name) is not None] or [None])[-1]


# Numbers, times, names


def printed(value: Fraction | int, decimals: int) -> Decimal:
    """Rounds half to even and prints with at most so many decimals, but at least one."""
    digits = round(Fraction(value) * 10**decimals)
    text = str(abs(digits)).rjust(decimals + 1, "0")
    whole, rest = text[:-decimals], text[-decimals:].rstrip("0") or "0"
    return Decimal(f"{'-' if digits < 0 else ''}{whole}.{rest}")


def seconds(micros: int) -> Decimal:
    return printed(Fraction(micros, 10**6), 3)


def percent(part: int, base: int, most: int | None = None) -> Decimal | None:
    if base == 0:
        return None
    rate = Fraction(100 * part, base)
    return printed(rate if most is None else min(rate, Fraction(most)), 2)


def time_text(micros: int | None) -> str | None:
    if micros is None:
        return None
    time = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=micros)
    return time.isoformat(timespec="microseconds") + "Z"


def issue_id(text: str) -> int | str:
    return int(text) if re.fullmatch(r"0|-?[1-9][0-9]*", text, re.ASCII) else text
