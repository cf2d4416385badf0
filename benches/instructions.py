"""Counts the instructions that an event costs, and fails where it is more than a bound.

    just instructions

Instructions, unlike seconds, are the same on a busy machine. Each thing is done with few and with
many events under `valgrind --tool=callgrind`; the difference, by the event, is without start-up. Who
makes something dearer for a reason raises its bound and says why in the commit; who makes it cheaper
lowers it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "examples"
# Logs of this size are read by one thread.
FEW, MANY = 2_000, 10_000
# What is allowed beyond the bound's own measurement, for other compilers and C libraries.
SLACK = 1.15

# Instructions an event as measured on 2026-11-23 with rustc 1.95, x86-64.
MEASURED = {
    "append": 6_610,
    "append, redacted": 8_400,
    "read": 2_510,
    "fold": 3_440,
    "fold and reports": 3_945,
    "read, foreign lines": 8_050,
}


def main():
    folder = Path(tempfile.mkdtemp(prefix="retally-instructions-"))
    try:
        counts = {name: (count(MANY) - count(FEW)) / (MANY - FEW) for name, count in things(folder)}
    finally:
        shutil.rmtree(folder)
    print("| instructions an event | counted | bound |\n|---|---|---|")
    too_many = []
    for name, counted in counts.items():
        bound = MEASURED[name] * SLACK
        print(f"| {name} | {counted:,.0f} | {bound:,.0f} |")
        if counted > bound:
            too_many.append(name)
    if too_many:
        sys.exit(f"more than allowed: {', '.join(too_many)} (see benches/instructions.py)")


def things(folder):
    """Yields a name and what counts the instructions for a number of events."""
    for shape in ("own", "foreign"):
        for events in (FEW, MANY):
            root = folder / f"{shape}-{events}"
            command = [TARGET / "generate_logs", "--root", root, "--runs", "1", "--shape", shape]
            subprocess.run([*command, "--events", str(events)], check=True, stdout=subprocess.DEVNULL)
    new = (folder / f"new-{number}" for number in range(100))
    yield "append", lambda events: counted("append", next(new), "--events", events)
    yield "append, redacted", lambda events: counted("append", next(new), "--events", events, "--redact")
    yield "read", lambda events: counted("read", folder / f"own-{events}")
    yield "fold", lambda events: counted("fold", folder / f"own-{events}")
    yield "fold and reports", lambda events: counted("report", folder / f"own-{events}")
    yield "read, foreign lines", lambda events: counted("read", folder / f"foreign-{events}")


def counted(*arguments):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", TARGET / "repeat"]
    ended = subprocess.run(
        [*command, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    collected = re.search(r"Collected : (\d+)", ended.stderr)
    if ended.returncode != 0 or collected is None:
        sys.exit(ended.stderr)
    return int(collected[1])


if __name__ == "__main__":
    main()
