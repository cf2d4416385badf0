"""LangChain and LangGraph, through a callback handler."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import ToolMessage

from .._issue_tracker import IssueTracker
from .._run_logger import RunLogger
from ._recorder import ISSUE_KEY, Recorder, member, never_in_the_way, outcome


class RetallyCallbackHandler(BaseCallbackHandler):
    """Records calls of models and tools, and the attempts of agents.

    Hand it over with each call, `config={"callbacks": [handler]}`, or bind it with `with_config`.
    With a `RunLogger`, the issue is `config={"metadata": {"retally_issue": 123}}`.
    """

    # Called in place, also by asynchronous code: an append takes less than to hand it to a thread.
    run_inline = True

    def __init__(
        self,
        target: IssueTracker | RunLogger,
        *,
        agent: str | None = None,
        agents: Collection[str] | None = None,
    ) -> None:
        """Record for an issue or a run.

        Agents are those that `create_agent` made with a name. `agents` names the graphs, nodes and
        other runnables that are agents instead. `agent` is who calls outside of any.
        """
        super().__init__()
        self._recorder = Recorder(target, agent)
        self._agents = agents
        self.raise_error = self._recorder.is_strict

    @never_in_the_way
    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: dict[str, Any],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin a span, an attempt where the runnable is an agent."""
        name = kwargs.get("name") or member(serialized, "name")
        if self._agents is None:
            is_agent = name is not None and member(metadata, "lc_agent_name") == name
        else:
            is_agent = name in self._agents
        # A node that is an agent often has the agent's graph of the same name inside.
        is_agent = is_agent and self._recorder.span(parent_run_id).agent != name
        self._begin(run_id, parent_run_id, metadata, agent=name if is_agent else None)

    @never_in_the_way
    def on_chain_end(self, outputs: dict[str, Any], *, run_id: UUID, **kwargs: Any) -> None:
        """End the span."""
        self._recorder.end(run_id)

    @never_in_the_way
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """End the span with an error."""
        self._recorder.end(run_id, *outcome(error))

    @never_in_the_way
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[Any]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin a call of a chat model."""
        self._begin_call(serialized, run_id, parent_run_id, metadata, kwargs)

    @never_in_the_way
    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin a call of a model that completes texts."""
        self._begin_call(serialized, run_id, parent_run_id, metadata, kwargs)

    @never_in_the_way
    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Record a call of a model."""
        self._end_call(run_id, response, None)

    @never_in_the_way
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Record a call of a model that failed, or a stream that was not read to its end."""
        self._end_call(run_id, kwargs.get("response"), error)

    @never_in_the_way
    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin a call of a tool."""
        tool = member(serialized, "name") or kwargs.get("name")
        self._begin(run_id, parent_run_id, metadata, tool=tool)

    @never_in_the_way
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Record a call of a tool. One whose error was made a message for the model failed."""
        is_error = isinstance(output, ToolMessage) and output.status == "error"
        # What it says is the tool's result, which is not recorded.
        self._end_tool(run_id, not is_error, None)

    @never_in_the_way
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Record a call of a tool that failed."""
        self._end_tool(run_id, *outcome(error))

    def _begin(
        self, run_id: UUID, parent: UUID | None, metadata: dict[str, Any] | None, **known: Any
    ) -> None:
        self._recorder.begin(run_id, parent, issue=member(metadata, ISSUE_KEY), **known)

    def _begin_call(
        self,
        serialized: dict[str, Any],
        run_id: UUID,
        parent: UUID | None,
        metadata: dict[str, Any] | None,
        kwargs: dict[str, Any],
    ) -> None:
        asked = kwargs.get("invocation_params")
        model = member(metadata, "ls_model_name") or member(asked, "model")
        model = model or member(asked, "model_name") or member(serialized, "name")
        provider = member(metadata, "ls_provider")
        self._begin(run_id, parent, metadata, model=model, provider=provider)

    def _end_call(self, run_id: UUID, response: Any, error: BaseException | None) -> None:
        span = self._recorder.end(run_id)
        if span is None:
            return
        message = _first_message(response)
        stated = member(message, "response_metadata")
        model = member(stated, "model_name") or member(stated, "model")
        success, text = outcome(error)
        self._recorder.llm_call(
            span,
            model or span.model,
            provider=member(stated, "model_provider") or span.provider,
            **_tokens(message, response),
            duration_ms=self._recorder.duration_ms(span),
            success=success,
            error=text,
        )

    def _end_tool(self, run_id: UUID, success: bool | None, error: str | None) -> None:
        span = self._recorder.end(run_id)
        if span is None:
            return
        duration_ms = self._recorder.duration_ms(span)
        self._recorder.tool_call(
            span, span.tool, success=success, duration_ms=duration_ms, error=error
        )


def _first_message(response: Any) -> Any:
    """Return the message of the first answer: all answers of a call state the same."""
    for generations in member(response, "generations") or ():
        for generation in generations:
            return member(generation, "message")
    return None


def _tokens(message: Any, response: Any) -> dict[str, Any]:
    """Return the counts of a call: of its message, else as models that complete texts state it.

    Input includes cached tokens, output those spent on reasoning, as LangChain defines both.
    """
    usage = member(message, "usage_metadata")
    if usage:
        return {
            "input_tokens": member(usage, "input_tokens"),
            "output_tokens": member(usage, "output_tokens"),
            "cache_read_tokens": member(usage, "input_token_details", "cache_read"),
            "cache_write_tokens": member(usage, "input_token_details", "cache_creation"),
            "reasoning_tokens": member(usage, "output_token_details", "reasoning"),
        }
    usage = member(response, "llm_output", "token_usage")
    return {
        "input_tokens": member(usage, "prompt_tokens"),
        "output_tokens": member(usage, "completion_tokens"),
    }
