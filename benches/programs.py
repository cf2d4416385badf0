"""The programs that are measured, as cargo built them for release, and how long they take."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", SOURCES / "target")) / "release"
EXAMPLES = RELEASE / "examples"
RETALLY = RELEASE / "retally"

ONE_THREAD = {"RAYON_NUM_THREADS": "1"}


def generate(root, *, runs, events, shape="own"):
    """Makes a root with so many runs, and so many events in all."""
    counts = ["--runs", str(runs), "--events", str(events), "--shape", shape]
    subprocess.run([EXAMPLES / "generate_logs", "--root", root, *counts], check=True)


def retally(root, *words, **environment):
    """Returns the seconds that the command takes, from its start to its end."""
    return timed(RETALLY, *words, "--quiet", "--root", root, **environment_of(root), **environment)


def environment_of(root):
    """Returns what keeps checkpoints beside the root, where they go with it."""
    return {"XDG_CACHE_HOME": f"{root}-cache"}


def timed(*command, **environment):
    """Returns the seconds that a program takes, from its start to its end."""
    words = [str(word) for word in command]
    start = time.perf_counter()
    run(words, environment)
    return time.perf_counter() - start


def used(root, *words, **environment):
    """Returns the processor seconds that the command uses, from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    retally(root, *words, **environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def work(kind, root, *, passed=False, **options):
    """Returns the processor seconds that a work of `examples/work` uses, or the seconds that
    pass, without what it prepares."""
    words = [f"--{name}" if it is True else f"--{name}={it}" for name, it in options.items()]
    both = run([str(EXAMPLES / "work"), kind, str(root), *words], ONE_THREAD)
    return float(both.split()[0 if passed else 1])


def peak_mib(root, *words):
    """Returns how much memory the command takes at most."""
    # A small program in between: a process inherits the peak of the one that started it.
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", script, RETALLY, *words, "--quiet", "--root", root]
    return int(run([str(word) for word in command], environment_of(root))) / 1024


def run(words, environment):
    """Runs a program to its end, and returns what it printed."""
    environment = {**os.environ, **environment}
    done = subprocess.run(words, env=environment, capture_output=True, check=False, text=True)
    if done.returncode not in (0, 1):  # 1: reports would change
        sys.exit(f"{' '.join(words)}: {done.stderr}")
    return done.stdout
