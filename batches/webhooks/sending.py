"""Sending deliveries from a worker process, on its loop: each endpoint by itself, so that none holds up another."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from agents.llm.http.retry_after import parse_retry_after
from batches.execution.storable import storable
from batches.models.webhook import LONGEST_EXCERPT
from credentials.encryption import DecryptionFailed
from workers.engine import Engine
from workers.errors import WorkError
from workers.http.client import Caps, GuardedClient
from workers.http.reading import GuardedResponse
from workers.http.refusal import Refused

from .claiming import Answer, Claimed, claim_due, store_answer
from .signing import signed_headers

log = structlog.get_logger(__name__)

# A redirect is no receipt: who moves changes the endpoint's address.
CAPS = Caps(connect=5.0, total=15.0, bytes=4 * LONGEST_EXCERPT, redirects=0, may_cut=True)
# On their way at once from one process. An endpoint that hangs takes one of these, so it takes that many to fill them.
MOST_AT_ONCE = 256
USER_AGENT = "arboretum-webhooks"


class WebhookSender:
    """Sends what is due, for one worker process. Its methods run on the process' loop."""

    def __init__(
        self, engine: Engine, spawn: Callable[[Coroutine[Any, Any, None]], None], client: GuardedClient | None = None
    ) -> None:
        """Use the engine's database thread, `spawn` to start work on the loop, and a guarded client."""
        self._engine = engine
        self._spawn = spawn
        self._client = client or GuardedClient()
        self._room = asyncio.Semaphore(MOST_AT_ONCE)
        self._is_stopped = False
        # Endpoints that are being seen to, and whether there came more for them meanwhile.
        self._busy: dict[int, bool] = {}

    async def begin(self, endpoint_id: int) -> None:
        """Send what is due to an endpoint; return at once."""
        if endpoint_id in self._busy:
            self._busy[endpoint_id] = True
        elif not self._is_stopped:
            self._busy[endpoint_id] = False
            self._spawn(self._see_to(endpoint_id))

    def stop(self) -> None:
        """Take nothing new; what is on its way is sent to its end, if the process lives so long."""
        self._is_stopped = True

    async def _see_to(self, endpoint_id: int) -> None:
        try:
            while not self._is_stopped:
                self._busy[endpoint_id] = False
                claimed = await self._engine.run_db(claim_due, endpoint_id)
                await asyncio.gather(*(self.send(delivery) for delivery in claimed))
                if not claimed and not self._busy[endpoint_id]:
                    return
        except Exception as error:
            # The leases end, and maintenance offers it again.
            log.error("webhooks_unsent", endpoint_id=endpoint_id, error=type(error).__name__)
        finally:
            del self._busy[endpoint_id]

    async def send(self, claimed: Claimed) -> None:
        """Make an attempt and store what came of it."""
        async with self._room:
            answer = await self._ask(claimed)
        await self._engine.run_db(store_answer, claimed, answer)
        log.info("webhook_sent", delivery_id=claimed.delivery_id, attempt=claimed.number, status=answer.status)

    async def _ask(self, claimed: Claimed) -> Answer:
        started = time.monotonic()
        body = claimed.payload.encode()
        try:
            headers = {
                **signed_headers(claimed.event_id, body, claimed.secrets),
                "content-type": "application/json",
                "user-agent": USER_AGENT,
            }
            response = await self._client.request("POST", claimed.endpoint.url, headers=headers, body=body, caps=CAPS)
        except (Refused, WorkError, DecryptionFailed) as error:
            return Answer(_milliseconds(started), error=storable(str(error))[:300])
        except Exception as error:
            log.exception("webhook_broken", delivery_id=claimed.delivery_id, error=type(error).__name__)
            return Answer(_milliseconds(started), error=type(error).__name__)
        return _answer(response, _milliseconds(started))


def _answer(response: GuardedResponse, latency_ms: int) -> Answer:
    excerpt = storable(response.body.decode(errors="replace"))[:LONGEST_EXCERPT]
    retry_after = parse_retry_after(response.headers) if response.status // 100 != 2 else None
    return Answer(latency_ms, response.status, response=excerpt, retry_after=retry_after)


def _milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
