"""Keeping reports up to date."""

import contextlib
import os
import re
import signal
import subprocess
import time

from programs import EXAMPLES, RETALLY, environment_of, generate, retally, timed, work
from rows import LONGER, Row, alternate


def rows(folders, options):
    """Yields the rows of watching."""
    memory, quiet = folders.memory, ["--runs=1", "--writers=0", "--events=0"]
    least = measured(memory, ["--floor"], options)["p50"]
    yield from latencies(memory, "one run", quiet, options, p50=0.3, p99=5, least=least)
    load = ["--runs=1000", "--writers=1", "--rate=10000", "--kills=0"]
    under_load = "1,000 live runs, 10,000 events a second in all"
    yield from latencies(memory, under_load, load, options, p99=100, core=30)
    yield Row(
        "processor time of a loop that writes and renames 10,000 such files a second",
        "",
        [writing(memory / "written") for _ in range(options.pairs)],
        "% of a core",
    )

    yield restarted(memory / "large", options)

    many = memory / "unchanged"
    generate(many, runs=options.many, events=20 * options.many)
    retally(many, "watch", "--once")
    again = lambda: retally(many, "watch", "--once")
    name = f"`watch --once` over {options.many:,} unchanged runs"
    milliseconds = [1000 * again() for _ in range(options.pairs)]
    target = 150 if options.many <= 10_000 else None
    yield Row(name, "", milliseconds, "ms", target)
    walk = lambda: timed("find", many, "-type", "f", "-size", "+0")
    yield Row(name, "`find`, which stats each file", alternate(options.pairs, again, walk), LONGER)

    yield burst(memory, options)


def latencies(folder, name, load, options, p50=None, p99=None, core=None, least=None):
    """Yields what `examples/watch_soak` measures: from an append to its report, and the cost."""
    found = measured(folder, load, options)
    yield Row(f"append to report seen, {name}, p50", "", [found["p50"]], "ms", p50)
    if least is not None:
        against = "a process that does nothing but replace a small file when it is notified"
        ratio = [found["p50"] / least]
        yield Row(f"append to report seen, {name}, p50", against, ratio, LONGER)
    yield Row(f"append to report seen, {name}, p99", "", [found["p99"]], "ms", p99)
    yield Row(f"processor time of the watcher, {name}", "", [found["core"]], "% of a core", core)


def measured(folder, load, options):
    """Returns what `examples/watch_soak` prints: milliseconds, and percent of a core."""
    command = [EXAMPLES / "watch_soak", *load, f"--minutes={options.minutes}"]
    environment = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = dict(re.findall(r"(p50|p99) ([\d.]+) ms", done.stdout))
    found |= re.search(r"watcher: (?P<core>[\d.]+) % of a core|$", done.stdout).groupdict("nan")
    return {name: float(figure) for name, figure in found.items()}


def writing(root):
    """Returns the percentage of a core that it takes to write 10,000 reports of issues a second,
    into as many runs, and to rename each."""
    if not root.exists():
        generate(root, runs=1000, events=20_000)
        retally(root, "rebuild")
    files = sum(1 for _ in root.glob("*/*.json")) + sum(1 for _ in root.glob("*/issues/*.json"))
    return 100 * 10_000 * work("files", root) / files


def restarted(root, options):
    """Measures a watcher that starts on a large log to which one event was appended, until its
    report is there."""
    generate(root, runs=1, events=options.large)
    retally(root, "watch", "--once")
    size = sum(path.stat().st_size for path in root.glob("*/events/*")) / 1e9
    (report,) = root.glob("*/*_metadata.json")
    beyond = []
    for number in range(options.pairs):
        event = ("tool.called", "issue=1", f"tool=t{number}")
        retally(root, "append", "latest", *event)
        before = report.stat().st_ino
        start = time.perf_counter()
        with watching(root):
            wait_until(lambda: report.stat().st_ino != before)
            took = time.perf_counter() - start
        beyond.append(1000 * (took - timed(RETALLY, "--version")))
    name = f"restart on a log of {size:.1f} GB with one new event, beyond process start"
    return Row(name, "", beyond, "ms", 50)


@contextlib.contextmanager
def watching(root):
    """Watches a root meanwhile."""
    command = [RETALLY, "watch", "--quiet", "--root", root]
    watcher = subprocess.Popen(command, env={**os.environ, **environment_of(root)})
    try:
        yield
    finally:
        watcher.send_signal(signal.SIGTERM)
        watcher.wait()


def burst(folder, options):
    """Measures a million events that come at once into a run that is watched, until its reports
    say so."""
    source = folder / "source"
    generate(source, runs=1, events=1_000_000)
    number = iter(range(1000))

    def live():
        root = folder / f"burst-{next(number)}"
        generate(root, runs=1, events=2)
        (run,) = root.iterdir()
        (early,) = (run / "events").iterdir()
        early.unlink()
        (run / "events" / "start.jsonl").write_text(FIRST_LINE)
        with watching(root):
            wait_until((run / f"{run.name}_metadata.json").exists)
            (segment,) = source.glob("*/events/*.jsonl")
            os.link(segment, run / "events" / segment.name)
            start = time.perf_counter()
            wait_until((run / f"{run.name}_final.json").exists)
            return time.perf_counter() - start

    def rebuilt():
        for path in source.glob("*/*.json"):
            path.unlink()
        for path in source.glob("*/issues/*.json"):
            path.unlink()
        return retally(source, "rebuild")

    ratios = alternate(options.pairs, live, rebuilt)
    return Row(
        "1,000,000 events that come at once into a watched run",
        "`rebuild` of the run",
        ratios,
        LONGER,
    )


FIRST_LINE = '{"ts":"2024-12-03T14:00:00Z","type":"run.started","project_id":"group/app"}\n'


def wait_until(is_so):
    """Returns once something is so."""
    deadline = time.perf_counter() + 120
    while not is_so():
        if time.perf_counter() > deadline:
            raise TimeoutError("not within two minutes")
        time.sleep(0.001)
