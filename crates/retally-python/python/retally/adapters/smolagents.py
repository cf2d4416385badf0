"""smolagents, through step callbacks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from smolagents.agents import MultiStepAgent
from smolagents.memory import ActionStep, FinalAnswerStep, MemoryStep, PlanningStep

from .._issue_tracker import IssueTracker
from .._plain import exception_text
from .._run_logger import RunLogger
from ._recorder import Recorder, Span, member, never_in_the_way, outcome

StepCallbacks = dict[type[MemoryStep], Callable[..., Any]]


def step_callbacks(
    target: IssueTracker | RunLogger,
    *,
    issue: object = None,
    agent: str | None = None,
    provider: str | None = None,
) -> StepCallbacks:
    """Return what `CodeAgent(step_callbacks=...)` and the like want, for any number of agents.

    Attempts go from an agent's first step to its last, under its `name`, else under `agent`, else
    under the name of its class. `issue` is the issue where the target is a `RunLogger`. `provider`
    is whose models are called: smolagents does not say it.
    """
    steps = _Steps(target, issue, agent, provider)
    return {ActionStep: steps.on_action, PlanningStep: steps.on_plan, FinalAnswerStep: steps.on_end}


class _Steps:
    def __init__(
        self,
        target: IssueTracker | RunLogger,
        issue: object,
        agent: str | None,
        provider: str | None,
    ) -> None:
        self._recorder = Recorder(target, agent)
        self._issue = issue
        self._agent = agent
        self._provider = provider

    @never_in_the_way
    def on_plan(self, step: PlanningStep, agent: MultiStepAgent) -> None:
        """Record the call that made a plan."""
        span = self._span(step, agent)
        # The step is nothing but the call.
        duration_ms = _milliseconds(step)
        self._call(span, step, agent, duration_ms=duration_ms, success=True)

    @never_in_the_way
    def on_action(self, step: ActionStep, agent: MultiStepAgent) -> None:
        """Record the call of the model that a step begins with, and the calls of tools in it."""
        span = self._span(step, agent)
        # What is on its way out of `run` is not in the step: a failure of the model, which leaves
        # the step without an answer, or an interruption.
        raised = sys.exc_info()[1]
        is_answered = step.model_output_message is not None or step.error is not None
        is_left = raised is not None and not isinstance(raised, Exception)
        success, error = (True, None) if is_answered else _outcome(raised)
        self._call(span, step, agent, success=success, error=error)
        self._tools(span, step, is_left)
        if not is_answered or is_left:
            self._recorder.end(id(agent), *_outcome(raised))
        elif type(step.error).__name__ == "AgentMaxStepsError":
            self._recorder.end(id(agent), False, type(step.error).__name__)

    @never_in_the_way
    def on_end(self, step: FinalAnswerStep, agent: MultiStepAgent) -> None:
        """End an agent's attempt."""
        self._recorder.end(id(agent))

    def _span(self, step: ActionStep | PlanningStep, agent: MultiStepAgent) -> Span:
        """Return the agent's attempt, which is begun with its first step."""
        key, name = id(agent), agent.name or self._agent or type(agent).__name__
        if self._recorder.is_open(key) and len(agent.memory.steps) > 1:
            return self._recorder.span(key)
        # One that is still open was left without a last step, by an interruption.
        self._recorder.end(key, False)
        began = step.timing.start_time
        return self._recorder.begin(key, agent=name, issue=self._issue, began_seconds=began)

    def _call(self, span: Span, step: Any, agent: MultiStepAgent, **fields: Any) -> None:
        model = member(agent.model, "model_id") or type(agent.model).__name__
        usage = step.token_usage
        self._recorder.llm_call(
            span,
            model,
            provider=self._provider,
            input_tokens=member(usage, "input_tokens"),
            output_tokens=member(usage, "output_tokens"),
            **fields,
        )

    def _tools(self, span: Span, step: ActionStep, is_left: bool) -> None:
        # Where a tool raised, smolagents leaves the list of calls out of the step.
        asked = member(step.model_output_message, "tool_calls") or ()
        names = [call.name for call in step.tool_calls or ()]
        names = names or [call.function.name for call in asked]
        kind = type(step.error).__name__
        is_failure = kind in ("AgentToolCallError", "AgentToolExecutionError", "AgentExecutionError")
        for name in names:
            if not is_failure:
                self._recorder.tool_call(span, name, success=None if is_left else True)
            elif len(names) == 1:
                self._recorder.tool_call(span, name, success=False, error=_error_text(step.error))
            else:
                # One of several failed, and nothing says which.
                self._recorder.tool_call(span, name)


def _outcome(raised: BaseException | None) -> tuple[bool | None, str | None]:
    """Return how it ended, with what smolagents wrapped where it did."""
    return outcome(member(raised, "__cause__") or raised)


def _error_text(error: BaseException) -> str:
    """Return what went wrong. What smolagents itself says of it quotes arguments and code."""
    cause = error.__cause__
    return type(error).__name__ if cause is None else exception_text(cause)


def _milliseconds(step: PlanningStep) -> float | None:
    duration = step.timing.duration
    return None if duration is None else duration * 1000
