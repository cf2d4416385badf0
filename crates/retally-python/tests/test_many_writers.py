"""Any number of processes and threads log to one run at once, and nothing is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import threading
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

import retally

RUN_ID = "run_many"
PROCESSES, THREADS, ROUNDS = 8, 4, 25
PATIENCE_SECONDS = 120
# So many that threads of the parent log while it forks, and few enough to be read soon.
DISTURBANCES_MAX = 10_000


def log_much(root: str, process: int, start: Any) -> None:
    """Log from four threads: each numbers its events, and adds to an issue that all share and to
    one that is its process's own. `start` is the barrier of all threads."""
    run = retally.open_run(RUN_ID, root=root, strict=True)
    failed: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            shared = run.issue("shared")
            own = retally.IssueTracker(RUN_ID, process, root=root)
            # Each process has a segment of its own from here on.
            start.wait()
            for number in range(ROUNDS):
                told(run, own, shared, f"{process}-{thread}-{number}")
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.update_reports()
    stats = run.stats
    # Two starts of an issue a thread, and what `told` logs.
    assert not failed and stats == (THREADS * (2 + 5 * ROUNDS), 0, 0, 0), (failed, stats)


def told(
    run: retally.RunLogger, own: retally.IssueTracker, shared: retally.IssueTracker, name: str
) -> None:
    own.record_tool_call("grep", success=True, duration_ms=3)
    own.start_agent("coding", span=name)
    shared.record_llm_call("m", input_tokens=7, cost_usd=0.000001)
    run.event("acme.counted", name=name)
    own.end_agent("coding", success=True, span=name)


@pytest.fixture
def run(root: Path) -> retally.RunLogger:
    return retally.RunLogger("168", run_id=RUN_ID, strict=True)


def test_processes_that_are_spawned_lose_nothing(root: Path, run: retally.RunLogger) -> None:
    log_in_children(root, "spawn")
    check(root, run)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.skipif(sys.platform == "darwin", reason="not safe there")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_processes_that_are_forked_while_threads_log_lose_nothing(
    root: Path, run: retally.RunLogger
) -> None:
    is_enough = threading.Event()
    counts = Counter[str]()

    def disturb(name: str) -> None:
        while not is_enough.is_set() and counts[name] < DISTURBANCES_MAX:
            run.event("acme.disturbed", name=name)
            counts[name] += 1

    disturbers = [threading.Thread(target=disturb, args=(name,)) for name in "ab"]
    for thread in disturbers:
        thread.start()
    try:
        log_in_children(root, "fork")
    finally:
        is_enough.set()
        for thread in disturbers:
            thread.join()
    check(root, run, disturbed=counts.total())


def log_in_children(root: Path, method: str) -> None:
    """Start the processes, and wait until each has ended well."""
    context: Any = multiprocessing.get_context(method)
    start = context.Barrier(PROCESSES * THREADS, timeout=PATIENCE_SECONDS)
    children: list[BaseProcess] = [
        context.Process(target=log_much, args=(str(root), number, start))
        for number in range(PROCESSES)
    ]
    try:
        for child in children:
            child.start()
        for child in children:
            child.join(PATIENCE_SECONDS)
        assert [child.exitcode for child in children] == [0] * PROCESSES
    finally:
        for child in children:
            if child.is_alive():
                child.kill()


def check(root: Path, run: retally.RunLogger, disturbed: int = 0) -> None:
    summary = run.finalize_run()
    check_segments(root / RUN_ID / "events", disturbed)
    each, all_of_them = THREADS * ROUNDS, PROCESSES * THREADS * ROUNDS
    assert (summary["tool_calls"], summary["llm_calls"]) == (all_of_them, all_of_them)
    assert (summary["input_tokens"], summary["cost_usd"]) == (7 * all_of_them, all_of_them / 1e6)
    unknown = {"acme.counted": all_of_them} | ({"acme.disturbed": disturbed} if disturbed else {})
    assert summary["unknown_types"] == unknown
    assert (summary["damaged_lines"], summary["misfit_lines"]) == (0, 0)
    assert (summary["anomalies"], summary["omitted"]) == ([], {})
    assert set(summary["issues_processed"]) == {"shared", *range(PROCESSES)}
    for number in range(PROCESSES):
        path = root / RUN_ID / "issues" / f"issue_{number}_metrics.json"
        report = json.loads(path.read_bytes())
        agent = report["agent_metrics"]["coding"]
        assert (agent["attempts"], agent["successes"]) == (each, each)
        assert report["tools"]["grep"]["calls"] == report["tools"]["grep"]["successes"] == each
        assert report["tools"]["grep"]["duration_seconds"] == 3 * each / 1000
    assert retally.read_run(RUN_ID, root=root).report == summary
    assert retally.rebuild(root) == []


def check_segments(folder: Path, disturbed: int) -> None:
    """Read each segment as docs/format.md says: whole lines in order, with sound checksums, and
    each numbered event once, in the order of its thread."""
    told: dict[str, list[int]] = {}
    disturbances = 0
    writers = set()
    for segment in sorted(folder.iterdir()):
        content = segment.read_bytes()
        assert content.endswith(b"\n")
        first: dict[str, Any] = {}
        # Lines end by LF only.
        for seq, line in enumerate(content[:-1].split(b"\n")):
            event = json.loads(line)
            first = first or event
            assert (event["seq"], event["crc"]) == (seq, f"{crc32c(line[:-18]):08x}")
            disturbances += event["type"] == "acme.disturbed"
            if event["type"] == "acme.counted":
                process, thread, number = event["name"].split("-")
                told.setdefault(f"{process}-{thread}", []).append(int(number))
        assert (first["type"], first["run"], first["segment"]) == (
            "segment.opened",
            RUN_ID,
            segment.stem,
        )
        writers.add(first["pid"])
    names = [f"{process}-{thread}" for process in range(PROCESSES) for thread in range(THREADS)]
    assert sorted(told) == sorted(names)
    assert all(numbers == [*range(ROUNDS)] for numbers in told.values())
    assert disturbances == disturbed
    # That of the test, and all of its children.
    assert len(writers) == PROCESSES + 1


def crc32c(content: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ CRC_OF_BYTE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def crc_of_byte(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


CRC_OF_BYTE = [crc_of_byte(byte) for byte in range(256)]
