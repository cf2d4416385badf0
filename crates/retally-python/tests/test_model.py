"""Whatever is called, in whatever order: the reports are those of the model, which knows the
documents and nothing of the package."""

import datetime
import json
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import model
import retally
from model import differences
from model_log import CODE_COUNTS, LIST_MAX, TOKENS, Log

# Made up, so that each rule by which one is chosen makes a difference.
PRICES: list[dict[str, Any]] = [
    {"model": ["*"], "input": 0.001, "output": 0.002},
    {"provider": ["a"], "model": ["m-*"], "input": 0.14, "output": 0.28, "cache_read": 0.014},
    {"model": ["m-1", "n*"], "input": 3, "output": 15, "cache_write": 3.75},
    {"provider": ["a", "b"], "model": ["m-1"], "input": 2.5, "output": 10},
    {"model": ["m-1"], "valid_from": "2024-12-04", "input": 1, "output": 5, "cache_read": 0},
    {"model": ["*-1", "m-1*"], "input": 7, "output": 8},
]
# A minute before a price changes.
START = datetime.datetime(2024, 12, 3, 23, 59, tzinfo=datetime.timezone.utc)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
# The name of the segment that is written by hand; it stands behind all of the package's.
BY_HAND = "written-by-hand"


@dataclass(frozen=True)
class Call:
    """An event, and the way in which it is told."""

    way: str
    writer: int
    micros: int
    """How far the clock goes on."""
    offset: int
    """How far a line that is written by hand is ahead of the clock."""
    type: str
    issue: int | None
    """Which of the issues of the example."""
    fields: dict[str, Any]


# What is drawn

texts = st.sampled_from(["", "x", "3 tests failed", 'a "b" \\', "\x00\n\u2028\x85", "größer 🎉"])
agents = st.sampled_from(["coding", "coding", "testing", ""])
spans = st.sampled_from(["a", "b"])
counts = st.one_of(st.integers(0, 40), st.sampled_from([999, 12_345, 2**53 - 1]))
millis = st.one_of(st.integers(0, 5000), st.just(2**40))
decimals = st.one_of(
    st.sampled_from([0, 0.005, 81.255, 81.265, 1e-7, 0.0000005, 1.5e-9, 100, 10**9]),
    st.floats(0, 100, allow_subnormal=False),
)
all_statuses = (
    "created waiting_for_resource preparing pending queued scheduled manual running success failed"
    " canceled skipped timed_out action_required neutral stale startup_failure failure cancelled"
    " in_progress requested completed odd".split()
)
# Mostly few, so that they repeat and contradict each other.
statuses = st.sampled_from(["success", "failed", "running"] * 8 + all_statuses)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(-9, 9), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=4,
)
tags = st.dictionaries(texts, texts, min_size=1, max_size=3)
issue_ids = st.sampled_from(
    [
        *(1, 123, 0, -5, 10**30, "1", "123", "007", "-0", "1.0", "PROJ-7", "", ".", "..", "../x"),
        *("a b", "a/b", "%2E", "CON", "aux.txt", "con-12345678", "-e3b0c442", "x-12345678"),
        *("修复", "line\nbreak", "x" * 80, "x" * 81, "é" * 40, "-rf", "\u202egnp.exe"),
    ]
)


