"""Adapters that log what agent frameworks report by themselves.

A module a framework, imported by its name, as it needs the framework: `langchain` (also
LangGraph), `openai_agents`, `opentelemetry` (PydanticAI and anything else that follows the GenAI
conventions), `litellm`, `smolagents`, `claude_agent_sdk`.

They record calls of models and tools, and attempts of agents, with counts, times and errors. They
never record prompts, completions, arguments or results, and nothing that goes wrong in them is
raised unless the run is `strict`.
"""
