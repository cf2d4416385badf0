"""Draws lines over logarithmic axes as SVG: small, and the same bytes for the same figures."""

import math
from html import escape

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 36, 64, 44
COLOURS = ("#0072b2", "#d55e00", "#009e73")
"""Colours that people who see few colours can tell apart."""
STYLE = (
    "text{font:12px sans-serif;fill:#222} .title{font-weight:bold}"
    " .grid{stroke:#ddd} .axis{stroke:#888} .way{fill:none;stroke-width:2}"
)


def draw(panels):
    """Returns the SVG of panels side by side, each a title, a name of the axis, and its ways."""
    width = WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" role="img">',
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for number, (title, axis, ways) in enumerate(panels):
        parts += [
            f'<g transform="translate({WIDTH * number} 0)">',
            *panel(title, axis, ways),
            "</g>",
        ]
    return "\n".join([*parts, "</svg>", ""])


def panel(title, axis, ways):
    """Yields the elements of one panel."""
    across = decades(x for points in ways.values() for x, _ in points)
    upward = decades(y for points in ways.values() for _, y in points)
    place_x = scale(across, LEFT, WIDTH - RIGHT)
    place_y = scale(upward, HEIGHT - BOTTOM, TOP)
    yield text(LEFT, 16, title, "title")
    for power in range(across[0], across[1] + 1):
        yield text(place_x(10**power), HEIGHT - BOTTOM + 16, f"{10**power:,}", anchor="middle")
    for power in range(upward[0], upward[1] + 1):
        y = place_y(10**power)
        yield line("grid", (LEFT, y), (WIDTH - RIGHT, y))
        yield text(LEFT - 6, y + 4, f"{10.0**power:,.10g} µs", anchor="end")
    yield line("axis", (LEFT, HEIGHT - BOTTOM), (WIDTH - RIGHT, HEIGHT - BOTTOM))
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, axis, anchor="middle")
    for number, (colour, (way, points)) in enumerate(zip(COLOURS, ways.items())):
        places = [(place_x(x), place_y(y)) for x, y in points]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline points="{joined}" class="way" stroke="{colour}"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
        y = 30 + 13 * number
        yield line("way", (LEFT, y - 4), (LEFT + 16, y - 4), f' stroke="{colour}"')
        yield text(LEFT + 22, y, way.replace("`", ""))


def decades(values):
    """Returns the powers of ten around some values."""
    values = list(values)
    least, most = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return least, max(most, least + 1)


def scale(powers, start, end):
    """Returns what places a value between two edges, by its logarithm."""
    least, most = powers
    return lambda value: start + (math.log10(value) - least) / (most - least) * (end - start)


def text(x, y, words, kind="", anchor="start"):
    """Returns an element with words in it."""
    place = f'x="{x:.1f}" y="{y:.1f}"'
    return f'<text {place} class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def line(kind, start, end, more=""):
    """Returns an element that is a straight line."""
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{more}/>'
