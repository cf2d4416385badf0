"""What the documentation shows is run as it stands there."""

import doctest
from pathlib import Path

import pytest

import retally
from conftest import examples, run_example

# The README also shows how one does without the package.
README = [block for block in examples("../README.md") if "retally" in block.split("\n\n")[0]]
BLOCKS = README + examples("python.md")


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_an_example_of_the_page_runs(block: str, tmp_path: Path, root: Path) -> None:
    run_example(block, tmp_path)
    assert [*root.glob("*/issues/*_report.json")]


def test_the_example_of_the_package_runs() -> None:
    assert len(BLOCKS) == 5
    result = doctest.testmod(retally)
    assert (result.attempted > 0, result.failed) == (True, 0)
