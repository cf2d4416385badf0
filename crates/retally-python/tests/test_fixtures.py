"""The fixtures of the Rust crates give the same report files, byte for byte, through Python."""

import json
import shutil
from pathlib import Path

import pytest

import retally

FIXTURES = Path(__file__).parents[3] / "fixtures"
SCENARIOS = sorted(path.parent.name for path in FIXTURES.glob("*/events"))


def copied(scenario: str, root: Path) -> str:
    """Copy a scenario into the root as the run that it is, and return its id."""
    source = FIXTURES / scenario
    id_file = source / "run_id"
    run_id = id_file.read_text().strip() if id_file.exists() else f"run_{scenario}"
    shutil.copytree(source / "events", root / run_id / "events")
    prices = source / "prices.toml"
    # Without one an empty book, so that the built-in one changes nothing here.
    (root / "prices.toml").write_bytes(prices.read_bytes() if prices.exists() else b"")
    return run_id


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.json")}


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) > 30


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_run_that_is_opened_gets_the_expected_report_files(scenario: str, root: Path) -> None:
    run_id = copied(scenario, root)
    segments = {path: path.read_bytes() for path in (root / run_id / "events").iterdir()}
    run = retally.open_run(run_id, root=root, strict=True)
    run.update_reports()
    assert files_in(root / run_id) == files_in(FIXTURES / scenario / "expected")
    # To look at a run changes nothing of its log.
    assert {path: path.read_bytes() for path in (root / run_id / "events").iterdir()} == segments


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_rebuild_writes_the_expected_report_files(scenario: str, root: Path) -> None:
    run_id = copied(scenario, root)
    expected = files_in(FIXTURES / scenario / "expected")
    changes = retally.rebuild(root)
    assert files_in(root / run_id) == expected
    assert len(changes) == len(expected)
    assert retally.rebuild(root) == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_is_read_is_what_the_expected_files_hold(scenario: str, root: Path) -> None:
    run_id = copied(scenario, root)
    expected = {
        name: json.loads(content)
        for name, content in files_in(FIXTURES / scenario / "expected").items()
    }
    recorded = retally.read_run(run_id, root=root)
    assert files_in(root / run_id) == {}
    for name, report in expected.items():
        if name.endswith("_metadata.json"):
            assert recorded.metadata == report
        elif name.endswith("_final.json"):
            assert recorded.report == report
    issues = {str(issue["issue_id"]): issue for issue in recorded.issues}
    assert len(issues) == sum(name.endswith("_metrics.json") for name in expected)
    for name, report in expected.items():
        if name.startswith("issues/"):
            assert issues[str(report["issue_id"])] == report
