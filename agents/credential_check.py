"""Whether a credential works: its provider is asked for its models, or for a few words where it has no list of them."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from time import perf_counter
from urllib.parse import urlsplit

from django.utils import timezone

from agents.credential_advice import ModelsUnlisted, advice_for
from agents.llm.client import LLMClient
from agents.llm.errors import ResponseError
from agents.llm.providers.base import ProviderConfig, ProviderType
from agents.llm.registry import provider_type
from agents.llm.types import CompletionRequest, Message
from credentials.encryption import DecryptionFailed
from credentials.models import Credential
from workers.errors import ErrorCode, InvalidInput, WorkError

CHECK_SECONDS = 20.0
# Enough that even a model that thinks first begins to answer; a fraction of a cent with the dearest one.
_TINY_ANSWER = 16
# What servers without a list of models answer to being asked for it.
_NO_LIST = (404, 405, 501)


@dataclass(frozen=True, slots=True)
class CredentialCheck:
    """What the provider said. `error` is None where it answered; `latency_ms` counts the connection, too.

    `models` is empty where the provider has no list of them; then `called_model` is the one that answered a tiny call.
    `advice` says what to do about the error.
    """

    models: tuple[str, ...] = ()
    latency_ms: int = 0
    error: WorkError | None = None
    called_model: str = ""
    advice: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the credential works."""
        return self.error is None


def provider_config(credential: Credential) -> ProviderConfig:
    """Return what a client is built from, the key in the clear: for a call to the provider and nothing else.

    Raises WorkError `invalid_key` where the credential is disabled, and DecryptionFailed where no configured encryption
    key opens the stored key.
    """
    if not credential.is_active:
        raise WorkError(ErrorCode.INVALID_KEY, f"The credential '{credential.name}' is disabled.")
    return ProviderConfig(credential.reveal_key(), credential.base_url, credential.organisation)


async def check_credential(credential: Credential, model: str = "") -> CredentialCheck:
    """Ask the provider for its models with this credential; the exact error is part of the answer, not raised.

    A server without a list of models is asked for a few words by `model`, or by the cheapest one that is known of the
    provider. Nothing is read from or written to the database.
    """
    try:
        kind = provider_type(credential.provider)
        client = LLMClient(kind.connect(provider_config(credential)), idle_timeout=CHECK_SECONDS)
    except InvalidInput as error:
        return CredentialCheck(error=WorkError(ErrorCode.INVALID_REQUEST, str(error)))
    except DecryptionFailed as error:
        return CredentialCheck(error=WorkError(ErrorCode.INVALID_KEY, str(error)))
    except WorkError as error:
        return CredentialCheck(error=error)
    started = perf_counter()
    try:
        async with aclosing(client):
            models, called = await _ask(client, model or _cheapest(kind))
    except WorkError as error:
        base_url = credential.base_url or kind.default_base_url
        advice = advice_for(error, credential.name, base_url, _api_path(kind))
        return CredentialCheck(latency_ms=_ms_since(started), error=error, advice=advice)
    return CredentialCheck(tuple(sorted(models)), _ms_since(started), called_model=called)


def check_credential_now(credential: Credential, model: str = "") -> CredentialCheck:
    """Do the same from code without a loop, and note on the credential when it last worked."""
    check = asyncio.run(check_credential(credential, model))
    note_check(credential, check)
    return check


def note_check(credential: Credential, check: CredentialCheck) -> None:
    """Note on the credential when it last worked, where it did."""
    if check.is_ok:
        credential.checked_at = timezone.now()
        credential.save(update_fields=["checked_at", "updated_at"])


async def _ask(client: LLMClient, model: str) -> tuple[list[str], str]:
    """Return the models, and the one that was called in place of a list."""
    try:
        return await client.list_models(), ""
    except ResponseError as error:
        if error.status not in _NO_LIST:
            raise
        if not model:
            raise ModelsUnlisted(error.message) from None
    messages = (Message("user", "Say ok."),)
    limit = {"max_tokens": _TINY_ANSWER}
    await client.complete(CompletionRequest(model, messages, parameters=limit, timeout=CHECK_SECONDS))
    return [], model


def _cheapest(kind: ProviderType) -> str:
    """Return the cheapest known model that writes; empty where none is known."""
    prices = {name: known.output_price for name, known in kind.known_models().items() if known.output_price}
    return min(prices, key=lambda name: prices[name] or Decimal(0), default="")


def _api_path(kind: ProviderType) -> str:
    """Return the path of the provider's own address, or of the example of one."""
    address: str = kind.default_base_url or getattr(kind, "address_example", "")
    return urlsplit(address).path.rstrip("/")


def _ms_since(started: float) -> int:
    return round((perf_counter() - started) * 1000)
