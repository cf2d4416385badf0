"""What an event costs as its run grows, and a run as its root grows."""

import shutil
import statistics

from programs import generate, retally, used, work
from rows import figure

RUN = "run_20241203_000000_project_0"
EVENTS_OF_A_RUN = 20


def of_runs(folders, options):
    """Returns the processor microseconds that an event costs in each way, by events of its run."""
    ways = {"append": [], "fold": [], "live: fold one more and write its reports": []}
    for events in powers(3, options.largest_run):
        root = folders.memory / f"run-{events}"
        generate(root, runs=1, events=events)
        rounds = range(options.pairs)
        fold = [work("fold", root) / events for _ in rounds]
        go_on(root)
        live = [work("live", root, events=50) / 50 for _ in rounds]
        append = [work("append", root, run=RUN, events=5_000) / 5_000 for _ in rounds]
        for way, seconds in zip(ways.values(), (append, fold, live)):
            way.append((events, 1e6 * statistics.median(seconds)))
        shutil.rmtree(root)
    return ways


def go_on(root):
    """Takes the end of the only run out of its log, as if the run went on."""
    (segment,) = root.glob("*/events/*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:-1]))


def of_roots(folders, options):
    """Returns the processor microseconds that a run costs in each way, by runs of its root, without
    those that a root without runs costs."""
    ways = {"fold": [], "`watch --once`, unchanged": [], "`runs`, unchanged": []}
    empty = folders.memory / "empty"
    empty.mkdir()
    for runs in powers(1, options.largest_root):
        root = folders.memory / f"root-{runs}"
        generate(root, runs=runs, events=EVENTS_OF_A_RUN * runs)
        retally(root, "watch", "--once")
        retally(root, "runs")
        rounds = range(options.pairs)
        start = statistics.median(used(empty, "runs") for _ in range(9))
        fold = [work("fold", root) / runs for _ in rounds]
        watch = [(used(root, "watch", "--once") - start) / runs for _ in rounds]
        listing = [(used(root, "runs") - start) / runs for _ in rounds]
        for way, seconds in zip(ways.values(), (fold, watch, listing)):
            way.append((runs, max(1e6 * statistics.median(seconds), 0.01)))
        shutil.rmtree(root)
        shutil.rmtree(f"{root}-cache")
    return ways


def powers(least, most):
    """Returns the powers of ten from that of `least` up to `most`."""
    powers = []
    while 10 ** (least + len(powers)) <= most:
        powers.append(10 ** (least + len(powers)))
    return powers


def lines(ways):
    """Returns the table's header and lines: a way a line, a size a column."""
    sizes = [size for size, _ in next(iter(ways.values()))]
    header = ["µs", *(f"{size:,}" for size in sizes)]
    return header, [[way, *(figure(cost) for _, cost in points)] for way, points in ways.items()]
