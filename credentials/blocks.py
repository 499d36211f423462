"""What a provider told to wait for is lifted: by a new key, by hand, or by enabling a credential again."""

from functools import partial

import structlog
from django.db import transaction
from redis.exceptions import RedisError

from workers.ratelimit.lifting import lift_blocks

from .models import Credential, ProviderModel

log = structlog.get_logger(__name__)


def forget_blocks(credential: Credential, model: str | None = None) -> bool:
    """Clear `blocked_until` of a credential and all its models, or of `model` alone; return whether any was set."""
    models = ProviderModel.objects.filter(credential=credential, blocked_until__isnull=False)
    if model is not None:
        return models.filter(name=model).update(blocked_until=None) > 0
    rows = Credential.objects.filter(pk=credential.pk, blocked_until__isnull=False)
    cleared = [rows.update(blocked_until=None), models.update(blocked_until=None)]
    credential.blocked_until = None
    return any(cleared)


def unblock(credential: Credential, model: str | None = None) -> bool:
    """Let calls with a credential, or with one model of it, start again at once; return whether anything was blocked.

    Not to be called in a transaction: workers read the database when they are told. Raises redis.RedisError where
    they cannot be told: the database is cleared then, but what Redis still knows holds until its end.
    """
    was_known = forget_blocks(credential, model)
    return lift_blocks(credential.pk, model) or was_known


def unblock_after_commit(credential: Credential) -> None:
    """Clear the blocks of a credential and all its models now, and tell the workers once that is committed.

    Where Redis does not answer that is logged: who changes a key needs no Redis.
    """
    forget_blocks(credential)
    transaction.on_commit(partial(_tell, credential.pk))


def _tell(credential_id: int) -> None:
    try:
        lift_blocks(credential_id)
    except RedisError as error:
        log.warning("unblocking_untold", credential=credential_id, error=type(error).__name__)
