"""What the tests share. Each has a root of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Events = Callable[[], list[dict[str, Any]]]


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
