"""The rigs of the presets: each against the local server in its dialect, which refuses what the real server does."""

from typing import Any, ClassVar

from agents.llm.client import LLMClient
from agents.llm.providers.base import ProviderConfig
from agents.llm.registry import provider_type
from tests.support.provider_server import FakeServer
from workers.errors import ErrorCode

from .rigs import OpenAIRig

KEY = "sk-test-0123456789abcdef"

# Of each provider a model, the settings of its agents that need translation, and what it lacks.
MODELS = {
    "azure": "gpt-4o",
    "compatible": "any-model",
    "deepseek": "deepseek-flash",
    "gemini": "gemini-2.5-flash",
    "groq": "llama-3.3-70b-versatile",
    "lmstudio": "qwen3-8b",
    "mistral": "mistral-small-2506",
    "ollama": "llama3.2",
    "openai-strict": "gpt-5-mini",
    "openrouter": "anthropic/claude-haiku-4.5",
    "vllm": "meta-llama/Llama-3.1-8B-Instruct",
}
BOOKKEEPING = {"store": False, "metadata": {"team": "a"}, "prompt_cache_key": "k", "safety_identifier": "s"}
USUAL = {"max_tokens": 500, "temperature": 0.5, "seed": 1, "reasoning_effort": "low", **BOOKKEEPING}
PARAMETERS: dict[str, dict[str, Any]] = {
    "compatible": {"max_completion_tokens": 500, "temperature": 0.5, "seed": 1, "tool_choice": "required"},
    "groq": {**USUAL, "service_tier": "flex"},
    "mistral": {**USUAL, "tool_choice": "required", "user": "u"},
    "ollama": {**USUAL, "user": "u", "parallel_tool_calls": False},
    "vllm": {"max_completion_tokens": 500, "temperature": 0.5, "seed": 1, "reasoning_effort": "low", **BOOKKEEPING},
    "openai-strict": {"max_tokens": 500, "reasoning_effort": "minimal", "verbosity": "low", "user": "u", **BOOKKEEPING},
}


class PresetRig(OpenAIRig):
    """A preset, set up by its server."""

    without_embeddings: ClassVar[frozenset[str]] = frozenset({"compatible", "deepseek", "groq"})

    def __init__(self, name: str, server: FakeServer) -> None:
        provider = name.partition("-")[0]
        server.configure(dialect=provider, keys=[KEY])
        config = ProviderConfig(api_key=KEY, base_url=server.base_url, max_answer_bytes=100_000)
        client = LLMClient(provider_type(provider).connect(config), idle_timeout=0.5, max_answer_bytes=100_000)
        super().__init__(client, server, provider, MODELS[name])
        self.parameters = PARAMETERS.get(name, USUAL)
        self.has_embeddings = name not in self.without_embeddings
        self.tells_usage = name != "compatible"
        # LM Studio's errors are texts.
        self.unsaid = frozenset({ErrorCode.QUOTA_EXHAUSTED, ErrorCode.CONTENT_POLICY} if name == "lmstudio" else ())
