"""What a log amounts to, written from docs/format.md and docs/metrics.md alone.

Simple and slow: a list of lines, and each number computed from the whole of it. Nothing here knows
how the package does it. Measured numbers are `Decimal`s as they are printed; numbers that a caller
stated stay `float`s.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from model_log import (
    FIELDS,
    LIST_MAX,
    Log,
    Report,
    issue_id,
    of_type,
    percent,
    seconds,
    time_text,
)
from model_parts import (
    Anomaly,
    agent_attempts,
    code,
    cycle_detail,
    cycles,
    errors,
    first_pass_keys,
    notes,
    pipeline_attempts,
    pipeline_detail,
    pipeline_keys,
    tools,
    usage_keys,
)

# An issue


class Issue:
    """The events of an issue, and what several reports ask of it."""

    def __init__(self, log: Log, issue: str) -> None:
        everything = log.events()
        self.log, self.issue = log, issue
        self.events = [it for it in everything if it.is_known and it.issue == issue]
        self.first = min(self.events, key=lambda it: it.ts)
        self.last = max(self.events, key=lambda it: it.ts)
        self.anomalies: list[Anomaly] = []
        self._read_parts()
        is_run_ended = bool(of_type(everything, "run.finished"))
        self.status = self.said_status or ("abandoned" if is_run_ended else "in_progress")
        self.cycles = cycles(self.events, self.anomalies)
        if self.status != "in_progress":
            still_open = [it for it in self.cycles if it.end is None]
            self.anomalies += [
                Anomaly("cycle_still_open", it.start, it.start.get("agent")) for it in still_open
            ]
        named = [it.get("agent") for it in self.events if it.get("agent") is not None]
        self.agents = {
            agent: agent_attempts(self.events, agent, self.anomalies)
            for agent in dict.fromkeys(named)
        }
        # In log order.
        self.anomalies.sort(key=lambda it: everything.index(it.event))  # type: ignore[arg-type]

    def _read_parts(self) -> None:
        """Reads the parts in which the issue was open, its title, and how it ended last."""
        self.title = self.said_status = self.ended_at = None
        self.duration = 0
        self.started_at: int | None = None
        start: int | None = None
        for event in self.events:
            if event.type == "issue.started":
                is_opening = start is None
                start = event.ts if start is None else start
                self.started_at = start if self.started_at is None else self.started_at
                if self.title is None or (is_opening and event.get("title") is not None):
                    self.title = event.get("title")
                self.said_status = self.ended_at = None
            if event.type == "issue.finished":
                if self.said_status is None:
                    # The first event stands for a start that comes late too.
                    start = self.first.ts if start is None else start
                    self.started_at = start if self.started_at is None else self.started_at
                    self.duration += max(0, event.ts - start)
                    if event.ts < start:
                        self.anomalies.append(Anomaly("issue_end_before_start", event))
                    self.ended_at = event.ts
                self.said_status, start = event.get("status"), None
        if self.said_status is None:
            start = self.first.ts if start is None else start
            self.started_at = start if self.started_at is None else self.started_at
            self.duration += max(0, self.last.ts - start)

    def retries(self, agent: str) -> int:
        return sum(it.attempts for it in self.cycles if it.start.get("agent") == agent)

    def agent_metrics(self) -> Report:
        report = {}
        for agent, found in self.agents.items():
            is_unknown = found.ends and not found.durations
            report[agent] = {
                "attempts": found.starts + found.unmatched,
                "successes": sum(it.get("success") is True for it in found.ends),
                "failures": sum(it.get("success") is False for it in found.ends),
                "retries": self.retries(agent),
                "duration": None if is_unknown else seconds(sum(found.durations)),
            }
        return report

    def first_time_right(self) -> bool | None:
        if self.status == "in_progress":
            return None
        agents = [it for it in self.agent_metrics().values() if it["attempts"] > 0]
        return (
            self.status == "completed"
            and all(it["attempts"] == 1 and it["failures"] == 0 for it in agents)
            and pipeline_keys(self.events)["failed_pipelines"] == 0
            and not self.cycles
        )

    def complexity_score(self) -> int:
        attempts = [it["attempts"] for it in self.agent_metrics().values() if it["attempts"] > 0]
        stated = code(self.events)
        names = ("files_created", "files_modified", "lines_added", "lines_deleted")
        parts = [
            5 * (sum(attempts) - len(attempts)),
            10 * int(pipeline_keys(self.events)["failed_pipelines"]),
            10 * len(self.cycles),
            sum(stated[name] for name in names) // 20,
        ]
        return sum(min(part, 25) for part in parts)

    def report(self) -> Report:
        resolved = sum(it.end is not None and it.end.get("resolved") for it in self.cycles)
        agent_metrics = self.agent_metrics()
        recorded_errors = len(of_type(self.events, "error.recorded"))
        report = {
            "issue_id": issue_id(self.issue),
            "status": self.status,
            "duration_seconds": seconds(self.duration),
            "agent_metrics": agent_metrics,
            **pipeline_keys(self.events),
            "total_errors": len(self.cycles) + recorded_errors,
            "debugging_cycles": len(self.cycles),
            "resolved_cycles": resolved,
            "debugging_success_rate": percent(resolved, len(self.cycles)),
            "debugging_details": [cycle_detail(it, self.last) for it in self.cycles],
            "pipeline_details": [pipeline_detail(it) for it in pipeline_attempts(self.events)],
            "run_id": self.log.run_id,
            "title": self.title,
            "started_at": time_text(self.started_at),
            "ended_at": time_text(self.ended_at),
            "total_agent_retries": sum(it["retries"] for it in agent_metrics.values()),
            "first_time_right": self.first_time_right(),
            "complexity_score": self.complexity_score(),
            **usage_keys(self.events, self.log.prices),
            "tools": tools(self.events),
            "code": code(self.events),
            "errors": errors(self.events),
            "notes": notes(self.events),
            "anomalies": [it.report() for it in self.anomalies],
        }
        return shortened(report)


def shortened(report: Report) -> Report:
    """Cuts the lists, and says by how much."""
    lists = {name: value for name, value in report.items() if isinstance(value, list)}
    lists.pop("issues_processed", None)
    longer = sorted(name for name, entries in lists.items() if len(entries) > LIST_MAX)
    omitted = {name: len(lists[name]) - LIST_MAX for name in longer}
    return report | {name: it[:LIST_MAX] for name, it in lists.items()} | {"omitted": omitted}


def issue_report(log: Log, issue: str) -> Report:
    return Issue(log, issue).report()


# A run


class Run:
    """The events of a run, and what both of its reports ask of it."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.events = log.events()
        self.known = [it for it in self.events if it.is_known]
        self.issues = [Issue(log, issue) for issue in log.issues()]
        started, ended = of_type(self.known, "run.started"), of_type(self.known, "run.finished")
        self.started = started[0] if started else None
        self.ended = ended[-1] if ended else None
        first = self.started or min(self.events, key=lambda it: it.ts)
        last = self.ended or max(self.events, key=lambda it: it.ts)
        self.start, self.duration = first.ts, max(0, last.ts - first.ts)
        self.is_backwards = self.ended is not None and last.ts < first.ts

    def stated(self, name: str) -> Any:
        return None if self.started is None else self.started.get(name)

    def anomalies(self) -> list[Report]:
        found: list[tuple[Anomaly, str | None]] = [
            (it, issue.issue) for issue in self.issues for it in issue.anomalies
        ]
        if self.is_backwards:
            found.append((Anomaly("run_end_before_start", self.ended), None))
        found.sort(key=lambda it: self.events.index(it[0].event))  # type: ignore[arg-type]
        reports = [anomaly.report(issue) for anomaly, issue in found]
        scored = [it for it in of_type(self.known, "run.scored") if it.get("success")]
        if len(scored) > self.count_ended():
            reports.append(Anomaly("more_successes_than_issues", None).report())
        return reports

    def by_status(self) -> dict[str, int]:
        counts = Counter(issue.status for issue in self.issues)
        words = ("completed", "failed", "skipped", "abandoned", "in_progress")
        return {word: counts[word] for word in words}

    def count_ended(self) -> int:
        return len(self.issues) - self.by_status()["in_progress"]

    def score_keys(self) -> Report:
        scored = of_type(self.known, "run.scored")
        successes, failures = self.by_status()["completed"], self.by_status()["failed"]
        if scored:
            successes = sum(it.get("success") for it in scored)
            failures = len(scored) - successes
        return {
            "total_successes": successes,
            "total_errors": failures,
            "success_rate": percent(successes, self.count_ended(), most=100),
        }

    def head_keys(self) -> Report:
        llm = self.stated("llm")
        if llm is not None:
            named = {name: llm.get(name) for name in ("provider", "model", "temperature")}
            llm = named | ordered({name: it for name, it in llm.items() if name not in named})
        project = self.stated("project_id")
        return {
            "run_id": self.log.run_id,
            "project_id": None if project is None else str(project),
            "llm_configuration": llm,
            "duration_seconds": seconds(self.duration),
            "status": "running" if self.ended is None else self.ended.get("status"),
            "started_at": time_text(self.start),
            "ended_at": None if self.ended is None else time_text(self.ended.ts),
            "execution_mode": self.stated("mode"),
            "specific_issue": self.specific_issue(),
            "total_issues": len(self.issues),
            "issues_by_status": self.by_status(),
        }

    def specific_issue(self) -> int | str | None:
        issue = self.stated("specific_issue")
        return None if issue is None else issue_id(str(issue))

    def sum_keys(self) -> Report:
        all_cycles = [cycle for issue in self.issues for cycle in issue.cycles]
        resolved = sum(it.end is not None and it.end.get("resolved") for it in all_cycles)
        agents = sorted({agent for issue in self.issues for agent in issue.agents})
        retries = {name: sum(issue.retries(name) for issue in self.issues) for name in agents}
        return {
            **pipeline_keys(self.known),
            **first_pass_keys(self.known),
            "debugging_cycles": len(all_cycles),
            "resolved_cycles": resolved,
            "retries_by_agent": retries,
            **usage_keys(self.known, self.log.prices),
        }

    def own_errors(self) -> list[Report]:
        return errors([event for event in self.known if event.issue is None])

    def log_keys(self) -> Report:
        unknown = Counter(event.type for event in self.events if not event.is_known)
        return {
            "damaged_lines": 0,
            "misfit_lines": self.log.misfit_lines,
            "unknown_types": {type: unknown[type] for type in sorted(unknown)},
        }

    def unknown_fields(self) -> int:
        return sum(
            name not in (*FIELDS[event.type].split(), "issue", "key")
            for event in self.known
            for name in event.fields
        )


