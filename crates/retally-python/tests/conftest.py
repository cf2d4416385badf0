"""What the tests share. Each has a root of its own."""

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Events = Callable[[], list[dict[str, Any]]]

DOCS = Path(__file__).parents[3] / "docs"


def examples(page: str, info: str = "python") -> list[str]:
    """Returns the blocks of a page of the documentation that bear an info string."""
    text = (DOCS / page).read_text()
    return re.findall(rf"^```{info}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run_example(block: str, folder: Path, **names: Any) -> None:
    """Runs a block as a program in which names stand for what a page leaves to its reader."""
    program = folder / "example.py"
    program.write_text(block)
    runpy.run_path(str(program), names)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root that runs are logged in where a test names none."""
    root = tmp_path / "runs"
    monkeypatch.setenv("RETALLY_ROOT", str(root))
    return root


@pytest.fixture
def events(root: Path) -> Events:
    """Returns all events of the root in the order of their times, without what makes a line."""

    def read() -> list[dict[str, Any]]:
        lines = []
        for segment in root.glob("*/events/*.jsonl"):
            # A segment ends its lines by LF only.
            lines += [json.loads(line) for line in segment.read_bytes().splitlines()]
        lines = [line for line in lines if line["type"] != "segment.opened"]
        lines.sort(key=lambda line: (line["ts"], line["seq"]))
        return [{k: v for k, v in line.items() if k not in ("seq", "ts", "crc")} for line in lines]

    return read
