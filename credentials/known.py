"""The models whose prices and sizes a provider's client knows, with what was set for a credential in their place."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .models import Credential, ProviderModel, User
from .providers import provider_facts


@dataclass(frozen=True, slots=True)
class KnownRow:
    """A known model of a credential's provider.

    `values` hold its limits, prices and sizes by the names of ProviderModel's fields; `is_overridden` says that some of
    them were set for the credential.
    """

    credential: Credential
    name: str
    values: Mapping[str, Any]
    is_overridden: bool


def known_models(user: User, credential: Credential | None = None) -> list[KnownRow]:
    """Return the known models of `credential`, or of all that `user` may see, by credential and name.

    Models that were only set are not among them: `credentials.limits.model_states` has those.
    """
    credentials = [row for row in Credential.objects.visible_to(user).order_by("name") if credential in (None, row)]
    set_rows: dict[int, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for row in ProviderModel.objects.filter(credential__in=credentials):
        set_rows[row.credential_id][row.name] = row.own_values()
    found: list[KnownRow] = []
    for owner in credentials:
        own = set_rows[owner.pk]
        for name, values in sorted(provider_facts(owner.provider).models.items()):
            changed = {**own.get(ProviderModel.DEFAULT, {}), **own.get(name, {})}
            found.append(KnownRow(owner, name, {**values, **changed}, bool(changed)))
    return found
