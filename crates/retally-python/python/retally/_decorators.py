"""Functions that are agents and tools: what they do is recorded at the current issue."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, TypeVar, overload

from . import _current
from ._issue_tracker import IssueTracker
from ._plain import exception_text

F = TypeVar("F", bound=Callable[..., Any])


@overload
def agent(function: F, /) -> F: ...
@overload
def agent(name: str, /) -> Callable[[F], F]: ...
def agent(what: Any, /) -> Any:
    """Make each call of a function an attempt of an agent at the current issue.

    `@agent("coding")` names it, `@agent` takes the function's name. The attempt succeeds unless an
    exception leaves the function, plain or `async`. Outside of an issue's block nothing is
    recorded.

    Raises `TypeError` for a generator, which is not at work while it waits to be asked.
    """
    return _decorated(what, _attempt)


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(name: str, /) -> Callable[[F], F]: ...
def tool(what: Any, /) -> Any:
    """Record each call of a function as one of a tool, with its duration and its outcome.

    As `agent`; the call is that of the agent in whose attempt it happens. Arguments and results
    are not recorded.
    """
    return _decorated(what, _ToolCall)


def _attempt(issue: IssueTracker, name: str) -> AbstractContextManager[object]:
    return issue.agent(name)


class _ToolCall:
    def __init__(self, issue: IssueTracker, name: str) -> None:
        self._issue = issue
        self._name = name
        self._start_ns = 0

    def __enter__(self) -> _ToolCall:
        self._start_ns = time.perf_counter_ns()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._issue.record_tool_call(
            self._name,
            agent=_current.agent.get(),
            success=error is None,
            duration_ms=(time.perf_counter_ns() - self._start_ns) / 1e6,
            error=None if error is None else exception_text(error),
        )


def _decorated(
    what: Any, block: Callable[[IssueTracker, str], AbstractContextManager[object]]
) -> Any:
    if isinstance(what, str):
        return functools.partial(_wrapped, name=what, block=block)
    return _wrapped(what, name=getattr(what, "__name__", type(what).__name__), block=block)


def _wrapped(
    function: Any, *, name: str, block: Callable[[IssueTracker, str], AbstractContextManager[object]]
) -> Any:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{name} is a generator; use `with issue.agent(...)` within it")

    def opened() -> AbstractContextManager[object]:
        issue = _current.current_issue()
        return nullcontext() if issue is None else block(issue, name)

    @functools.wraps(function)
    async def call_async(*args: Any, **kwargs: Any) -> Any:
        with opened():
            return await function(*args, **kwargs)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with opened():
            return function(*args, **kwargs)

    return call_async if inspect.iscoroutinefunction(function) else call