def fields(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


one_agent = {"agent": agents}
call_fields = {
    "success": st.booleans(),
    "duration_ms": millis,
    "error": texts,
    "calls": st.integers(0, 5),
} | one_agent
TYPES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "run.finished": fields({"status": st.sampled_from(["completed", "failed", "stopped"])}, {}),
    "run.scored": fields({"success": st.booleans()}, {}),
    "issue.started": fields({}, {"title": texts}),
    "issue.finished": fields({"status": st.sampled_from(["completed", "failed", "skipped"])}, {}),
    "agent.started": fields(one_agent, {"span": spans}),
    "agent.finished": fields(
        one_agent | {"success": st.booleans()}, {"span": spans, "error": texts}
    ),
    "pipeline.recorded": fields(
        {
            "pipeline_id": st.sampled_from([4259, 4259, 4259, "4259", "x"]),
            "status": statuses,
            # `None` is an absent field.
            "name": st.sampled_from([None, None, None, None, "ci", "lint"]),
            "attempt": st.sampled_from([None, None, 1, 1, 2, 0]),
        },
        {
            "commit_sha": st.sampled_from(["abc123", "def456"]),
            "ref": texts,
            "started_at": st.just("2024-12-03T14:30:22.123456Z"),
            "triggered_by": texts,
            "failed_jobs": st.lists(texts, max_size=2),
            "error_type": texts,
            "queue_ms": millis,
            "duration_ms": millis,
            "url": texts,
        },
    ),
    "debug.started": fields(
        one_agent | {"error_type": texts, "error_message": texts}, {"span": spans}
    ),
    "debug.attempted": fields({}, one_agent | {"span": spans}),
    "debug.finished": fields(
        {"resolved": st.booleans()}, one_agent | {"span": spans, "resolution_method": texts}
    ),
    "error.recorded": fields(
        {"error_type": texts, "message": texts}, one_agent | {"severity": texts}
    ),
    "llm.called": fields(
        {"model": st.sampled_from(["m-1", "m-12", "n", "2-1", "other"])},
        call_fields
        | {"provider": st.sampled_from(["a", "b", "c"]), "cost_usd": decimals}
        | {name: counts for name in TOKENS},
    ),
    "tool.called": fields({"tool": st.sampled_from(["grep", "Read", "é", ""])}, call_fields),
    "code.changed": fields(
        {},
        one_agent
        | {"test_coverage_percent": decimals}
        | {name: counts for name in CODE_COUNTS},
    ),
    "note.added": fields({"text": texts}, one_agent),
    "run.started": fields(
        {"project_id": st.sampled_from([168, "group/app"])},
        {
            "llm": fields(
                {},
                {
                    "provider": texts,
                    "model": texts,
                    "temperature": st.sampled_from([0.0, 0.7, 1, 1e-7]),
                    "z": texts,
                    "a": st.lists(json_values, max_size=2),
                },
            ),
            "mode": texts,
            "specific_issue": issue_ids,
            "config": st.dictionaries(texts, json_values, max_size=3),
            "tags": tags,
        },
    ),
    "acme.deployed": fields({}, {"where": json_values, "agent": agents}),
    "acme.Paid": fields({}, {}),
}
WITHOUT_ISSUE = ("run.started", "run.finished", "run.scored")
ISSUE_OPTIONAL = (
    *("pipeline.recorded", "error.recorded", "llm.called", "tool.called", "note.added"),
    *("acme.deployed", "acme.Paid"),
)
WITHOUT_METHOD = ("run.started", "acme.deployed", "acme.Paid")
# Sound lines that break the rules of their types.
MISFITS: list[dict[str, Any]] = [
    {"type": "agent.started", "issue": 1},
    {"type": "issue.finished", "issue": 1, "status": "done"},
    {"type": "tool.called", "issue": 1, "tool": "grep", "calls": 1.0},
    {"type": "note.added", "issue": 1, "text": None},
    {"type": "llm.called", "model": "m-1", "input_tokens": -1},
]


# What belongs together, and is seldom drawn so.
CYCLE = "debug.started debug.started debug.attempted debug.attempted debug.finished".split()
SPECIAL = ("look", "misfit", "refused", "agent block", "issue block")
extra_fields = fields({}, {"key": st.sampled_from(["k", "l"]), "colour": texts})
steps = st.sampled_from([0, 0, 0, 0, 1, 1000, 1_500_000, 61_234_567, -1_000_000])
offsets = st.sampled_from([0, 0, -1, -2_500_000, -60_000_000, 3_000_000])


