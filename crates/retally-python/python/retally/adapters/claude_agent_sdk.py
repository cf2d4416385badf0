"""The Claude Agent SDK, through hooks, and through its messages for what hooks do not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claude_agent_sdk import HookMatcher

from .._issue_tracker import IssueTracker
from .._run_logger import RunLogger
from ._recorder import Recorder, Span, member, never_in_the_way

# Under which key a model's totals stand in a result, and in which field of a call they are counted.
# Anthropic's input excludes cached tokens, so it is made of all three.
_INPUT_KEYS = ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
_TOTAL_KEYS = (*_INPUT_KEYS, "outputTokens", "costUSD")


class RetallyHooks:
    """Records calls of tools, the attempts of agents, and what models used.

    One for each `query` or client, since results state totals of the process behind it:

        hooks = RetallyHooks(issue, agent="coding")
        options = ClaudeAgentOptions(hooks=hooks.matchers())
        async for message in query(prompt=..., options=options):
            hooks.record(message)
    """

    def __init__(
        self,
        target: IssueTracker | RunLogger,
        *,
        issue: object = None,
        agent: str | None = None,
    ) -> None:
        """Record for an issue or a run.

        Subagents are agents under the name of their type. `agent` names the main one, whose attempts
        go from a prompt to the end of the answer; without it, its calls have no agent. `issue` is
        the issue where the target is a `RunLogger`.
        """
        self._recorder = Recorder(target, agent)
        self._issue = issue
        self._agent = agent
        # What each model used so far, as the last result said it.
        self._totals: dict[str, Mapping[str, Any]] = {}
        # The ids of the messages of each model since then: a message comes once a content block.
        self._messages: dict[str, set[str]] = {}

    def matchers(self) -> dict[Any, list[HookMatcher]]:
        """Return what `ClaudeAgentOptions(hooks=...)` wants. Hooks of your own go beside them."""
        return {
            event: [HookMatcher(hooks=[self._on_hook])]
            for event in (
                "UserPromptSubmit",
                "Stop",
                "SubagentStart",
                "SubagentStop",
                "PreToolUse",
                "PostToolUse",
                "PostToolUseFailure",
            )
        }

    async def _on_hook(self, hook_input: Any, tool_use_id: str | None, context: Any) -> Any:
        self._record_hook(hook_input)
        return {}  # No decision: what would happen without the hook happens.

    @never_in_the_way
    def _record_hook(self, said: Mapping[str, Any]) -> None:
        event = said.get("hook_event_name")
        main = ("main", said.get("session_id"))
        subagent = ("subagent", said.get("agent_id"))
        tool = ("tool", said.get("tool_use_id"))
        if event == "UserPromptSubmit" and not self._recorder.is_open(main):
            self._recorder.begin(main, agent=self._agent, issue=self._issue)
        elif event == "Stop":
            self._recorder.end(main)
        elif event == "SubagentStart":
            name = said.get("agent_type") or "unknown"
            self._recorder.begin(subagent, agent=name, issue=self._issue)
        elif event == "SubagentStop":
            self._recorder.end(subagent)
        elif event == "PreToolUse":
            around = subagent if said.get("agent_id") else main
            self._recorder.begin(tool, around, tool=said.get("tool_name"), issue=self._issue)
        elif event in ("PostToolUse", "PostToolUseFailure"):
            self._end_tool(tool, said, event == "PostToolUse")

    def _end_tool(self, key: tuple[str, Any], said: Mapping[str, Any], success: bool) -> None:
        span = self._recorder.end(key)
        if span is None:
            return
        duration_ms = said.get("duration_ms", self._recorder.duration_ms(span))
        is_left = bool(said.get("is_interrupt"))
        self._recorder.tool_call(
            span,
            said.get("tool_name"),
            success=None if is_left else success,
            duration_ms=duration_ms,
            error=None if success or is_left else said.get("error"),
        )

    @never_in_the_way
    def record(self, message: object) -> None:
        """Record what a message of the SDK says of models: their tokens and costs, with a result.

        Any message may be handed over. Without this, only tools and agents are recorded.
        """
        kind = type(message).__name__
        if kind == "AssistantMessage":
            ids = self._messages.setdefault(str(member(message, "model")), set())
            ids.add(str(member(message, "message_id")))
        elif kind == "ConversationResetMessage":
            self._totals.clear()
        elif kind == "ResultMessage":
            self._record_result(message)

    def _record_result(self, result: object) -> None:
        is_error = bool(member(result, "is_error"))
        main = ("main", member(result, "session_id"))
        span = self._recorder.span(main)
        span.issue = self._issue if span.issue is None else span.issue
        for model, used in (member(result, "model_usage") or {}).items():
            self._record_model(span, model, used, None if is_error else True)
        self._messages.clear()
        # A turn that fails or is interrupted ends without the hook.
        is_left = str(member(result, "terminal_reason") or "").startswith("aborted")
        status = member(result, "api_error_status")
        error = f"status {status}" if status else member(result, "subtype")
        is_failure = is_error or is_left
        self._recorder.end(main, not is_failure, error if is_failure else None)

    def _record_model(
        self, span: Span, model: str, used: Mapping[str, Any], success: bool | None
    ) -> None:
        """Record what a model used since the last result, which may be nothing."""
        total = {key: used.get(key) or 0 for key in _TOTAL_KEYS}
        before = self._totals.get(model, {})
        if any(total[key] < before.get(key, 0) for key in _TOTAL_KEYS):
            before = {}  # The process began anew.
        self._totals[model] = total
        new = {key: total[key] - before.get(key, 0) for key in _TOTAL_KEYS}
        if not any(new.values()):
            return
        provider = used.get("provider", "firstParty")
        self._recorder.llm_call(
            span,
            model,
            provider="anthropic" if provider == "firstParty" else provider,
            input_tokens=sum(new[key] for key in _INPUT_KEYS),
            output_tokens=new["outputTokens"],
            cache_read_tokens=new["cacheReadInputTokens"],
            cache_write_tokens=new["cacheCreationInputTokens"],
            cost_usd=new["costUSD"],
            calls=len(self._messages.get(model, ())) or None,
            success=success,
        )
