"""The issue and the agent at work, as context variables: tasks of asyncio inherit them, threads
begin with none."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from ._issue_tracker import IssueTracker

T = TypeVar("T")


class Block(Generic[T]):
    """A block that is at work, and the one around it. Blocks may end in any order, and in another
    context than they began in."""

    def __init__(self, value: T, outer: Block[T] | None) -> None:
        self.value = value
        self.outer = outer
        self.is_open = True


class Current(Generic[T]):
    """What the innermost open block is about."""

    def __init__(self, name: str) -> None:
        self._innermost: ContextVar[Block[T] | None] = ContextVar(name, default=None)

    def begin(self, value: T) -> Block[T]:
        """Begin a block, which `end` ends."""
        block = Block(value, self._open())
        self._innermost.set(block)
        return block

    def end(self, block: Block[T]) -> None:
        """End a block."""
        block.is_open = False
        self._innermost.set(self._open())

    def get(self) -> T | None:
        """Return the value of the innermost open block, or `None` outside of all."""
        block = self._open()
        return None if block is None else block.value

    def _open(self) -> Block[T] | None:
        block = self._innermost.get()
        while block is not None and not block.is_open:
            block = block.outer
        return block


issue: Current[IssueTracker] = Current("retally_issue")
agent: Current[str] = Current("retally_agent")


def current_issue() -> IssueTracker | None:
    """Return the issue whose block this code runs in, or `None`."""
    return issue.get()
