"""Makes what Python programs have at hand plain enough for a log, a step at a time."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import os
from collections.abc import Mapping, Sequence, Set
from typing import Any


def plain(value: Any) -> Any:
    """Return `value` as something nearer to str, int, float, bool, None, dict, list or tuple.

    The Rust half calls this until it knows the value, and takes it as `str(value)` where it never
    does. Members and items are made plain when their turn comes. Whatever the value's own code
    raises is not in the way: it is then its type's name.
    """
    try:
        return _plain(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(int.__index__(value))
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)):
        return _plain_time(value)
    if isinstance(value, decimal.Decimal):
        is_whole = value.is_finite() and value == value.to_integral_value() and value.adjusted() < 64
        return int(value) if is_whole else float(value)
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, BaseException):
        return exception_text(value)
    return _plain_structure(value)


def _plain_time(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        # One without a zone is local time, as everywhere in Python.
        utc = value.astimezone(datetime.timezone.utc)
        return datetime.datetime.isoformat(utc, timespec="microseconds")
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    return value.isoformat()


def _plain_structure(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value.items())
    if isinstance(value, Set):
        # A set has no order, but a log should be the same each time.
        return sorted(value, key=lambda item: (type(item).__name__, str(item)))
    if isinstance(value, Sequence):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    # Scalars and arrays of numpy, torch and the like.
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        listed = value.tolist()
        # Some have no equal in Python and give themselves.
        return listed if type(listed) is not type(value) else str(value)
    return str(value)


def exception_text(error: BaseException) -> str:
    """Return what an exception says, or its type's name where it says nothing."""
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__
