"""The command: starting it, listing runs, and answers."""

import os
import random
import subprocess

from programs import RETALLY, environment_of, generate, retally, timed
from rows import LONGER, Row, alternate


def rows(folders, options):
    """Yields the rows of the command."""
    start = lambda: timed(RETALLY, "--version")
    rounds = 8 * options.pairs
    yield Row("start of the command", "", [1000 * start() for _ in range(rounds)], "ms", 10)
    yield Row(
        "start of the command", "`true`", alternate(rounds, start, lambda: timed("true")), LONGER
    )
    yield Row("size of the command", "", [RETALLY.stat().st_size / (1 << 20)], "MiB")

    many = folders.memory / "listed"
    generate(many, runs=options.many, events=20 * options.many)
    listing = lambda: retally(many, "runs", "--format", "jsonl")
    name = f"`runs` over {options.many:,} finished runs"
    yield Row(f"{name}, the first time", "", [listing()], "s")
    target = 1 if options.many >= 100_000 else None
    yield Row(f"{name}, unchanged", "", [listing() for _ in range(options.pairs)], "s", target)
    walk = lambda: timed("find", many, "-type", "f", "-size", "+0")
    yield Row(
        f"{name}, unchanged",
        "`find`, which stats each file",
        alternate(options.pairs, listing, walk),
        LONGER,
    )

    issues = folders.memory / "issues"
    record_issues(issues, runs=100, issues=1000)
    for words, target in (("compare",), 2), (("insights",), 3):
        seconds = [retally(issues, *words) for _ in range(options.pairs)]
        yield Row(f"`{' '.join(words)}` over 100,000 issues of 2 models", "", seconds, "s", target)


def record_issues(root, *, runs, issues):
    """Makes a root of runs with short issues, which half of the runs each do with another model."""
    chance = random.Random(1)
    for number in range(runs):
        lines = []
        half = runs // 2
        model = ("small", "large")[number // half]
        for issue in range(number % half * issues, (number % half + 1) * issues):
            about = f'"issue":{issue},"agent":"coding"'
            status = "completed" if chance.random() < 0.7 else "failed"
            cost = chance.lognormvariate(-2, 0.8)
            lines += [
                f'{{"type":"issue.started","issue":{issue}}}',
                f'{{"type":"llm.called",{about},"model":"{model}","cost_usd":{cost:.4f}}}',
                f'{{"type":"debug.started",{about},"error_type":"test_failure","error_message":"m"}}',
                f'{{"type":"debug.attempted",{about}}}',
                f'{{"type":"debug.finished",{about},"resolved":true}}',
                f'{{"type":"code.changed",{about},"lines_added":{chance.randrange(1, 300)}}}',
                f'{{"type":"issue.finished","issue":{issue},"status":"{status}"}}',
            ]
        environment = {**os.environ, **environment_of(root), "RETALLY_RUN_ID": f"r{number}"}
        run = ["--quiet", "--root", root]
        start = [RETALLY, "start", "--project", "p", "--model", model, *run]
        subprocess.run(start, env=environment, stdout=subprocess.DEVNULL, check=True)
        text = "\n".join(lines)
        append = [RETALLY, "append", f"r{number}", *run]
        subprocess.run(append, env=environment, input=text, text=True, check=True)