@st.composite
def sequences(draw: st.DrawFn) -> list[Call]:
    """Calls of a few types, so that they have to do with each other, or of all."""
    everything = [*TYPES, *SPECIAL]
    # Those with the most rules come more often.
    weighted = everything + 3 * ["pipeline.recorded", "agent.started", "agent.finished"]
    weighted += 5 * ["pipeline.recorded", "debug.started"] + 2 * ["llm.called", "issue.started"]
    few = st.lists(st.sampled_from(weighted), min_size=1, max_size=4, unique=True)
    types = draw(few | few | st.just(CYCLE) | st.just(everything))
    return [call(draw, draw(st.sampled_from(types))) for _ in range(draw(st.integers(0, 30)))]


def call(draw: st.DrawFn, type: str) -> Call:
    micros, writer = draw(steps), draw(st.sampled_from([0, 0, 1]))
    issue = draw(st.sampled_from([0, 0, 0, 1, 2]))
    if type in SPECIAL:
        stated = {"number": draw(st.integers(0, len(MISFITS) - 1)), "agent": draw(agents)}
        return Call("", writer, micros, 0, type, issue, stated)
    way = draw(st.sampled_from(["method", "method", "event", "by hand"]))
    if way == "method" and type in WITHOUT_METHOD:
        way = "event"
    stated = draw(TYPES[type])
    if way != "method":
        stated |= draw(extra_fields)
    offset = draw(offsets) if way == "by hand" else 0
    without = type in WITHOUT_ISSUE or (type in ISSUE_OPTIONAL and draw(st.integers(0, 2)) == 2)
    return Call(way, writer, micros, offset, type, None if without else issue, stated)


@st.composite
def starts(draw: st.DrawFn) -> dict[str, Any]:
    """How a run is started."""
    names = ("llm_provider", "llm_model", "mode")
    config = {name: draw(texts) for name in names if draw(st.booleans())}
    optional = {"llm_temperature": st.sampled_from([0.0, 1]), "specific_issue": issue_ids}
    config |= draw(fields({}, optional | {"x": json_values, "y": json_values}))
    return {
        "has_run_logger": draw(st.booleans()) or draw(st.booleans()),
        "config": config,
        "tags": draw(st.none() | tags),
        "redact": draw(st.booleans()),
        "issues": draw(st.lists(issue_ids, min_size=3, max_size=3)),
        "skew": draw(st.sampled_from([0, -2_000_000, 700_000])),
    }


# What is called


class Clock:
    def __init__(self, skew: int) -> None:
        self.micros = (START - EPOCH) // datetime.timedelta(microseconds=1) + skew

    def __call__(self) -> datetime.datetime:
        return EPOCH + datetime.timedelta(microseconds=self.micros)


class Writer:
    """A process, as far as the log can tell: a clock, a segment and the objects that log to it."""

    def __init__(self, skew: int) -> None:
        self.clock = Clock(skew)
        self.stamp = 0
        self.segment = ""
        self.run: retally.RunLogger | None = None
        self.trackers: dict[str, retally.IssueTracker] = {}
        self.spans = 0
        self.written = self.lost = 0


