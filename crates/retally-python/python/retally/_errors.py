"""What can go wrong, as a tree: every exception of the package is a `RetallyError`.

Unless `strict=True`, none but `RunIdError` and `RunNotFoundError` leaves the package: they are
about what the caller asked for, all others about the log.
"""


class RetallyError(Exception):
    """The base of all exceptions of the package."""


class WriteError(RetallyError, OSError):
    """An event could not be written: the disk is full, or the root is not writable."""


class SyncError(WriteError):
    """An event was written, but may not survive power loss. Later events go to a new file."""


class EventError(RetallyError, ValueError):
    """No log can hold the event, such as one with a status that there is none."""


class ReportError(RetallyError, OSError):
    """A log could not be read, or a report file not be written."""


class RunIdError(RetallyError, ValueError):
    """A text is no id of a run: 1 to 128 letters, digits, `.`, `_`, `-`."""


class RunNotFoundError(RetallyError, LookupError):
    """No run is, or more than one begins with, what was looked for."""
