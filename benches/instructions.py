"""Counts the instructions that an event costs, and fails where one costs more than it may, or where
the command became too large.

    just instructions

Counts do not depend on what else the machine does. Each work is counted at two sizes: their
difference, by the events in it, leaves starting the program out. Where a figure rose for a good
reason, change its row in `WORKS`, and say why in the commit; where it fell, lower the row.
"""

import os
import platform
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from programs import EXAMPLES, RETALLY, generate

SIZE_MAX_MIB = 14
"""How large the command may be. It was 12.3 MiB on 2026-11-24, of which TLS for webhooks is 3."""

SLACK = 1.10
"""How much more than its row a work may cost. Counts of one compiler differ by less than 1 ‰;
those of two compilers, or of two C libraries, by more."""


@dataclass
class Work:
    """Something whose instructions are counted."""

    name: str
    expected: int
    """Instructions an event, as counted when the row was last changed."""
    command: list
    """The command; `{root}` is a root with so many events, `{new}` one that is not there yet."""
    sizes: tuple[int, int] = (2_000, 10_000)
    """Events, once few and once more."""


WORK = EXAMPLES / "work"
WORKS = [
    Work("append, one event a write", 3_450, [WORK, "append", "{new}", "--events", "{events}"]),
    Work(
        "append, 64 events a write",
        2_510,
        [WORK, "append", "{new}", "--events", "{events}", "--batch", "64"],
    ),
    Work("read, check and parse a line", 1_950, [WORK, "read", "{root}"]),
    Work("the same and fold its event", 2_820, [WORK, "fold", "{root}"]),
    # Long enough to be read ahead, by one thread.
    Work(
        "rebuild --dry-run, reports included",
        3_400,
        [RETALLY, "rebuild", "--dry-run", "--format", "jsonl", "--quiet", "--root", "{root}"],
        sizes=(10_000, 40_000),
    ),
]


def main():
    is_known_machine = platform.machine() == "x86_64"
    with tempfile.TemporaryDirectory(prefix="retally-instructions-") as folder:
        dear = [work.name for work in WORKS if not is_cheap(work, Path(folder))]
    if dear and is_known_machine:
        sys.exit(f"more than {SLACK - 1:.0%} above the row: {', '.join(dear)}")
    size = RETALLY.stat().st_size / (1 << 20)
    print(f"the command is {size:.1f} MiB large, {SIZE_MAX_MIB} are allowed")
    if size > SIZE_MAX_MIB and is_known_machine:
        sys.exit("the command is too large")
    if not is_known_machine:
        print(f"the rows are those of x86_64; on {platform.machine()} nothing is compared")


def is_cheap(work, folder):
    """Prints what an event costs, and returns whether it may."""
    few, more = work.sizes
    counted = (count(work, more, folder) - count(work, few, folder)) / (more - few)
    change = counted / work.expected - 1
    print(
        f"{work.name:<38} {counted:>7,.0f} instructions an event,"
        f" row {work.expected:,}: {change:+.1%}"
    )
    return counted <= work.expected * SLACK


def count(work, events, folder):
    """Returns how many instructions a work executes in user space."""
    root = folder / f"events-{events}"
    if "{root}" in work.command and not root.exists():
        generate(root, runs=1, events=events)
    new = tempfile.mkdtemp(dir=folder)
    words = [str(word).format(root=root, new=new, events=events) for word in work.command]
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    # One thread: how two share work is chance.
    environment = {**os.environ, "RAYON_NUM_THREADS": "1", "XDG_CACHE_HOME": new}
    done = subprocess.run(
        valgrind + words, env=environment, capture_output=True, check=False, text=True
    )
    collected = re.search(r"Collected *: (\d+)", done.stderr)
    if done.returncode not in (0, 1) or not collected:  # 1: reports would change
        sys.exit(f"{' '.join(words)}: {done.stderr}")
    return int(collected[1])


main()