class Both:
    """A run of the package and the model's log of it."""

    def __init__(self, root: Path, start: dict[str, Any]) -> None:
        self.root, self.start, self.run_id = root, start, "run_1"
        self.log = Log(self.run_id, PRICES)
        self.issues = start["issues"]
        self.writers = [Writer(0), Writer(start["skew"])]
        self.by_hand = root / self.run_id / "events" / f"{BY_HAND}.jsonl"
        self.options = {"root": root, "redact": start["redact"], "live": False}
        first = self.writers[0]
        options = self.options | {"clock": first.clock}
        if start["has_run_logger"]:
            config, tags = start["config"], start["tags"]
            first.run = retally.RunLogger("168", config, tags=tags, run_id=self.run_id, **options)
            self.told(first, "run.started", self.started_fields())
        else:
            first.trackers[str(self.issues[0])] = retally.IssueTracker(
                self.run_id, self.issues[0], **options
            )
            self.told(first, "issue.started", {"issue": self.issues[0]})
            first.run = retally.open_run(self.run_id, **options)
        second = self.writers[1]
        second.run = retally.open_run(self.run_id, **self.options, clock=second.clock)

    def started_fields(self) -> dict[str, Any]:
        config = {**self.start["config"]}
        llm = {
            name: config.pop(f"llm_{name}")
            for name in ("provider", "model", "temperature")
            if f"llm_{name}" in config
        }
        own = {name: config.pop(name, None) for name in ("mode", "specific_issue")}
        stated = {"project_id": "168", "llm": llm or None, **own}
        return stated | {"config": config or None, "tags": self.start["tags"]}

    def told(self, writer: Writer, type: str, fields: dict[str, Any]) -> None:
        """Adds what the writer should have written to the model's log."""
        if not writer.segment:
            known = {it.segment for it in self.writers} | {BY_HAND}
            [writer.segment] = {it.stem for it in self.by_hand.parent.iterdir()} - known
        # Stamps never go back.
        writer.stamp = max(writer.stamp, writer.clock.micros)
        writer.written += 1
        self.log.add(writer.segment, writer.stamp, type, fields)

    def do(self, call: Call) -> None:
        for writer in self.writers:
            writer.clock.micros += call.micros
        writer = self.writers[call.writer]
        stated = {**call.fields}
        if call.issue is not None:
            stated["issue"] = self.issues[call.issue]
        if call.type == "look":
            self.compare_reports()
        elif call.type == "misfit":
            self.write_misfit(call)
        elif call.type == "refused":
            self.refused(writer, call)
        elif call.type == "agent block":
            self.agent_block(writer, self.tracker(writer, stated["issue"]), call)
        elif call.type == "issue block":
            self.issue_block(writer, stated["issue"], call)
        elif call.way == "by hand":
            micros = writer.clock.micros + call.offset
            self.write_by_hand(micros, {"type": call.type, **stated})
            self.log.add(BY_HAND, micros, call.type, stated)
        elif call.way == "event":
            self.event(writer, call.type, stated)
        else:
            self.method(writer, call.type, stated)

    def run(self, writer: Writer) -> retally.RunLogger:
        assert writer.run is not None
        return writer.run

    def tracker(self, writer: Writer, issue: Any) -> retally.IssueTracker:
        if str(issue) not in writer.trackers:
            # By itself a tracker finds the run that this process began first.
            is_first = writer is self.writers[0]
            by_itself = lambda: retally.IssueTracker(self.run_id, issue, root=self.root)
            tracker = by_itself() if is_first else self.run(writer).issue(issue)
            writer.trackers[str(issue)] = tracker
            self.told(writer, "issue.started", {"issue": issue})
        return writer.trackers[str(issue)]

    def event(self, writer: Writer, type: str, stated: dict[str, Any]) -> None:
        tracker = writer.trackers.get(str(stated.get("issue")))
        if tracker is not None and "issue" in stated:
            others = {name: value for name, value in stated.items() if name != "issue"}
            tracker.event(type, **others)
        else:
            self.run(writer).event(type, **stated)
        self.told(writer, type, stated)

    def method(self, writer: Writer, type: str, stated: dict[str, Any]) -> None:
        """Calls the method that is there for a type."""
        run = self.run(writer)
        given = {name: value for name, value in stated.items() if name != "issue"}
        if type == "run.finished":
            self.told_after(writer, type, stated, lambda: run.finalize_run(**given))
            self.compare_files()
        elif type == "run.scored":
            method = run.record_success if stated["success"] else run.record_error
            self.told_after(writer, type, stated, method)
        elif type == "issue.started":
            add = lambda: run.add_issue(stated["issue"], **given)
            self.told_after(writer, type, stated, add)
        elif "issue" in stated:
            tracker = self.tracker(writer, stated["issue"])
            name = METHODS[type]
            self.told_after(writer, type, stated, lambda: getattr(tracker, name)(**given))
            if type == "issue.finished":
                self.compare_files()
        elif type == "note.added":
            self.told_after(writer, type, stated, lambda: run.note(**given))
        elif type == "error.recorded":
            given.pop("agent", None)
            run.record_error(**given)
            self.told(writer, "run.scored", {"success": False})
            self.told(writer, type, given)
        else:
            self.event(writer, type, stated)

    def told_after(self, writer: Writer, type: str, stated: dict[str, Any], call: Any) -> None:
        returned = call()
        self.told(writer, type, stated)
        if type == "run.finished":
            check(model.run_report(self.log), returned, "what finalize_run returned")
        if type == "issue.finished":
            expected = model.issue_report(self.log, str(stated["issue"]))
            check(expected, returned, "what finalize_issue returned")

    def refused(self, writer: Writer, call: Call) -> None:
        """A status that there is none is told once, and is no event."""
        tracker = self.tracker(writer, self.issues[call.issue or 0])
        tracker.finalize_issue("done")
        writer.lost += 1

    def agent_block(self, writer: Writer, tracker: retally.IssueTracker, call: Call) -> None:
        agent, is_failing = call.fields["agent"], call.fields["number"] % 2 == 0
        try:
            with tracker.agent(agent):
                if is_failing:
                    raise ValueError("no idea")
        except ValueError:
            pass
        writer.spans += 1
        named = {"issue": tracker.issue_id, "agent": agent, "span": str(writer.spans)}
        self.told(writer, "agent.started", named)
        end = {"success": not is_failing, "error": "no idea" if is_failing else None}
        self.told(writer, "agent.finished", named | end)

    def issue_block(self, writer: Writer, issue: Any, call: Call) -> None:
        """A block that an exception leaves while an agent is at work in a debugging cycle."""
        agent, is_failing = call.fields["agent"], call.fields["number"] % 2 == 0
        named = {"issue": issue, "agent": agent}
        tell = lambda type, fields: self.told(writer, type, {"issue": issue, **fields})
        try:
            with self.run(writer).issue(issue, title="Block") as tracker:
                tell("issue.started", {"title": "Block"})
                tracker.start_agent(agent)
                tell("agent.started", named)
                tracker.start_debugging_cycle(agent, "test_failure", span="c")
                cycle = {"error_type": "test_failure", "error_message": "", "span": "c"}
                tell("debug.started", named | cycle)
                if is_failing:
                    raise KeyError("user_id")
        except KeyError:
            text = "'user_id'"
            tell("debug.finished", named | {"resolved": False, "span": "c"})
            tell("agent.finished", named | {"success": False, "error": text})
            tell("error.recorded", {"error_type": "KeyError", "message": text})
        tell("issue.finished", {"status": "failed" if is_failing else "completed"})
        self.compare_files()

    def write_by_hand(self, micros: int, line: dict[str, Any]) -> None:
        ts = (EPOCH + datetime.timedelta(microseconds=micros)).isoformat()
        with self.by_hand.open("ab") as segment:
            segment.write(json.dumps({"ts": ts} | line).encode() + b"\n")

    def write_misfit(self, call: Call) -> None:
        micros = self.writers[call.writer].clock.micros
        self.write_by_hand(micros, MISFITS[call.fields["number"]])
        self.log.add_misfit(BY_HAND, micros)

    # What comes out

    def compare_reports(self) -> None:
        summary = model.run_report(self.log)
        for writer in self.writers:
            check(summary, self.run(writer).get_run_summary(), "summary")
        for writer in self.writers:
            for issue, tracker in writer.trackers.items():
                check(model.issue_report(self.log, issue), tracker.get_report(), f"issue {issue!r}")

    def compare_files(self) -> None:
        folder = self.root / self.run_id
        expected = model.report_files(self.log)
        assert sorted(expected) == sorted(
            str(path.relative_to(folder)) for path in folder.rglob("*.json")
        )
        for path, report in expected.items():
            text = (folder / path).read_text()
            found = json.loads(text, parse_float=Decimal)
            if path.endswith("_metadata.json"):
                assert (found.pop("reducer_version"), len(found.pop("price_book"))) == (1, 64)
            check(report(), found, path)

    def compare_all(self) -> None:
        """Compares the live reports, the files, and what is read anew."""
        self.compare_reports()
        for writer in self.writers:
            self.run(writer).update_reports()
        self.compare_files()
        recorded = retally.read_run(self.run_id, root=self.root)
        check(model.run_report(self.log), recorded.report, "recorded run")
        metadata = {**recorded.metadata}
        assert (metadata.pop("reducer_version"), len(str(metadata.pop("price_book")))) == (1, 64)
        check(model.metadata(self.log), metadata, "recorded metadata")
        issues = [model.issue_report(self.log, issue) for issue in self.log.issues()]
        check(issues, list(recorded.issues), "recorded issues")
        for writer in self.writers:
            stats = self.run(writer).stats
            assert stats == (writer.written, 0, writer.lost, 0)


