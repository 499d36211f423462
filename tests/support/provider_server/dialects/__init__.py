"""The dialects that the server can speak, by the name of the provider that it stands for.

Each refuses what the real server refuses, so that a call which ignores the dialect fails.
"""

from .base import Refused as Refused
from .base import ServerDialect as ServerDialect
from .deepseek import DeepSeekServer
from .gemini import GeminiServer
from .groq import GroqServer
from .local import CompatibleServer, LMStudioServer, OllamaServer, VLLMServer
from .mistral import MistralServer
from .openai import AzureServer, OpenAIServer
from .openrouter import OpenRouterServer

DIALECTS: dict[str, ServerDialect] = {
    "": ServerDialect(),
    "azure": AzureServer(),
    "compatible": CompatibleServer(),
    "deepseek": DeepSeekServer(),
    "gemini": GeminiServer(),
    "groq": GroqServer(),
    "lmstudio": LMStudioServer(),
    "mistral": MistralServer(),
    "ollama": OllamaServer(),
    "openai": OpenAIServer(),
    "openrouter": OpenRouterServer(),
    "vllm": VLLMServer(),
}
