"""What was logged can be read, run by run and as tables."""

import json
from pathlib import Path
from typing import Any, get_type_hints

import pandas
import polars
import pyarrow
import pytest

import retally

FIXTURES = Path(__file__).parents[3] / "fixtures"


def log_two_runs() -> list[str]:
    ids = []
    for number in (1, 2):
        with retally.RunLogger("168", {"llm_model": f"model-{number}"}, run_id=f"run_{number}") as run:
            for issue_id in range(number):
                with run.issue(issue_id, title="Login fails") as issue, issue.agent("coding"):
                    issue.record_llm_call("m", input_tokens=10, output_tokens=5, cost_usd=0.25)
                    issue.record_code_change(lines_added=7)
        ids.append(run.run_id)
    return ids


def test_runs_are_read_each_as_its_log_has_it(root: Path) -> None:
    ids = log_two_runs()
    runs = retally.runs()
    assert ([run.run_id for run in runs], len(runs), runs.root) == (ids, 2, str(root))
    assert [len(run.issues) for run in runs[1:]] == [2]
    second = retally.read_run("run_2")
    assert second == runs[-1]
    assert second.metadata["llm_configuration"] == {
        "provider": None,
        "model": "model-2",
        "temperature": None,
    }
    assert (second.report["success_rate"], second.report["cost_usd"]) == (100.0, 0.5)
    assert [issue["code"]["lines_added"] for issue in second.issues] == [7, 7]


def test_reading_changes_nothing_and_rebuild_mends(root: Path) -> None:
    log_two_runs()
    assert retally.rebuild() == []
    damaged = root / "run_1" / "issues" / "issue_0_report.json"
    damaged.write_text("{}")
    retally.read_run("run_1")
    assert damaged.read_text() == "{}"
    would = retally.rebuild(dry_run=True)
    assert [(change.run_id, Path(change.path).name) for change in would] == [
        ("run_1", damaged.name)
    ]
    assert damaged.read_text() == "{}"
    assert retally.rebuild(run_ids=["run_2"]) == []
    assert retally.rebuild() == would
    assert json.loads(damaged.read_text())["issue_id"] == 0


def test_what_is_not_there_is_said(root: Path) -> None:
    with pytest.raises(retally.RunNotFoundError):
        retally.read_run()
    with pytest.raises(retally.RunNotFoundError):
        retally.rebuild(run_ids=["run_1"])
    assert (len(retally.runs()), retally.rebuild()) == (0, [])
    assert len(retally.runs().table) == 0


def test_tables_hold_what_the_reports_say() -> None:
    log_two_runs()
    runs = retally.runs()
    table = runs.to_arrow()
    assert table.column("run_id").to_pylist() == ["run_1", "run_2"]
    assert table.schema.field("started_at").type == pyarrow.timestamp("us", "UTC")
    for name in table.column_names:
        for row, run in enumerate(runs):
            assert plain(table.column(name)[row].as_py()) == member(run.report, name), name
    issues = runs.issues.to_arrow()
    all_issues = [issue for run in runs for issue in run.issues]
    assert len(runs.issues) == len(all_issues) == 3
    for name in issues.column_names:
        for row, issue in enumerate(all_issues):
            expected = member(issue, name)
            expected = str(expected) if name == "issue_id" else expected
            assert plain(issues.column(name)[row].as_py()) == expected, name


def plain(value: Any) -> Any:
    """Return a time as reports have it."""
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if hasattr(value, "strftime") else value


def member(report: Any, name: str) -> Any:
    for part in name.split("."):
        report = report[part]
    return report


def test_each_plain_key_of_a_report_is_a_column() -> None:
    log_two_runs()
    runs = retally.runs()
    run = runs[0]
    for report, table in ((run.report, runs.table), (run.issues[0], runs.issues)):
        columns = table.to_arrow().column_names
        for key, value in report.items():
            is_plain = value is None or isinstance(value, (str, int, float))
            assert key in columns or not is_plain, key


def test_other_libraries_take_the_tables() -> None:
    log_two_runs()
    runs = retally.runs()
    frame = runs.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["cost_usd"].sum() == 0.75
    other = runs.issues.to_polars()
    assert isinstance(other, polars.DataFrame)
    assert other["code.lines_added"].sum() == 21
    # A table may be taken any number of times.
    assert polars.DataFrame(runs.issues).equals(other)


@pytest.mark.parametrize(
    ("pattern", "hints"),
    [
        ("*/expected/*_final.json", retally.RunReport),
        ("*/expected/*_metadata.json", retally.RunMetadata),
        ("*/expected/issues/*_report.json", retally.IssueReport),
    ],
)
def test_the_types_name_each_key_of_the_reports(pattern: str, hints: type) -> None:
    paths = [*FIXTURES.glob(pattern)]
    assert len(paths) > 10
    keys = set(get_type_hints(hints))
    for path in paths:
        assert set(json.loads(path.read_bytes())) == keys, path
