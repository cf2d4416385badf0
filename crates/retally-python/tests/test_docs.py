"""What the documentation shows is run as it stands there."""

import doctest
import re
import runpy
from pathlib import Path

import pytest

import retally

PAGE = Path(__file__).parents[3] / "docs" / "python.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_an_example_of_the_page_runs(block: str, tmp_path: Path, root: Path) -> None:
    program = tmp_path / "example.py"
    program.write_text(block)
    runpy.run_path(str(program))
    assert [*root.glob("*/issues/*_report.json")]


def test_the_example_of_the_package_runs() -> None:
    assert len(BLOCKS) >= 2
    result = doctest.testmod(retally)
    assert (result.attempted > 0, result.failed) == (True, 0)
