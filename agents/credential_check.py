"""Whether a credential works: its provider is asked for its models."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from time import perf_counter

from django.utils import timezone

from agents.llm.client import LLMClient
from agents.llm.providers.base import ProviderConfig
from agents.llm.registry import provider_type
from credentials.encryption import DecryptionFailed
from credentials.models import Credential
from workers.errors import ErrorCode, WorkError

CHECK_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class CredentialCheck:
    """What the provider said. `error` is None where it answered; `latency_ms` counts the connection, too."""

    models: tuple[str, ...] = ()
    latency_ms: int = 0
    error: WorkError | None = None

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


async def check_credential(credential: Credential) -> CredentialCheck:
    """Ask the provider for its models with this credential; the exact error is part of the answer, not raised.

    Nothing is read from or written to the database.
    """
    started = perf_counter()
    try:
        models = await _list_models(credential)
    except WorkError as error:
        return CredentialCheck(latency_ms=_ms_since(started), error=error)
    except DecryptionFailed as error:
        return CredentialCheck(error=WorkError(ErrorCode.INVALID_KEY, str(error)))
    return CredentialCheck(tuple(sorted(models)), _ms_since(started))


def check_credential_now(credential: Credential) -> CredentialCheck:
    """Do the same from code without a loop, and note on the credential when it last worked."""
    check = asyncio.run(check_credential(credential))
    if check.is_ok:
        credential.checked_at = timezone.now()
        credential.save(update_fields=["checked_at", "updated_at"])
    return check


async def _list_models(credential: Credential) -> list[str]:
    provider = provider_type(credential.provider).connect(provider_config(credential))
    async with aclosing(LLMClient(provider, idle_timeout=CHECK_SECONDS)) as client:
        return await client.list_models()


def _ms_since(started: float) -> int:
    return round((perf_counter() - started) * 1000)
