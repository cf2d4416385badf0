"""litellm, through a custom logger."""

from __future__ import annotations

from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from .._issue_tracker import IssueTracker
from .._run_logger import RunLogger
from ._recorder import ISSUE_KEY, Recorder, member, never_in_the_way, outcome

AGENT_KEY = "retally_agent"
"""The key of a call's metadata that names the agent."""


class RetallyLogger(CustomLogger):
    """Records calls of models: `litellm.callbacks.append(RetallyLogger(issue))`.

    litellm has no agents, so a call says whose it is: `metadata={"retally_agent": "coding"}`, and,
    with a `RunLogger`, `metadata={"retally_issue": 123}`.
    """

    def __init__(self, target: IssueTracker | RunLogger, *, agent: str | None = None) -> None:
        """Record for an issue or a run. `agent` is who calls where the metadata does not say it."""
        super().__init__(turn_off_message_logging=True)
        self._recorder = Recorder(target, agent)

    def log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Record a call that was answered; a streamed one when its stream ended."""
        self._record(kwargs, response_obj, start_time, end_time)

    async def async_log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Record an asynchronous call that was answered."""
        self._record(kwargs, response_obj, start_time, end_time)

    def log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Record a call that failed; each try of one that is tried again."""
        self._record(kwargs, None, start_time, end_time, is_failure=True)

    async def async_log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Record an asynchronous call that failed."""
        self._record(kwargs, None, start_time, end_time, is_failure=True)

    @never_in_the_way
    def _record(
        self,
        kwargs: Any,
        response: Any,
        start_time: Any,
        end_time: Any,
        is_failure: bool = False,
    ) -> None:
        if member(kwargs, "cache_hit"):
            return  # An answer from litellm's own cache: no model was called.
        span = self._recorder.span(None)
        span.issue = _stated(kwargs, ISSUE_KEY)
        span.agent = _stated(kwargs, AGENT_KEY) or span.agent
        error = outcome(member(kwargs, "exception"))[1] if is_failure else None
        self._recorder.llm_call(
            span,
            member(kwargs, "model") or member(response, "model"),
            provider=member(kwargs, "custom_llm_provider"),
            **_tokens(member(response, "usage")),
            # Of a call that failed litellm says 0, which it does not know.
            cost_usd=None if is_failure else member(kwargs, "response_cost"),
            duration_ms=end_time - start_time,
            success=not is_failure,
            error=error,
        )


def _stated(kwargs: Any, key: str) -> Any:
    """Return what the metadata of a call says: the caller's, else that of litellm's router."""
    for name in ("metadata", "litellm_metadata"):
        value = member(kwargs, "litellm_params", name, key)
        if value is not None:
            return value
    return None


def _tokens(usage: Any) -> dict[str, Any]:
    """Return the counts of a call. litellm counts cached tokens as input, of whatever provider."""
    input_details, output_details = "prompt_tokens_details", "completion_tokens_details"
    return {
        "input_tokens": member(usage, "prompt_tokens"),
        "output_tokens": member(usage, "completion_tokens"),
        "cache_read_tokens": member(usage, input_details, "cached_tokens"),
        "cache_write_tokens": member(usage, input_details, "cache_creation_tokens"),
        "reasoning_tokens": member(usage, output_details, "reasoning_tokens"),
    }
