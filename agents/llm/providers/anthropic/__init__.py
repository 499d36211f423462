"""Anthropic's Messages API, and servers that speak it, by base URL.

A plain call goes out over aiohttp (`agents.llm.http.direct`): 0.18 ms CPU a call, against 0.64 ms by the SDK's `post`
and 0.85 ms by its `messages.create` (medians of three runs of 2,000 calls, 50 at once, November 2026). Streams and the
list of models go through the SDK (`sdk`), which is imported when it is first needed. What comes back is read here
either way (`wire`, `assembler`).
"""

from .kind import PROVIDER as PROVIDER
