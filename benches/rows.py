"""What is measured, and the table of it."""

import statistics
from dataclasses import dataclass

FASTER = "times as fast"
LONGER = "times the time"
MORE_IS_BETTER = (FASTER, "million events a second")


@dataclass
class Row:
    """One line of the table: what was measured, in pairs or rounds that took turns."""

    work: str
    against: str
    """The peer or the floor; empty where a figure stands for itself."""
    values: list
    unit: str
    target: float | None = None

    def is_met(self):
        median = statistics.median(self.values)
        return median >= self.target if self.unit in MORE_IS_BETTER else median <= self.target

    def cells(self):
        """Returns the cells of the table's line."""
        sign = "≥" if self.unit in MORE_IS_BETTER else "≤"
        target = "" if self.target is None else f"{sign} {figure(self.target)}"
        measured = figure(statistics.median(self.values))
        if len(self.values) > 1:
            measured += f" ({figure(min(self.values))}–{figure(max(self.values))})"
        verdict = "" if self.target is None else "met" if self.is_met() else "missed"
        return [self.work, self.against, target, f"{measured} {self.unit}", verdict]


def alternate(pairs, slower, faster):
    """Returns how many times as long the first takes, of pairs that take turns."""
    slower(), faster()
    return [slower() / faster() for _ in range(pairs)]


def figure(value):
    """Returns a number with as many digits as say something."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def table(header, lines):
    """Returns a table as Markdown shows it."""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)
