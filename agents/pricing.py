"""Limits and prices of a model: its own row, then the credential's `*` row, then the provider's defaults."""

from dataclasses import replace
from decimal import Decimal

from agents.llm.providers.base import ModelDefaults
from agents.llm.registry import provider_type
from agents.llm.types import Price
from credentials.models import Credential, ProviderModel


def model_settings(credential: Credential, model: str) -> ModelDefaults:
    """Return the limits and prices that hold for `model` with `credential`, merged field by field.

    Raises InvalidInput where the credential's provider is unknown.
    """
    defaults = provider_type(credential.provider).defaults(model)
    names = (ProviderModel.DEFAULT, model)
    rows = {row.name: row for row in ProviderModel.objects.filter(credential=credential, name__in=names)}
    for name in names:
        if name in rows:
            defaults = replace(defaults, **rows[name].own_values())
    return defaults


def price_of(settings: ModelDefaults) -> Price:
    """Return the price of tokens; what nobody has set is free."""
    return Price(settings.input_price or Decimal(0), settings.output_price or Decimal(0), settings.cached_input_price)
