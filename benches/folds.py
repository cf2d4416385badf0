"""Folding logs from their beginning."""

import subprocess
import sys
import time

from programs import ONE_THREAD, SOURCES, generate, peak_mib, retally, timed, used, work
from rows import FASTER, LONGER, Row, alternate

# Of few large files, each process counts one; of many, a part.
COUNT = 'printf "%s\\0" "$@" | xargs -0 -P 2 -n 50 wc -l'
DRY = ("rebuild", "--dry-run", "--format", "jsonl")


def rows(folders, options):
    """Yields the rows of folds."""
    tree, one, foreign = (folders.memory / name for name in ("tree", "one", "foreign"))
    generate(tree, runs=options.runs, events=options.events)
    generate(one, runs=1, events=1_000_000)
    generate(foreign, runs=100, events=200_000, shape="foreign")
    of_tree = f"fold of {options.events:,} events in {options.runs:,} runs"
    peer = "DuckDB, 2 threads, the aggregation alone"
    for name, root, target in (
        (of_tree, tree, 12),
        ("fold of one run of 1,000,000 events", one, 8),
    ):
        ratios = alternate(options.pairs, lambda: duckdb(root), lambda: retally(root, *DRY))
        yield Row(f"{name}, reports computed", peer, ratios, FASTER, target)
        lines = [str(path) for path in root.glob("*/events/*.jsonl")]
        count = lambda: timed("sh", "-c", COUNT, "sh", *lines)
        ratios = alternate(options.pairs, lambda: duckdb(root), count)
        yield Row("counting the same lines, `wc -l` by 2 processes", peer, ratios, FASTER)
    alone = lambda root: used(root, *DRY, **ONE_THREAD)
    ratios = alternate(options.pairs, lambda: alone(tree), lambda: scan(tree))
    yield Row("the same fold of the tree by 1 thread", "newline scan, 1 thread", ratios, LONGER, 3)
    for name, root, target in (("foreign writers", foreign, 2), ("its own writer", tree, None)):
        ratios = alternate(options.pairs, lambda: work("plain-loop", root), lambda: alone(root))
        yield Row(
            f"fold of lines of {name} by 1 thread",
            "a plain loop over serde_json's values",
            ratios,
            FASTER,
            target,
        )
    peaks = [peak_mib(tree, *DRY) for _ in range(options.pairs)]
    yield Row(f"memory for the {of_tree}", "", peaks, "MiB", 64)


def duckdb(root):
    """Returns the seconds of connecting and querying, without those of starting Python."""
    script = SOURCES / "benches/duckdb_fold.py"
    done = subprocess.run([sys.executable, script, root], capture_output=True, check=True)
    return float(done.stdout.split()[-1])


def scan(root):
    """Returns the processor seconds of reading all logs and counting their lines."""
    start = time.process_time()
    for path in root.glob("*/events/*.jsonl"):
        path.read_bytes().count(b"\n")
    return time.process_time() - start
