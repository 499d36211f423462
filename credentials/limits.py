"""The limits of models and what they do just now: read by commands, and by pages and APIs."""

from dataclasses import dataclass
from datetime import datetime

import structlog
from django.utils import timezone
from redis.exceptions import RedisError

from workers.ratelimit.known import known_buckets
from workers.ratelimit.readout import BucketState, bucket_states
from workers.ratelimit.types import Binding, Bucket

from .models import Credential, ProviderModel, User

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ModelState:
    """A model of a credential: what was set for it, and what the limiter knows of it now.

    `limits` is None where nothing was set for the model itself. `now` is None where the model was not used in the last
    hour, or Redis does not answer. `blocked_until` is what the provider told, where that is not over.
    """

    credential: Credential
    name: str
    limits: ProviderModel | None
    now: BucketState | None
    blocked_until: datetime | None

    @property
    def held_back_by(self) -> str | None:
        """What keeps its calls waiting, in a word: a `Binding` of the limiter; None where nothing does."""
        now = self.now
        if now is not None and now.binding is not None:
            return str(now.binding)
        if self.blocked_until is not None or (now is not None and now.blocked_reason):
            return str(Binding.BLOCKED)
        return str(Binding.BREAKER) if now is not None and now.breaker == "open" else None

    @property
    def until(self) -> datetime | None:
        """When the next call may start; None: now, or nobody knows."""
        moments = [self.blocked_until, self.now.until if self.now else None]
        return max((moment for moment in moments if moment is not None), default=None)


@dataclass(frozen=True, slots=True)
class ModelStates:
    """All that a user may see, by credential and name; `is_live` tells whether the limiter could be asked."""

    models: list[ModelState]
    is_live: bool


def model_states(user: User, credential: Credential | None = None) -> ModelStates:
    """Return the models of `credential`, or of all that `user` may see: those with limits, and those in use."""
    credentials = {row.pk: row for row in Credential.objects.visible_to(user) if credential in (None, row)}
    rows = ProviderModel.objects.visible_to(user).filter(credential__in=credentials)
    limits = {Bucket(row.credential_id, row.name): row for row in rows}
    states = _live_states(set(credentials))
    buckets = set(limits) | set(states or ())
    models = [
        _model_state(credentials[bucket.credential], bucket, limits.get(bucket), (states or {}).get(bucket))
        for bucket in buckets
    ]
    return ModelStates(sorted(models, key=lambda model: (model.credential.name, model.name)), states is not None)


def _live_states(credentials: set[int]) -> dict[Bucket, BucketState] | None:
    """Return what the limiter knows, None where Redis does not answer."""
    try:
        known = {bucket for bucket in known_buckets() if bucket.credential in credentials}
        return bucket_states(sorted(known, key=lambda bucket: (bucket.credential, bucket.model)))
    except RedisError as error:
        log.warning("limiter_unreadable", error=type(error).__name__)
        return None


def _model_state(
    credential: Credential, bucket: Bucket, limits: ProviderModel | None, now: BucketState | None
) -> ModelState:
    moments = [credential.blocked_until, limits.blocked_until if limits else None]
    left = [moment for moment in moments if moment is not None and moment > timezone.now()]
    return ModelState(credential, bucket.model, limits, now, max(left, default=None))
