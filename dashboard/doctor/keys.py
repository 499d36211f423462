"""Keys: whether every stored one can be opened, and with `--online` whether its provider takes it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator

from django.utils import timezone

from agents.credential_check import CHECK_SECONDS, CredentialCheck, check_credential
from credentials.encryption import DecryptionFailed, current_key_id
from credentials.models import Credential, ProviderModel
from credentials.rotation import encrypted_rows

from .findings import Finding, ok, problem, warning

ONLINE_SECONDS = CHECK_SECONDS + 5.0


def look_at_keys() -> Iterator[Finding]:
    """Every stored key can be decrypted, and with which encryption key."""
    first = current_key_id()
    lost, by_key = [], defaultdict(list)
    stored = list(encrypted_rows())
    for row in stored:
        try:
            row.reveal()
            by_key[row.key_id].append(row.name)
        except DecryptionFailed:
            lost.append(row.name)
    if lost:
        advice = "Put the old encryption key back behind the first in ARBORETUM_ENCRYPTION_KEYS, or give each key anew."
        yield problem(f"No encryption key opens: {', '.join(lost)}.", advice, lost=lost)
    if old := [name for key, names in by_key.items() if key != first for name in names]:
        text = f"Lost if the older encryption keys were dropped: {', '.join(old)}."
        yield warning(text, "Encrypt them with the first: python manage.py credentials rotate", older=old)
    yield ok(f"{len(stored) - len(lost)} of {len(stored)} stored keys can be decrypted.")


def look_at_credentials() -> Iterator[Finding]:
    """What is disabled or blocked; nobody is asked."""
    credentials = list(Credential.objects.all())
    if not credentials:
        yield ok("No credentials yet: python manage.py credentials add --help")
        return
    disabled = [credential.name for credential in credentials if not credential.is_active]
    said = f"; disabled: {', '.join(disabled)}" if disabled else ""
    yield ok(f"{len(credentials)} credentials{said}. --online asks their providers.", disabled=disabled)


def look_online() -> Iterator[Finding]:
    """Every active credential is shown to its provider."""
    credentials = list(Credential.objects.filter(is_active=True))
    checks = asyncio.run(_ask_all(credentials))
    for credential, check in zip(credentials, checks, strict=True):
        if check.error is None:
            yield ok(f"{credential.name} works: {len(check.models)} models, {check.latency_ms} ms.")
        else:
            text = f"{credential.name} does not work: {check.error.message} ({check.error.code})"
            yield problem(
                text, check.advice or f"Try it by itself: python manage.py credentials check {credential.name}"
            )
    if not credentials:
        yield ok("No active credentials.")


async def _ask_all(credentials: list[Credential]) -> list[CredentialCheck]:
    return await asyncio.gather(*map(check_credential, credentials))


def look_at_blocks() -> Iterator[Finding]:
    """Models and credentials that a provider told to wait."""
    now = timezone.now()
    models = ProviderModel.objects.filter(blocked_until__gt=now).select_related("credential")
    blocked: list[tuple[str, Credential | ProviderModel]] = []
    blocked += [(it.name, it) for it in Credential.objects.filter(blocked_until__gt=now)]
    blocked += [(str(it), it) for it in models]
    for shown, row in blocked:
        assert row.blocked_until is not None
        until = row.blocked_until.astimezone(timezone.get_current_timezone())
        yield warning(
            f"{shown} is blocked by its provider until {until:%Y-%m-%d %H:%M:%S %Z}.",
            f"If that is wrong: python manage.py models unblock {shown.replace('/', ' ', 1)}",
        )
    if not blocked:
        yield ok("No model is blocked by its provider.")
