"""The command: starting it, and listing runs."""

from programs import RETALLY, generate, retally, timed
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
