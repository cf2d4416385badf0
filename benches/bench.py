"""Measures retally against its peers and floors, in turns, and prints a table of ratios.

    just bench                # some minutes
    just bench --events 5000000 --runs 2815 --many 100000

Every figure is a ratio of two measurements of one run that took turns (A B A B): machines that
others use too make seconds mean little. A ratio is the median of the pairs; behind it stand the
least and the greatest.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
RETALLY = TARGET / "retally"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the tree")
    parser.add_argument("--runs", type=int, default=600, help="runs of the tree")
    parser.add_argument("--many", type=int, default=10_000, help="runs of the root with many")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of measurements")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="retally-bench-", dir=roomy()))
    try:
        rows = list(measure(folder, options))
    finally:
        shutil.rmtree(folder)
    print_table(rows, options)


def roomy():
    """Returns a folder in memory if there is room for the data, else one on the disk."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > 8 << 30
    return memory if has_room else None


def measure(folder, options):
    """Yields rows: work, peer or floor, target, the ratios, and what each is of."""
    pairs = options.pairs
    tree, one, foreign, many = (folder / name for name in ("tree", "one", "foreign", "many"))
    generate(tree, "--runs", options.runs, "--events", options.events)
    generate(one, "--runs", 1, "--events", 1_000_000)
    generate(foreign, "--runs", 100, "--events", 200_000, "--shape", "foreign")
    for name, root, target in (
        (f"fold of {options.events:,} events in {options.runs:,} runs", tree, 12),
        ("fold of one run of 1,000,000 events", one, 8),
        ("fold of 200,000 events of foreign writers", foreign, None),
    ):
        ratios = alternate(pairs, lambda: duckdb(root), lambda: retally(root, "rebuild", "--dry-run"))
        yield name, "DuckDB, 2 threads", target, ratios, "times as fast"
    ratios = alternate(pairs, lambda: retally(tree, "rebuild", "--dry-run"), lambda: scan(tree))
    yield "fold of the tree", "newline scan, 1 thread", None, ratios, "times the time"

    generate(many, "--runs", options.many, "--events", 20 * options.many)
    retally(many, "watch", "--once")
    walk = lambda: timed("find", many, "-type", "f", "-size", "+0")
    ratios = alternate(pairs, lambda: retally(many, "watch", "--once"), walk)
    yield f"watch --once over {options.many:,} unchanged runs", "find", None, ratios, "times the time"
    retally(many, "runs")
    ratios = alternate(pairs, lambda: retally(many, "runs"), walk)
    yield f"runs over {options.many:,} unchanged runs", "find", None, ratios, "times the time"

    yield "append of one event", "write(2)", 2.5, append(pairs), "times the time"
    ratios = alternate(4 * pairs, lambda: timed(RETALLY, "--version"), lambda: timed("true"))
    yield "start of the command", "true", None, ratios, "times the time"


def generate(root, *options):
    command = [TARGET / "examples/generate_logs", "--root", root, *map(str, options)]
    subprocess.run(command, check=True)


def timed(*command):
    """Returns the seconds that a command takes."""
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    seconds = time.perf_counter() - start
    if done.returncode not in (0, 1):  # 1: reports would change
        sys.exit(done.stderr.decode())
    return seconds


def retally(root, *words):
    os.environ["XDG_CACHE_HOME"] = str(root.parent / "cache")
    lines = [] if words[0] == "watch" else ["--format", "jsonl"]
    return timed(RETALLY, *words, *lines, "--quiet", "--root", root)


def duckdb(root):
    """Returns the seconds of connecting and querying, without those of starting Python."""
    script = ROOT / "benches/duckdb_fold.py"
    done = subprocess.run([sys.executable, script, root], capture_output=True, check=True)
    return float(done.stdout.split()[-1])


def scan(root):
    """Returns the seconds of reading all logs and counting their lines."""
    start = time.perf_counter()
    for path in root.glob("*/events/*.jsonl"):
        path.read_bytes().count(b"\n")
    return time.perf_counter() - start


def append(pairs):
    """Returns how many times a bare write an append takes."""
    ratios = []
    units = {"ns": 1, "µs": 1e3, "ms": 1e6}
    for _ in range(pairs):
        done = subprocess.run([TARGET / "examples/append_cost"], capture_output=True, check=True)
        figures = re.findall(r"([\d.]+)(ns|µs|ms)", done.stdout.decode())
        ours, bare = (float(figure) * units[unit] for figure, unit in figures)
        ratios.append(ours / bare)
    return ratios


def alternate(pairs, slower, faster):
    """Returns how many times as long the first takes, of pairs that take turns."""
    slower(), faster()
    return [slower() / faster() for _ in range(pairs)]


def print_table(rows, options):
    print(f"\n| work | against | target | measured (median of {options.pairs}+ pairs) | |")
    print("|---|---|---|---|---|")
    for work, peer, target, ratios, meaning in rows:
        is_met = ""
        if target is not None:
            median = statistics.median(ratios)
            met = median <= target if meaning == "times the time" else median >= target
            is_met = "met" if met else "missed"
        sign = "≤" if meaning == "times the time" else "≥"
        wanted = "" if target is None else f"{sign} {target}"
        measured = f"{statistics.median(ratios):.1f} ({min(ratios):.1f}–{max(ratios):.1f}) {meaning}"
        print(f"| {work} | {peer} | {wanted} | {measured} | {is_met} |")
    size = RETALLY.stat().st_size / (1 << 20)
    print(f"\nThe command is {size:.1f} MiB; the machine has {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
