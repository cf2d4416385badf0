"""Measures retally against its peers and floors, in turns, and prints tables of ratios.

    just bench                            # everything, about twenty minutes
    just bench folds --events 5000000 --runs 2815
    just bench growth --largest-root 10000
    just bench --write                    # and the tables go into docs/performance.md

A ratio is of two measurements of one run that took turns (A B A B): machines that others use too
make seconds mean little. A figure is the median; behind it stand the least and the greatest.
"""

import argparse
import datetime
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import appends
import chart
import command
import folds
import growth
import watching
from programs import SOURCES
from rows import table

DOCS = SOURCES / "docs/performance.md"
CHART = SOURCES / "docs/growth.svg"
SECTIONS = {"folds": folds, "appends": appends, "watching": watching, "command": command}
HEADER = ["work", "against", "target", "measured", ""]


def main():
    options = parse()
    folders = Folders()
    try:
        for name in options.sections or [*SECTIONS, "growth"]:
            text = (
                grown(folders, options)
                if name == "growth"
                else measured(SECTIONS[name], folders, options)
            )
            print(f"\n{text}", flush=True)
            if options.write:
                write(name, text)
            folders.clear()
    finally:
        folders.remove()


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "sections",
        nargs="*",
        metavar="SECTION",
        help=f"{', '.join(SECTIONS)}, growth; all where none is named",
    )
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the tree")
    parser.add_argument("--runs", type=int, default=600, help="runs of the tree")
    parser.add_argument("--many", type=int, default=10_000, help="runs of the root with many")
    parser.add_argument("--large", type=int, default=5_000_000, help="events of the large log")
    parser.add_argument("--minutes", type=float, default=0.5, help="minutes of watching under load")
    parser.add_argument("--largest-run", type=int, default=1_000_000, help="events, for growth")
    parser.add_argument("--largest-root", type=int, default=10_000, help="runs, for growth")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of measurements")
    parser.add_argument(
        "--write", action="store_true", help="write the tables into docs/performance.md"
    )
    options = parser.parse_args()
    unknown = {*options.sections} - {*SECTIONS, "growth"}
    if unknown:
        parser.error(f"no such section: {', '.join(unknown)}")
    return options


class Folders:
    """Where logs are made: in memory if there is room for them, and on the disk."""

    def __init__(self):
        memory = Path("/dev/shm")
        has_room = memory.is_dir() and shutil.disk_usage(memory).free > 8 << 30
        self.memory = Path(
            tempfile.mkdtemp(prefix="retally-bench-", dir=memory if has_room else None)
        )
        self.disk = Path(tempfile.mkdtemp(prefix="retally-bench-", dir="/var/tmp"))

    def clear(self):
        """Removes what is in them."""
        for path in (*self.memory.iterdir(), *self.disk.iterdir()):
            shutil.rmtree(path)

    def remove(self):
        """Removes them."""
        shutil.rmtree(self.memory)
        shutil.rmtree(self.disk)


def measured(section, folders, options):
    """Returns the table of a section."""
    lines = []
    for row in section.rows(folders, options):
        lines.append(row.cells())
        print(" | ".join(lines[-1]), file=sys.stderr, flush=True)
    return f"{table(HEADER, lines)}\n\n{circumstances()}"


def grown(folders, options):
    """Returns the tables of growth, and draws them where they are written."""
    of_runs, of_roots = growth.of_runs(folders, options), growth.of_roots(folders, options)
    if options.write:
        panels = [
            ("Cost per event as a run grows", "events of the run", of_runs),
            (
                f"Cost per run of {growth.EVENTS_OF_A_RUN} events as a root grows",
                "runs of the root",
                of_roots,
            ),
        ]
        CHART.write_text(chart.draw(panels))
    return "\n\n".join(
        [
            "An event costs, in a run of so many events:",
            table(*growth.lines(of_runs)),
            f"A run of {growth.EVENTS_OF_A_RUN} events costs, in a root of so many runs:",
            table(*growth.lines(of_roots)),
            circumstances(),
        ]
    )


def circumstances():
    """Returns when, where and how this was measured."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    load, _, _ = os.getloadavg()
    words = " ".join(["just bench", *(word for word in sys.argv[1:] if word != "--write")])
    return (
        f"Measured on {datetime.date.today()} with `{words}` on {os.cpu_count()} cores"
        f" ({model[1] if model else os.uname().machine}); load average at the end {load:.1f}."
    )


def write(name, text):
    """Puts a section's tables between its markers in the documentation."""
    start, end = f"<!-- just bench {name} -->", f"<!-- end of {name} -->"
    docs = DOCS.read_text()
    if start not in docs or end not in docs:
        sys.exit(f"{DOCS} has no place for {name}")
    before, rest = docs.split(start, 1)
    DOCS.write_text(f"{before}{start}\n{text}\n{end}{rest.split(end, 1)[1]}")


if __name__ == "__main__":
    main()
