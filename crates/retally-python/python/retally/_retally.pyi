from collections.abc import Mapping
from typing import Any, final

__all__ = ["Log", "event_json"]

def event_json(
    type_name: str,
    fields: dict[str, Any],
    micros: int | None = None,
    key: str | None = None,
) -> bytes: ...
@final
class Log:
    @staticmethod
    def start(
        root: str,
        project: str,
        *,
        run_id: str | None,
        variables: Mapping[str, str] | None,
        micros: int,
        has_clock: bool,
        durability: str,
        is_live: bool,
    ) -> Log: ...
    @staticmethod
    def open(
        root: str,
        run_id: str,
        *,
        variables: Mapping[str, str] | None,
        has_clock: bool,
        durability: str,
        is_live: bool,
    ) -> Log: ...
    @staticmethod
    def find(root: str, wanted: str) -> str: ...
    @staticmethod
    def usual_id(project: str, micros: int) -> str: ...
    @staticmethod
    def check_id(run_id: str) -> None: ...
    @property
    def run_id(self) -> str: ...
    @property
    def failed_updates(self) -> int: ...
    def append(self, type_name: str, fields: dict[str, Any], micros: int | None = None) -> None: ...
    def append_given(self, json: bytes) -> None: ...
    def finish(self, status: str, micros: int | None = None) -> None: ...
    def update_reports(self) -> list[str]: ...
    def issue_report(self, issue: str) -> str | None: ...
    def run_report(self) -> str: ...
