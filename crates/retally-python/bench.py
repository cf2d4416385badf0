"""Measures what an event costs from Python, beside what it costs by other means, in turns.

    just bench-python --events 20000 --rounds 9

Each line: microseconds an event, the median of the rounds with the least and the greatest, and how
many times as long as one `RunLogger` event that is.
"""

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

import retally

CALL = {
    "agent": "coding",
    "provider": "deepseek",
    "model": "deepseek-chat",
    "input_tokens": 5200,
    "output_tokens": 810,
    "cost_usd": 0.0123,
    "duration_ms": 1500,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000, help="events a round")
    parser.add_argument("--rounds", type=int, default=9, help="rounds, in each of which all have their turn")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retally-bench-") as folder:
        ways = dict(writers(Path(folder)))
        costs: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, write in ways.items():
                costs[name].append(cost(write, options.events))
    base = costs["retally, a model's call"]
    print(f"Python {sys.version.split()[0]}, {options.events} events a round, {options.rounds} rounds\n")
    print("| what | us an event | times |\n|---|---|---|")
    for name, all_costs in costs.items():
        ratios = [each / ours for each, ours in zip(all_costs, base)]
        print(f"| {name} | {spread(all_costs)} | {spread(ratios)} |")


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def cost(write: Callable[[], object], events: int) -> float:
    start = time.perf_counter()
    for _ in range(events):
        write()
    return (time.perf_counter() - start) / events * 1e6


def writers(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what writes one event, by name."""
    run = retally.RunLogger("168", root=folder, live=False, strict=True)
    issue = run.issue(1)
    yield "retally, a model's call", lambda: issue.record_llm_call(**CALL)
    yield "retally, a tool's call", lambda: issue.record_tool_call("grep", agent="coding", success=True, duration_ms=12)
    bare = retally.RunLogger("168", root=folder, live=False, strict=True, redact=False).issue(1)
    yield "retally, a model's call, secrets left in", lambda: bare.record_llm_call(**CALL)
    live = retally.RunLogger("168", root=folder, strict=True).issue(1)
    yield "retally, a model's call, reports kept current", lambda: live.record_llm_call(**CALL)

    raw = os.open(folder / "raw", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    line = line_of(CALL).encode()
    yield "os.write of a ready line", lambda: os.write(raw, line)

    flushed = (folder / "flushed.jsonl").open("a")

    def write_and_flush() -> None:
        flushed.write(line_of(CALL))
        flushed.flush()

    yield "json.dumps, write, flush", write_and_flush

    def open_and_write() -> None:
        with (folder / "opened.jsonl").open("a") as file:
            file.write(line_of(CALL))

    yield "json.dumps, open, write, close", open_and_write

    database = sqlite3.connect(folder / "events.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("CREATE TABLE events (ts REAL, line TEXT)")
    insert = "INSERT INTO events VALUES (?, ?)"
    yield "sqlite3, WAL, synchronous NORMAL", lambda: database.execute(insert, (time.time(), line_of(CALL)))

    spans = (folder / "spans.jsonl").open("a")
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=spans)))
    tracer = provider.get_tracer("bench")
    yield "OpenTelemetry SDK, simple processor, file", lambda: tracer.start_span("chat", attributes=CALL).end()


def line_of(event: dict[str, object]) -> str:
    return json.dumps({"ts": time.time(), "type": "llm.called", "issue": 1} | event) + "\n"


if __name__ == "__main__":
    main()