METHODS = {
    "issue.finished": "finalize_issue",
    "agent.started": "start_agent",
    "agent.finished": "end_agent",
    "pipeline.recorded": "record_pipeline_attempt",
    "debug.started": "start_debugging_cycle",
    "debug.attempted": "record_debug_attempt",
    "debug.finished": "end_debugging_cycle",
    "error.recorded": "record_error",
    "llm.called": "record_llm_call",
    "tool.called": "record_tool_call",
    "code.changed": "record_code_change",
    "note.added": "note",
}


def check(expected: Any, actual: Any, what: str) -> None:
    found = differences(expected, actual, what)
    assert not found, "\n".join(found)


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """What is refused would be told for each run."""
    logger = logging.getLogger("retally")
    logger.disabled = True
    yield
    logger.disabled = False


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for many runs: in memory where that is possible."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path_factory.mktemp("model")
        return
    with tempfile.TemporaryDirectory(prefix="retally-model-", dir=memory) as folder:
        yield Path(folder)


def write_prices(root: Path) -> None:
    lines = []
    for price in PRICES:
        lines.append("[[price]]")
        for name, value in price.items():
            lines.append(f"{name} = {value if name == 'valid_from' else json.dumps(value)}")
    (root / "prices.toml").write_text("\n".join(lines))


