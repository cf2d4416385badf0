"""Measures how the cost of an event and of a run grows, and draws it.

    just growth --write

A column that stays flat does not depend on how much there is. Each figure is the median of some
measurements; behind it stands how many times as long it takes as the floor that took turns with it:
reading and counting lines for folds, `find` for roots.
"""

import argparse
import datetime
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from bench import ROOT, generate, retally, roomy, scan, timed  # noqa: E402
from matplotlib import pyplot  # noqa: E402

EVENTS = [1_000, 10_000, 100_000, 1_000_000]
RUNS = [10, 100, 1_000, 10_000, 100_000]
EVENTS_A_RUN = 20
PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "growth.svg"
BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each, in turns")
    parser.add_argument("--runs-max", type=int, default=RUNS[-1], help="the largest root")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="retally-growth-", dir=roomy()))
    try:
        folds = {events: of_run(folder, events, options.rounds) for events in EVENTS}
        sizes = [runs for runs in RUNS if runs <= options.runs_max]
        roots = {runs: of_root(folder, runs, options.rounds) for runs in sizes}
    finally:
        shutil.rmtree(folder)
    text = table("events of one run", folds, "µs an event") + "\n" + table("runs of the root", roots, "µs a run")
    print(text)
    draw(folds, roots)
    if options.write:
        write(text)


def of_run(folder, events, rounds):
    """Returns the cost of an event in a run of so many, by what is done: seconds and floors."""
    root = folder / f"events-{events}"
    generate(root, "--runs", 1, "--events", events)
    start = [timed("true") for _ in range(rounds)]
    pairs = [(retally(root, "rebuild", "--dry-run"), scan(root)) for _ in range(rounds)]
    shutil.rmtree(root)
    return {"fold, reports": cost(pairs, events, statistics.median(start))}


def of_root(folder, runs, rounds):
    """Returns the cost of a run in a root of so many, by what is done."""
    root = folder / f"runs-{runs}"
    generate(root, "--runs", runs, "--events", EVENTS_A_RUN * runs)
    walk = lambda: timed("find", root, "-type", "f", "-size", "+0")
    retally(root, "watch", "--once")
    retally(root, "runs")
    costs = {}
    for name, words in (
        ("fold, reports", ("rebuild", "--dry-run")),
        ("`runs`, unchanged", ("runs",)),
        ("`watch --once`, unchanged", ("watch", "--once")),
    ):
        costs[name] = cost([(retally(root, *words), walk()) for _ in range(rounds)], runs, 0)
    shutil.rmtree(root)
    return costs


def cost(pairs, count, start):
    """Returns microseconds for each of `count`, and the ratio to the floor."""
    ours = statistics.median(ours for ours, _ in pairs) - start
    return 1e6 * ours / count, statistics.median(ours / floor for ours, floor in pairs)


def table(title, rows, unit):
    names = list(next(iter(rows.values())))
    lines = [f"| {title} | " + " | ".join(f"{name}, {unit} (times its floor)" for name in names) + " |"]
    lines.append("|---" * (len(names) + 1) + "|")
    for count, costs in rows.items():
        cells = [f"{micros:,.2f} ({ratio:.1f})" for micros, ratio in costs.values()]
        lines.append(f"| {count:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw(folds, roots):
    matplotlib.rcParams.update({"svg.hashsalt": "retally", "svg.fonttype": "none", "font.size": 9})
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for axis, rows, label, unit in (
        (axes[0], folds, "events of one run", "µs an event"),
        (axes[1], roots, f"runs of {EVENTS_A_RUN} events", "µs a run"),
    ):
        for name, marker in zip(next(iter(rows.values())), "os^"):
            values = [costs[name][0] for costs in rows.values()]
            axis.plot(list(rows), values, marker=marker, label=name.replace("`", ""))
        axis.set(xscale="log", yscale="log", xlabel=label, ylabel=unit)
        axis.grid(visible=True, alpha=0.3)
        axis.legend(frameon=False)
    figure.savefig(PLOT, metadata={"Date": None})


def write(text):
    """Puts the tables between the marks of the page."""
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    when = (
        f"Measured on {datetime.date.today()} at {revision.stdout.strip()} with `just growth`, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}:"
    )
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    behind = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{when}\n\n{text}\n![Cost by size](growth.svg)\n\n{END}{behind}")


if __name__ == "__main__":
    main()
