"""Appending events, and writing reports."""

import itertools
import shutil
import subprocess
import time

from programs import EXAMPLES, generate, work
from rows import FASTER, LONGER, Row, alternate

EVENTS = 200_000


def rows(folders, options):
    """Yields the rows of appends and of report files."""
    pairs, fresh = options.pairs, Fresh(folders.memory / "appends")
    ours = lambda: fresh.use(lambda root: work("append", root, events=EVENTS))
    bare = lambda: fresh.use(lambda root: work("write", root, events=EVENTS))
    yield Row(
        "append of one event, `process` durability",
        "`write(2)` of the same bytes",
        alternate(pairs, ours, bare),
        LONGER,
        2.5,
    )
    batch = lambda: fresh.use(lambda root: work("append", root, events=5 * EVENTS, batch=64))
    speeds = [5 * EVENTS / batch() / 1e6 for _ in range(pairs)]
    yield Row("append of batches of 64", "", speeds, "million events a second", 4)
    ratios = alternate(pairs, ours, lambda: batch() / 5)
    yield Row("append of batches of 64", "append of one event a call", ratios, FASTER)
    redacted = lambda: fresh.use(lambda root: work("append", root, events=EVENTS, redact=True))
    yield Row(
        "append of one event, secrets taken out",
        "append of one event",
        alternate(pairs, redacted, ours),
        LONGER,
    )
    one = lambda: fresh.use(lambda root: processes(root, 1, 8 * EVENTS))
    eight = lambda: fresh.use(lambda root: processes(root, 8, EVENTS))
    yield Row(
        "8 processes that append to one run, in all",
        "one process, as many events",
        alternate(pairs, one, eight),
        FASTER,
        1,
    )

    on_disk = Fresh(folders.disk / "appends")
    synced = lambda threads, events: on_disk.use(
        lambda root: work(
            "append", root, events=events, threads=threads, durability="power", passed=True
        )
    )
    ratios = alternate(pairs, lambda: synced(1, 640), lambda: synced(64, 10))
    yield Row(
        "64 threads that append with `power` durability, in all",
        "one thread, as many events",
        ratios,
        FASTER,
    )

    for place, folder in (("in memory", folders.memory), ("on the disk", folders.disk)):
        root = folder / "reported"
        generate(root, runs=100, events=200_000)
        # Of writing to a disk, most is waiting.
        waits = folder == folders.disk
        ours = lambda: work("reports", root, passed=waits)
        plain = lambda: work("files", root, passed=waits)
        ratios = alternate(pairs, ours, plain)
        yield Row(
            f"report files of 200,000 events, {place}, 1 thread",
            "a loop that writes and renames such files",
            ratios,
            LONGER,
            1.3,
        )


class Fresh:
    """Folders that are removed once they were used."""

    def __init__(self, folder):
        self.names = (folder / str(number) for number in itertools.count())
        folder.mkdir()

    def use(self, take):
        """Returns what `take` makes of a folder that is not there yet."""
        folder = next(self.names)
        try:
            return take(folder)
        finally:
            shutil.rmtree(folder)


def processes(root, count, events):
    """Returns the seconds that some processes take to append so many events each to one run."""
    command = [EXAMPLES / "work", "append", root, f"--events={events}"]
    start = time.perf_counter()
    writers = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(count)]
    codes = [writer.wait() for writer in writers]
    if any(codes):
        raise RuntimeError("a writer failed")
    return time.perf_counter() - start
