"""The server itself, on aiohttp's low-level server: no router, no middleware, so that a call stays cheap."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

from . import anthropic
from .call import Answer, Call
from .config import ServerConfig
from .counters import Counters
from .dialects import DIALECTS, Refused, ServerDialect
from .embeddings import DIMENSIONS, embeddings_of, parse_embedding_call
from .faults import answer_wrongly, json_response
from .limits import KeyLimits
from .streams import MIDWAY_FAULTS, stream_answer


class FakeServer:
    """The state of one server. `base_url` is what a credential holds."""

    def __init__(self, config: ServerConfig) -> None:
        """Behave by `config`."""
        self.config = config
        self.counters = Counters()
        self.base_url = ""
        self.last_headers: dict[str, str] = {}
        self.last_body: dict[str, Any] = {}
        self._limits: defaultdict[str, KeyLimits] = defaultdict(KeyLimits)
        self._retries: defaultdict[str, KeyLimits] = defaultdict(KeyLimits)
        self._in_service = 0
        self._random = random.Random(config.seed)

    def configure(self, **values: Any) -> None:
        """Change settings."""
        self.config = self.config.changed(values)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request."""
        match request.path:
            case "/v1/chat/completions":
                return await self._chat(request, Call)
            case anthropic.PATH:
                return anthropic.in_anthropics_words(await self._chat(request, anthropic.AnthropicCall))
            case "/v1/embeddings":
                return await self._embed(request)
            case "/v1/models" if self.config.has_models:
                return self._models(request)
            case "/v1/key":
                return self._invalid_key() if self._refuses(self._key(request)) else json_response(b'{"data": {}}')
            case "/control":
                return self._control(await request.read())
            case "/stats":
                return json_response(orjson.dumps(self.counters.as_dict(contents="contents" in request.query)))
        return self._bad_request("Unknown path.", 404)

    def _control(self, raw: bytes) -> web.Response:
        values = orjson.loads(raw)
        if values.pop("reset", False):
            in_flight = self.counters.in_flight
            self.counters = Counters()
            self.counters.in_flight = in_flight
        try:
            self.configure(**values)
        except (TypeError, ValueError) as error:
            return json_response(orjson.dumps({"error": str(error)}), 400)
        return json_response(b"{}")

    def _models(self, request: web.BaseRequest) -> web.Response:
        if not self._dialect.has_open_models and self._refuses(self._key(request)):
            return self._invalid_key()
        if "anthropic-version" in request.headers:
            return anthropic.models(request, self.config)
        models = [
            {"id": self._dialect.model_id(name), "object": "model", "owned_by": "tests"} for name in self.config.models
        ]
        return json_response(orjson.dumps({"object": "list", "data": models}))

    @property
    def _dialect(self) -> ServerDialect:
        return DIALECTS[self.config.dialect]

    def _key(self, request: web.BaseRequest) -> str:
        return self._dialect.key(request.headers)

    def _invalid_key(self) -> web.Response:
        body = self._dialect.error("invalid_request_error", "invalid_api_key", "Incorrect API key provided.", 401)
        return json_response(body, 401)

    def _bad_request(self, message: str, status: int = 400) -> web.Response:
        return json_response(self._dialect.error("invalid_request_error", None, message, status), status)

    def _refuses(self, key: str) -> bool:
        return self.config.keys is not None and key not in self.config.keys

    async def _chat(self, request: web.BaseRequest, kind: type[Call]) -> web.StreamResponse:
        key = self._key(request)
        counters = self.counters
        counters.begin(key)
        try:
            return await self._answer(request, key, counters, kind)
        except (asyncio.CancelledError, ConnectionError):
            counters.aborted += 1
            raise
        finally:
            counters.end()

    async def _embed(self, request: web.BaseRequest) -> web.StreamResponse:
        key = self._key(request)
        if self._refuses(key):
            return self._invalid_key()
        try:
            call = parse_embedding_call(await request.read(), key)
            self._dialect.check_embedding(call.body)
        except (ValueError, KeyError) as error:
            return self._bad_request(str(error))
        except Refused as error:
            return self._bad_request(str(error), error.status)
        self.last_headers, self.last_body = dict(request.headers), call.body
        fault = self._draw_fault(self.config, self.counters)
        await asyncio.sleep(self.config.latency)
        if fault is not None:
            call.body = {**call.body, "messages": []}
            return await answer_wrongly(fault, request, Answer.to(call, self.config), self.config)
        return json_response(embeddings_of(call, self._dialect.dimensions(call.body, DIMENSIONS)))

    async def _answer(
        self, request: web.BaseRequest, key: str, counters: Counters, kind: type[Call]
    ) -> web.StreamResponse:
        if self._refuses(key):
            return self._invalid_key()
        try:
            call = kind.parse(await request.read(), key)
            self._dialect.check(request.headers, call.body)
            refusal = call.refusal(request.headers, self.config)
        except (ValueError, KeyError) as error:
            return self._bad_request(str(error))
        except Refused as error:
            return self._bad_request(str(error), error.status)
        if refusal is not None:
            return self._bad_request(refusal)
        self.last_headers, self.last_body = dict(request.headers), call.body
        config = self.config
        self._count(call, config, counters)
        if config.overload_above is not None and self._in_service >= config.overload_above:
            counters.overloaded += 1
            return await answer_wrongly("overloaded", request, call.answer(config), config)
        self._in_service += 1
        try:
            return await self._serve(request, call, config, counters)
        finally:
            self._in_service -= 1

    async def _serve(
        self, request: web.BaseRequest, call: Call, config: ServerConfig, counters: Counters
    ) -> web.StreamResponse:
        answer = call.answer(config)
        limits = self._limits[call.key]
        wait = self._take(answer, limits, config, counters)
        if wait:
            return self._refuse(call, wait, counters)
        fault = self._draw_fault(config, counters)
        if config.latency or config.latency_spread:
            await asyncio.sleep(config.latency + config.latency_spread * self._random.random())
        if fault == "rate_limited" and config.retry_after:
            self._tell(call, config.retry_after)
        response = await self._respond(request, answer, config, limits.headers(config), fault)
        if fault is None:
            counters.completed += 1
            if config.track_contents:
                counters.completed_contents[call.content] += 1
        return response

    def _take(self, answer: Answer, limits: KeyLimits, config: ServerConfig, counters: Counters) -> float:
        """Admit the call and return 0, or return the seconds that it has to wait."""
        by_limit = config.charge == "admission"
        tokens = answer.call.most_tokens if by_limit else answer.call.prompt_tokens + len(answer.text) // 4
        wait = limits.take(config, tokens)
        if not wait:
            counters.admit(tokens)
            counters.note_windows(*limits.in_window)
        return wait

    async def _respond(
        self,
        request: web.BaseRequest,
        answer: Answer,
        config: ServerConfig,
        headers: dict[str, str],
        fault: str | None,
    ) -> web.StreamResponse:
        headers["x-request-id"] = request.headers.get("x-request-id", "req-fake")
        if answer.call.body.get("stream") and (fault is None or fault in MIDWAY_FAULTS or fault == "content_filter"):
            if fault == "content_filter":
                answer.finish_reason, fault = "content_filter", None
            return await stream_answer(request, answer, config, answer.headers(headers), fault)
        if fault is not None:
            return await answer_wrongly(fault, request, answer, config)
        return json_response(answer.whole(), headers=headers)

    def _count(self, call: Call, config: ServerConfig, counters: Counters) -> None:
        if config.track_contents:
            counters.by_content[call.content] += 1
        if call.key in self._limits and self._limits[call.key].is_early(config.early_grace):
            counters.early_calls += 1
        if call.content in self._retries and self._retries[call.content].is_early(0.0):
            counters.early_retries += 1

    def _tell(self, call: Call, seconds: float) -> None:
        self._limits[call.key].tell(seconds)
        self._retries[call.content].tell(seconds)

    def _refuse(self, call: Call, wait: float, counters: Counters) -> web.Response:
        counters.refused += 1
        self._tell(call, wait)
        headers = self._limits[call.key].headers(self.config)
        headers |= {"Retry-After": f"{wait:.3f}", "retry-after-ms": f"{wait * 1000:.0f}"}
        return json_response(
            self._dialect.error("requests", "rate_limit_exceeded", "Rate limit reached.", 429), 429, headers
        )

    def _draw_fault(self, config: ServerConfig, counters: Counters) -> str | None:
        if not config.faults or (config.fault_limit is not None and counters.faulted >= config.fault_limit):
            return None
        draw = self._random.random()
        for fault, share in config.faults.items():
            if draw < share:
                counters.faulted += 1
                counters.by_fault[fault] += 1
                return fault
            draw -= share
        return None


