"""What Python programs have at hand becomes what the log can hold."""

import datetime
import decimal
import enum
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import retally
from conftest import Events


class Status(enum.Enum):
    FAILED = "failed"


class Name(str, enum.Enum):
    CODING = "coding"


@dataclass
class Setting:
    depth: int
    path: Path


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def config_of(value: Any, events: Events) -> Any:
    run = retally.RunLogger("168", {"value": value}, strict=True)
    run.finalize_run()
    return [event for event in events() if event["type"] == "run.started"][-1]["config"]["value"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (1e-7, 1e-07),
        (10**30, 10**30),
        pytest.param(10**5000, None, id="longer than Python prints"),
        (True, True),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "\U0001f600"),
        ("\x00\u2028", "\x00\u2028"),
        (b"a\xff", "a\ufffd"),
        (Path("a/b"), "a/b"),
        (Status.FAILED, "failed"),
        (Name.CODING, "coding"),
        (decimal.Decimal("0.25"), 0.25),
        (decimal.Decimal("NaN"), None),
        (decimal.Decimal("1E+3"), 1000),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime.date(2024, 12, 3), "2024-12-03"),
        (datetime.timedelta(minutes=1), 60.0),
        (
            datetime.datetime(2024, 12, 3, 15, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
            "2024-12-03T14:00:00.000000+00:00",
        ),
        ({3, 1, 2}, [1, 2, 3]),
        ((1, [2, None]), [1, [2, None]]),
        (OrderedDict(b=1, a={"c": None}), {"a": {"c": None}, "b": 1}),
        ({1: "a", None: "b", "1": "c"}, {"1": "a", "null": "b"}),
        (Setting(1, Path("x")), {"depth": 1, "path": "x"}),
        (ValueError("bad"), "bad"),
        (Unprintable(), "<Unprintable>"),
    ],
)
def test_any_value_may_stand_in_the_configuration(
    value: Any, expected: Any, events: Events
) -> None:
    actual = config_of(value, events)
    assert (actual, type(actual)) == (expected, type(expected))


def test_values_without_end_are_cut(events: Events) -> None:
    endless: list[Any] = []
    endless += [endless, endless]
    text = str(config_of(endless, events))
    assert "[nested too deeply]" in text and "[too long]" in text
    wide = {str(number): "\0" * 5000 for number in range(1000)}
    assert 200 < len(config_of(wide, events)) < 1000


def test_scalars_and_arrays_of_numpy_are_plain(events: Events) -> None:
    numpy = pytest.importorskip("numpy")
    value = [
        numpy.int64(3),
        numpy.float32(0.5),
        numpy.float64("nan"),
        numpy.bool_(True),
        numpy.str_("a"),
        numpy.arange(3),
    ]
    assert config_of(value, events) == [3, 0.5, None, True, "a", [0, 1, 2]]
    run = retally.RunLogger("168", strict=True)
    run.issue(numpy.int32(7)).record_llm_call("m", input_tokens=numpy.uint8(9))
    assert run.issue(7).get_report()["input_tokens"] == 9


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("input_tokens", 12.0, 12),
        ("input_tokens", "12", 12),
        ("input_tokens", float("nan"), None),
        ("input_tokens", -1, None),
        ("input_tokens", 2**60, None),
        ("input_tokens", 2**53 - 1, 2**53 - 1),
        ("duration_ms", datetime.timedelta(seconds=1.5), 1500),
        ("duration_ms", 12.5, 12),
        ("cost_usd", decimal.Decimal("0.000000125"), 1.25e-07),
        ("cost_usd", float("inf"), None),
        ("cost_usd", -1, None),
        ("success", 1, True),
        ("agent", Name.CODING, "coding"),
        ("agent", 7, "7"),
        ("error", ValueError("bad"), "bad"),
        ("error", TimeoutError(), "TimeoutError"),
    ],
)
def test_a_field_takes_what_it_can_hold_and_leaves_out_the_rest(
    field: str, value: Any, expected: Any, events: Events
) -> None:
    run = retally.RunLogger("168", strict=True)
    run.issue(1).record_llm_call("m", **{field: value})
    [event] = [event for event in events() if event["type"] == "llm.called"]
    actual = event.get(field)
    assert (actual, type(actual)) == (expected, type(expected))


def test_pipelines_take_times_lists_and_ids_as_they_come(events: Events) -> None:
    issue = retally.RunLogger("168", strict=True).issue(Status.FAILED)
    time = datetime.datetime(2024, 12, 3, 14, tzinfo=datetime.timezone.utc)
    for started_at in (time, time.isoformat(), time.timestamp()):
        issue.record_pipeline_attempt(
            4259, Status.FAILED, started_at=started_at, failed_jobs={"unit"}
        )
    issue.record_pipeline_attempt("4260", "success", failed_jobs=["a", 1], started_at="soon")
    recorded = [event for event in events() if event["type"] == "pipeline.recorded"]
    for event in recorded[:3]:
        assert (event["issue"], event["status"]) == ("failed", "failed")
        assert (event["pipeline_id"], event["started_at"]) == ("4259", "2024-12-03T14:00:00.000000Z")
        assert event["failed_jobs"] == ["unit"]
    assert recorded[3]["failed_jobs"] == ["a", "1"]
    assert "started_at" not in recorded[3]


def test_long_texts_are_cut_and_told() -> None:
    issue = retally.RunLogger("168", strict=True).issue(1)
    issue.record_error("flood", "x" * 3_000_000)
    [error] = issue.get_report()["errors"]
    assert len(error["message"]) < 1 << 20
    assert "bytes cut" in error["message"]


def test_secrets_are_taken_out_unless_that_is_turned_off(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "correct horse")
    key = "ghp" + "_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6"
    for redact, expected in ((True, [False, False]), (False, [True, True])):
        run = retally.RunLogger("168", redact=redact, strict=True)
        run.issue(1).note(f"login with correct horse and {key}")
        log = b"".join(path.read_bytes() for path in (root / run.run_id).rglob("*.jsonl"))
        assert [b"correct horse" in log, key.encode() in log] == expected


def test_an_issue_whose_id_holds_a_secret_is_found_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "hunter2hunter2")
    report = retally.RunLogger("168", strict=True).issue("hunter2hunter2").finalize_issue()
    assert report["issue_id"] == "[redacted:API_TOKEN]"
    assert report["status"] == "completed"
