"""OpenAI, and every server that speaks its chat completions API, by base URL (vLLM, Ollama, OpenRouter, ...).

A plain call goes out over aiohttp (`agents.llm.http.direct`), which costs a third of the SDK's CPU; streams and the
list of models go through the SDK (`sdk`). What comes back is read here either way (`wire`, `assembler`), so that
headers are kept, answers are bounded and errors are sorted where they are born. Nothing retries: that is Arboretum's.
"""

from .kind import PROVIDER as PROVIDER