@given(start=starts(), sequence=sequences())
@settings(
    max_examples=1000,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_any_calls_amount_to_what_the_model_says(
    shared: Path, start: dict[str, Any], sequence: list[Call]
) -> None:
    # A root of its own, for what a process knows of a run it knows by root and id.
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        root = Path(folder)
        write_prices(root)
        both = Both(root, start)
        for call in sequence:
            both.do(call)
        both.compare_all()


def test_lists_hold_their_first_thousand_entries_and_counts_count_all(tmp_path: Path) -> None:
    start = {
        "has_run_logger": True,
        "config": {},
        "tags": None,
        "redact": True,
        "issues": [1, 2, 3],
        "skew": 0,
    }
    both = Both(tmp_path, start)
    told = {
        "note.added": {"text": "x"},
        "error.recorded": {"error_type": "timeout", "message": ""},
        "agent.finished": {"agent": "coding", "success": True},
        "debug.started": {"agent": "coding", "error_type": "e", "error_message": ""},
    }
    for number in range(LIST_MAX + 5):
        pipeline = {"pipeline_id": number, "status": "failed"}
        for type, stated in (told | {"pipeline.recorded": pipeline}).items():
            both.do(Call("method", 0, 1, 0, type, 0, stated))
        both.do(Call("method", 0, 1, 0, "error.recorded", None, told["error.recorded"]))
    both.do(Call("method", 0, 1, 0, "issue.finished", 0, {"status": "failed"}))
    both.compare_all()
    report = model.issue_report(both.log, "1")
    # Each end without a start, and each cycle that is left open.
    assert report["omitted"] == {
        **dict.fromkeys(["debugging_details", "pipeline_details", "errors", "notes"], 5),
        "anomalies": LIST_MAX + 10,
    }


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": [1]}, {"a": [1, 2]}),
        (1, True),
        (1, 1.0),
        (Decimal("17.0"), 17),
        (Decimal("17.0"), Decimal("17.00")),
        (Decimal("0.001"), Decimal("1E-4")),
        (0, None),
    ],
)
def test_what_differs_is_seen(expected: Any, actual: Any) -> None:
    assert differences(expected, actual)
    assert not differences(expected, expected)
