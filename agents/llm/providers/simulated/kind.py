"""The simulated provider as a kind: its prices, and the check of its parameters."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from agents.llm.parameters import CHAT_PARAMETERS, check_fields
from agents.llm.providers.base import ModelDefaults, Provider, ProviderConfig, ProviderType

from .settings import check_simulated

MODELS = ("sim-small", "sim-large")

# Invented, near what small and large models cost, so that a try-out shows what a real batch would. Nobody is billed.
_SMALL = ModelDefaults(input_price=Decimal("0.15"), output_price=Decimal("0.60"), context_window=128_000)
_LARGE = ModelDefaults(input_price=Decimal("2.50"), output_price=Decimal("10.00"), context_window=128_000)

_RULES = {**CHAT_PARAMETERS, "simulated": check_simulated}


class SimulatedType:
    """Builds simulated clients. Any model name will do; the ones that end in `large` cost more."""

    name = "simulated"
    needs_key = False
    # No server is called; it needs no address either.
    default_base_url = "simulated:"
    has_embeddings = True

    def connect(self, config: ProviderConfig) -> Provider:
        """Return a client; nothing of `config` matters."""
        from .provider import SimulatedProvider

        return SimulatedProvider()

    def defaults(self, model: str) -> ModelDefaults:
        """Return the invented prices of `model`; there are no limits."""
        return _LARGE if model.endswith("large") else _SMALL

    def known_models(self) -> Mapping[str, ModelDefaults]:
        """Return the two names that the documents use."""
        return {model: self.defaults(model) for model in MODELS}

    def check_parameters(self, model: str, parameters: Mapping[str, Any]) -> None:
        """Raise InvalidInput naming the first parameter that is wrong, and what is allowed."""
        check_fields(dict(parameters), _RULES)


PROVIDER: ProviderType = SimulatedType()
