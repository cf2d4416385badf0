"""What the model says of the parts of reports: pipelines, agents, cycles, calls, code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from model_log import (
    CODE_COUNTS,
    FINAL,
    OTHER_SPELLINGS,
    TOKENS,
    Event,
    Report,
    calls,
    issue_id,
    last_stated,
    of_type,
    percent,
    printed,
    seconds,
    time_text,
    total,
)

# Pipelines


@dataclass
class Attempt:
    """An attempt of a pipeline: the events that belong to it, and which gave it its status."""

    identity: tuple[str | None, str, str | None, int]
    events: list[Event]
    status: str
    decided: Event


def pipeline_attempts(events: Sequence[Event]) -> list[Attempt]:
    """All attempts, in order of appearance."""
    attempts: list[Attempt] = []
    for event in of_type(events, "pipeline.recorded"):
        number = 1 if event.get("attempt") is None else event.get("attempt")
        identity = (event.issue, str(event.get("pipeline_id")), event.get("name"), number)
        status = OTHER_SPELLINGS.get(event.get("status"), event.get("status"))
        current = ([it for it in attempts if it.identity == identity] or [None])[-1]
        if current is not None and current.status not in FINAL:
            current.status, current.decided = status, event
            current.events.append(event)
        elif current is None or is_new_attempt(current, status, event):
            attempts.append(Attempt(identity, [event], status, event))
        else:
            # A repeat, or old news.
            current.events.append(event)
    return attempts


def is_new_attempt(current: Attempt, status: str, event: Event) -> bool:
    """Whether a status begins a new attempt, where the current one has a final status."""
    if status in FINAL:
        return status != current.status
    return event.ts > current.decided.ts


def pipeline_detail(attempt: Attempt) -> Report:
    stated = lambda name: last_stated(attempt.events, name)
    span = lambda name: None if stated(name) is None else seconds(1000 * stated(name))
    return {
        "pipeline_id": attempt.identity[1],
        "status": attempt.status,
        "commit_sha": stated("commit_sha"),
        "name": stated("name"),
        "ref": stated("ref"),
        "attempt": attempt.identity[3],
        "recorded_at": time_text(attempt.decided.ts),
        "triggered_by": stated("triggered_by"),
        "failed_jobs": stated("failed_jobs"),
        "error_type": stated("error_type"),
        "queue_seconds": span("queue_ms"),
        "duration_seconds": span("duration_ms"),
        "url": stated("url"),
    }


def pipeline_keys(events: Sequence[Event]) -> Report:
    attempts = pipeline_attempts(events)
    succeeded = sum(it.status == "success" for it in attempts)
    return {
        "pipeline_attempts": len(attempts),
        "succeeded_pipelines": succeeded,
        "failed_pipelines": sum(it.status in ("failed", "timed_out") for it in attempts),
        "pipeline_success_rate": percent(succeeded, len(attempts)),
    }


def first_pass_keys(events: Sequence[Event]) -> Report:
    first: dict[tuple[str | None, str | None], str] = {}
    for attempt in pipeline_attempts(events):
        if attempt.status in ("success", "failed", "timed_out"):
            first.setdefault((attempt.identity[0], attempt.identity[2]), attempt.status)
    passed = sum(status == "success" for status in first.values())
    return {
        "first_pass_pipelines": passed,
        "first_pass_base": len(first),
        "first_pass_rate": percent(passed, len(first)),
    }


# Agents and debugging cycles


@dataclass
class Anomaly:
    kind: str
    event: Event | None
    agent: str | None = None

    def report(self, issue: str | None = None) -> Report:
        report: Report = {"kind": self.kind}
        if issue is not None:
            report["issue_id"] = issue_id(issue)
        if self.agent is not None:
            report["agent"] = self.agent
        return report | {"at": None if self.event is None else time_text(self.event.ts)}


@dataclass
class AgentAttempts:
    """The attempts of an agent at an issue."""

    starts: int = 0
    ends: list[Event] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    """Of the attempts whose start and end are known."""
    unmatched: int = 0


def agent_attempts(
    events: Sequence[Event], agent: str, anomalies: list[Anomaly]
) -> AgentAttempts:
    found = AgentAttempts()
    open_starts: list[Event] = []
    for event in events:
        if event.type == "agent.started" and event.get("agent") == agent:
            found.starts += 1
            open_starts.append(event)
        elif event.type == "agent.finished" and event.get("agent") == agent:
            found.ends.append(event)
            start = start_of(open_starts, event)
            if start is None:
                found.unmatched += 1
                anomalies.append(Anomaly("agent_end_without_start", event, agent))
                continue
            open_starts.remove(start)
            found.durations.append(max(0, event.ts - start.ts))
            if event.ts < start.ts:
                anomalies.append(Anomaly("agent_end_before_start", event, agent))
    return found


def start_of(open_starts: list[Event], end: Event) -> Event | None:
    span = end.get("span")
    fitting = open_starts
    if span is not None:
        fitting = [it for it in open_starts if it.get("span") == span]
        fitting = fitting or [it for it in open_starts if it.get("span") is None]
    return fitting[-1] if fitting else None


@dataclass
class Cycle:
    start: Event
    attempts: int = 0
    end: Event | None = None


def cycles(events: Sequence[Event], anomalies: list[Anomaly]) -> list[Cycle]:
    found: list[Cycle] = []
    for event in events:
        if event.type == "debug.started":
            found.append(Cycle(event))
        if event.type not in ("debug.attempted", "debug.finished"):
            continue
        cycle = cycle_of([it for it in found if it.end is None], event)
        is_end = event.type == "debug.finished"
        if cycle is None:
            kind = "cycle_end_without_start" if is_end else "debug_attempt_without_cycle"
            anomalies.append(Anomaly(kind, event, event.get("agent")))
        elif is_end:
            cycle.end = event
            if event.ts < cycle.start.ts:
                anomalies.append(Anomaly("cycle_end_before_start", event, event.get("agent")))
        else:
            cycle.attempts += 1
    return found


def cycle_of(open_cycles: list[Cycle], event: Event) -> Cycle | None:
    for name in ("span", "agent"):
        wanted = event.get(name)
        same = [it for it in open_cycles if wanted is not None and it.start.get(name) == wanted]
        if same:
            return same[-1]
    return open_cycles[-1] if open_cycles else None


def cycle_detail(cycle: Cycle, last: Event) -> Report:
    end = cycle.end
    until = last.ts if end is None else end.ts
    return {
        "agent": cycle.start.get("agent"),
        "error_type": cycle.start.get("error_type"),
        "attempts": cycle.attempts,
        "resolved": False if end is None else end.get("resolved"),
        "duration_seconds": seconds(max(0, until - cycle.start.ts)),
        "error_message": cycle.start.get("error_message"),
        "started_at": time_text(cycle.start.ts),
        "ended_at": None if end is None else time_text(end.ts),
        "open": end is None,
        "resolution_method": None if end is None else end.get("resolution_method"),
    }


# Calls, costs, code


def cost(event: Event, prices: Sequence[dict[str, Any]]) -> Fraction | None:
    """What a call of a model cost in USD, `None` where that is not known."""
    if (stated := event.get("cost_usd")) is not None:
        return Fraction(round(Fraction(str(stated)) * 10**9), 10**9)
    tokens = {name: event.get(name) for name in TOKENS[:4]}
    price = best_price(event, prices)
    if price is None or all(it is None for it in tokens.values()):
        return None
    fresh, output, read, write = (it or 0 for it in tokens.values())
    per_million = lambda name: Fraction(str(price.get(name, price["input"])))
    parts = [
        max(0, fresh - read - write) * per_million("input"),
        output * per_million("output"),
        read * per_million("cache_read"),
        write * per_million("cache_write"),
    ]
    return sum(parts, Fraction(0)) / 10**6


def best_price(event: Event, prices: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    provider = event.get("provider")
    found = []
    for place, price in enumerate(prices):
        providers = price.get("provider")
        valid_from = price.get("valid_from", "0000-00-00")
        if providers is not None and provider is not None and provider not in providers:
            continue
        if valid_from > str(time_text(event.ts))[:10]:
            continue
        for model in price["model"]:
            pattern = ".*".join(map(re.escape, model.split("*")))
            if re.fullmatch(pattern, event.get("model"), re.DOTALL):
                fit = (0 if "*" not in model else 1, -len(model) if "*" in model else 0)
                names_provider = providers is not None and provider in providers
                later = -int(valid_from.replace("-", ""))
                found.append((*fit, not names_provider, later, place, price))
    return min(found, key=lambda it: it[:-1])[-1] if found else None


def usage_keys(events: Sequence[Event], prices: Sequence[dict[str, Any]]) -> Report:
    llm_calls, tool_calls = of_type(events, "llm.called"), of_type(events, "tool.called")
    costs = [(event, cost(event, prices)) for event in llm_calls]
    known = [amount for _, amount in costs if amount is not None]
    return {
        "llm_calls": sum(map(calls, llm_calls)),
        "tool_calls": sum(map(calls, tool_calls)),
        **{name: total(llm_calls, name) for name in TOKENS},
        "cost_usd": printed(sum(known, Fraction(0)), 6) if known else None,
        "calls_without_cost": sum(calls(event) for event, amount in costs if amount is None),
    }


def tools(events: Sequence[Event]) -> Report:
    report = {}
    for tool in sorted({event.get("tool") for event in of_type(events, "tool.called")}):
        those = [it for it in of_type(events, "tool.called") if it.get("tool") == tool]
        duration = total(those, "duration_ms")
        report[tool] = {
            "calls": sum(map(calls, those)),
            "successes": sum(calls(it) for it in those if it.get("success") is True),
            "failures": sum(calls(it) for it in those if it.get("success") is False),
            "duration_seconds": None if duration is None else seconds(1000 * duration),
        }
    return report


def code(events: Sequence[Event]) -> Report:
    changes = of_type(events, "code.changed")
    coverage = last_stated(changes, "test_coverage_percent")
    if coverage is not None:
        # Kept to nine decimals, printed with two.
        coverage = printed(Fraction(round(Fraction(str(coverage)) * 10**9), 10**9), 2)
    counts: Report = {name: total(changes, name) or 0 for name in CODE_COUNTS}
    return counts | {"test_coverage_percent": coverage}


def errors(events: Sequence[Event]) -> list[Report]:
    names = ("error_type", "message", "severity", "agent")
    return [
        {name: event.get(name) for name in names} | {"recorded_at": time_text(event.ts)}
        for event in of_type(events, "error.recorded")
    ]


def notes(events: Sequence[Event]) -> list[Report]:
    return [
        {
            "text": event.get("text"),
            "agent": event.get("agent"),
            "recorded_at": time_text(event.ts),
        }
        for event in of_type(events, "note.added")
    ]
