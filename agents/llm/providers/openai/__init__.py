"""OpenAI, and every server that speaks its chat completions API, by base URL (vLLM, Ollama, OpenRouter, ...).

The SDK builds and sends the requests; what comes back is read here, so that headers are kept, answers are bounded and
errors are sorted where they are born. The SDK's retries are off: waiting and retrying are Arboretum's.
"""

from .kind import PROVIDER as PROVIDER
