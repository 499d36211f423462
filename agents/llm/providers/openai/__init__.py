"""OpenAI, and every server that speaks its chat completions API (`agents/llm/providers/presets` names some).

A plain call goes out over aiohttp (`direct`), which costs a third of the SDK's CPU; streams go through the SDK (`sdk`,
`transport`). What comes back is read here either way (`wire`, `answers`, `assembler`), so that headers are kept,
answers are bounded and errors are sorted where they are born. How a server differs is data (`dialect`). Nothing
retries: that is Arboretum's.
"""

from .kind import PROVIDER as PROVIDER