def run_report(log: Log) -> Report:
    run = Run(log)
    head = run.head_keys()
    report = {
        **{name: head.pop(name) for name in ("run_id", "project_id", "llm_configuration")},
        "duration_seconds": head.pop("duration_seconds"),
        "issues_processed": [issue_id(issue) for issue in log.issues()],
        **run.score_keys(),
        **head,
        **run.sum_keys(),
        "errors": run.own_errors(),
        "anomalies": run.anomalies(),
        **run.log_keys(),
    }
    return shortened(report)


def metadata(log: Log) -> Report:
    """All but `reducer_version` and `price_book`."""
    run = Run(log)
    head = run.head_keys()
    order = (
        "run_id project_id llm_configuration status started_at ended_at duration_seconds"
        " execution_mode specific_issue"
    )
    return {
        **{name: head.pop(name) for name in order.split()},
        "config": ordered(run.stated("config") or {}),
        "tags": ordered(run.stated("tags") or {}),
        **head,
        **run.score_keys(),
        **run.sum_keys(),
        "errors": len(run.own_errors()),
        "anomalies": len(run.anomalies()),
        **run.log_keys(),
        "unknown_fields": run.unknown_fields(),
    }


def ordered(value: Any) -> Any:
    """A free object with sorted keys, at every depth."""
    if isinstance(value, dict):
        return {name: ordered(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [ordered(item) for item in value]
    return value


def report_files(log: Log) -> dict[str, Callable[[], Report]]:
    """The report files that the log calls for, by their paths in the run's folder."""
    events = log.events()
    files: dict[str, Callable[[], Report]] = {
        f"{log.run_id}_metadata.json": lambda: metadata(log)
    }
    if of_type(events, "run.finished"):
        files[f"{log.run_id}_final.json"] = lambda: run_report(log)
    for issue in log.issues():
        report = lambda issue=issue: issue_report(log, issue)
        files[f"issues/issue_{file_name(issue)}_metrics.json"] = report
        if of_type([it for it in events if it.issue == issue], "issue.finished"):
            files[f"issues/issue_{file_name(issue)}_report.json"] = report
    return files


# Names of files


def file_name(issue: str) -> str:
    """The `<n>` of an issue's files."""
    if not is_plain_name(issue):
        return escaped_name(issue)
    before, dash, digits = issue[:-9], issue[-9:-8], issue[-8:]
    if dash == "-" and re.fullmatch("[0-9a-f]{8}", digits) and not is_plain_name(before):
        return escaped_name(issue)
    return issue


def is_plain_name(issue: str) -> bool:
    device = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
    is_allowed = re.fullmatch(r"[A-Za-z0-9._-]{1,80}", issue) is not None
    return is_allowed and issue.strip(".") != "" and not device.fullmatch(issue)


def escaped_name(issue: str) -> str:
    kept = re.compile(rb"[A-Za-z0-9._-]")
    bytes_ = [bytes([it]) for it in issue.encode()]
    text = "".join(it.decode() if kept.match(it) else f"%{it[0]:02X}" for it in bytes_)
    return f"{text[:80]}-{hashlib.sha256(issue.encode()).hexdigest()[:8]}"


# Comparing


def differences(expected: Any, actual: Any, path: str = "") -> list[str]:
    """Where a report differs from the model's, in value, type, printed form or order of keys."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        found = []
        if list(expected) != list(actual):
            found.append(f"{path}: want keys {list(expected)}, got {list(actual)}")
        both = [name for name in expected if name in actual]
        for name in both:
            found += differences(expected[name], actual[name], f"{path}.{name}")
        return found
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        items = enumerate(zip(expected, actual))
        return [it for at, (a, b) in items for it in differences(a, b, f"{path}[{at}]")]
    return [] if is_same(expected, actual) else [f"{path}: want {expected!r}, got {actual!r}"]


def is_same(expected: Any, actual: Any) -> bool:
    if isinstance(expected, Decimal) and isinstance(actual, Decimal):
        return str(expected) == str(actual)
    if isinstance(expected, (Decimal, float)) and isinstance(actual, (Decimal, float)):
        return float(expected) == float(actual)
    return type(expected) is type(actual) and bool(expected == actual)
