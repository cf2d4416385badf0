"""What the documentation shows is run as it stands there."""

import doctest
import re
import runpy
from pathlib import Path

import pytest

import retally

PROJECT = Path(__file__).parents[3]
PAGES = [PROJECT / "README.md", PROJECT / "docs" / "python.md"]
ALL_BLOCKS = [
    block
    for page in PAGES
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
]
# The README also shows how one does without the package.
BLOCKS = [block for block in ALL_BLOCKS if "retally" in block.split("\n\n")[0]]


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_an_example_of_the_page_runs(block: str, tmp_path: Path, root: Path) -> None:
    program = tmp_path / "example.py"
    program.write_text(block)
    runpy.run_path(str(program))
    assert [*root.glob("*/issues/*_report.json")]


def test_the_example_of_the_package_runs() -> None:
    assert len(BLOCKS) == 5
    result = doctest.testmod(retally)
    assert (result.attempted > 0, result.failed) == (True, 0)
