"""An OpenAI-compatible server of our own for tests and benchmarks, with limits, faults and counters.

- In a test's own loop: `async with running_server(reply="fixed", text="hi") as server: server.base_url`.
- As a process: `with ProviderServer(latency=0.1) as server: server.base_url, server.configure(...), server.stats()`,
  or `python -m tests.support.provider_server --port 0 --ready-file F`.

`/v1/chat/completions` (whole and streamed), `/v1/embeddings` and `/v1/models` answer as OpenAI does, `/v1/messages` as
Anthropic does;
POST `/control` changes settings (ServerConfig's fields) or, with `{"reset": true}`, the counters; GET `/stats` returns
the counters.
"""

from .config import FAULTS as FAULTS
from .config import ServerConfig as ServerConfig
from .process import ProviderServer as ProviderServer
from .server import FakeServer as FakeServer
from .server import running_server as running_server
