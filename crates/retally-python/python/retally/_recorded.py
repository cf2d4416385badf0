"""Reading what was logged. Reports are made from the logs, whatever stands in the files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from . import _retally
from ._reports import IssueReport, RunMetadata, RunReport
from ._run import root_path

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


@dataclass(frozen=True)
class RecordedRun:
    """A run as its log has it at the time of reading."""

    run_id: str
    root: str
    metadata: RunMetadata
    report: RunReport
    issues: tuple[IssueReport, ...]
    """The reports of its issues, in the order in which they appeared."""


class Change(NamedTuple):
    """A report file that was changed, or would be; `path` is within the run's folder."""

    run_id: str
    path: str
    kind: str


class Table:
    """Rows in the memory layout of Arrow, taken over by columns, without a copy by rows.

    Any library that knows the Arrow PyCapsule interface takes it as it is:
    `pyarrow.table(table)`, `polars.DataFrame(table)`, `duckdb.sql("FROM table")`.
    """

    def __init__(self, columns: _retally.Table) -> None:
        self._columns = columns

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._columns.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return len(self._columns)

    def to_arrow(self) -> pyarrow.Table:
        """Return it as a table of pyarrow, which must be installed."""
        import pyarrow

        return pyarrow.table(self)

    def to_pandas(self) -> pandas.DataFrame:
        """Return it as a data frame of pandas; pyarrow must be installed too."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """Return it as a data frame of polars, which must be installed."""
        import polars

        return polars.DataFrame(self)


class Runs(Sequence[RecordedRun]):
    """The runs of a root that there were when this was made; each is read when its turn comes."""

    def __init__(self, root: str, run_ids: Sequence[str]) -> None:
        self.root = root
        self.run_ids = tuple(run_ids)

    def __len__(self) -> int:
        return len(self.run_ids)

    @overload
    def __getitem__(self, at: int) -> RecordedRun: ...
    @overload
    def __getitem__(self, at: slice) -> Runs: ...
    def __getitem__(self, at: int | slice) -> RecordedRun | Runs:
        if isinstance(at, slice):
            return Runs(self.root, self.run_ids[at])
        return read_run(self.run_ids[at], root=self.root)

    def __iter__(self) -> Iterator[RecordedRun]:
        return (read_run(run_id, root=self.root) for run_id in self.run_ids)

    @property
    def table(self) -> Table:
        """A table with a row for each run; the columns are the keys of its report."""
        return Table(_retally.table_of_runs(self.root, list(self.run_ids)))

    @property
    def issues(self) -> Table:
        """A table with a row for each issue of each run; the columns are the keys of its report."""
        return Table(_retally.table_of_issues(self.root, list(self.run_ids)))

    def to_arrow(self) -> pyarrow.Table:
        """Return `table` as one of pyarrow."""
        return self.table.to_arrow()

    def to_pandas(self) -> pandas.DataFrame:
        """Return `table` as a data frame of pandas."""
        return self.table.to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """Return `table` as a data frame of polars."""
        return self.table.to_polars()

    def __repr__(self) -> str:
        return f"<{len(self)} runs in {self.root}>"


def runs(root: str | os.PathLike[str] | None = None) -> Runs:
    """Return all runs of a root, in the order of their ids.

    Raises `ReportError` if the root cannot be read.
    """
    path = root_path(root)
    return Runs(path, _retally.run_ids(path))


def read_run(run_id: str = "latest", *, root: str | os.PathLike[str] | None = None) -> RecordedRun:
    """Read a run: its id, the beginning of one, or `latest`.

    Raises `RunNotFoundError` if there is no such run, or several, and `ReportError` if its log
    cannot be read.
    """
    path = root_path(root)
    found, metadata, report, issues = _retally.read_run(path, run_id)
    issue_reports = tuple(json.loads(issue) for issue in issues)
    return RecordedRun(found, path, json.loads(metadata), json.loads(report), issue_reports)


def rebuild(
    root: str | os.PathLike[str] | None = None,
    *,
    run_ids: Sequence[str] | None = None,
    dry_run: bool = False,
) -> list[Change]:
    """Bring the report files of all runs, or of those named, to what their logs say, and return
    what changed, or with `dry_run` what would.

    Raises `RunNotFoundError`, and `ReportError` with the runs that failed; all others were rebuilt.
    """
    path = root_path(root)
    wanted = _retally.run_ids(path) if run_ids is None else list(run_ids)
    return [Change(*map(str, change)) for change in _retally.rebuild(path, wanted, dry_run)]