class _Server(web.Server):
    """Counts the answers that were written to a client which was gone.

    The kernel resets a connection whose owner dies with something unread, and else only closes it (RFC 2525, 2.17).
    """

    def __init__(self, state: FakeServer) -> None:
        super().__init__(state.handle, handler_cancellation=True, access_log=None)
        self._state = state

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        if isinstance(exc, ConnectionResetError) and handler._current_request is None:
            self._state.counters.unread += 1
        super().connection_lost(handler, exc)


async def listen(state: FakeServer, *, port: int = 0, path: str | None = None) -> web.ServerRunner:
    """Start listening on 127.0.0.1 (port 0: a free one) or on the socket `path`; the caller cleans the runner up."""
    runner = web.ServerRunner(_Server(state), shutdown_timeout=0.1)
    await runner.setup()
    site = (
        web.UnixSite(runner, path, backlog=4096)
        if path
        else web.TCPSite(runner, "127.0.0.1", port, backlog=4096, reuse_address=True)
    )
    await site.start()
    state.base_url = "http://localhost/v1" if path else f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    return runner


@asynccontextmanager
async def running_server(**values: Any) -> AsyncIterator[FakeServer]:
    """Run a server in this loop; `values` are ServerConfig's fields."""
    state = FakeServer(ServerConfig().changed(values))
    runner = await listen(state)
    try:
        yield state
    finally:
        await runner.cleanup()
