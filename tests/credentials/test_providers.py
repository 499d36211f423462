"""Which providers a credential may name."""

import pytest

from agents.llm.registry import provider_names
from credentials import providers
from workers.errors import InvalidInput


def test_the_app_that_speaks_to_providers_has_told_of_all_of_them():
    for name in provider_names():
        providers.check_provider(name)
    assert providers.needs_key("openai")
    assert not providers.needs_key("simulated")


def test_a_later_source_takes_the_place_of_the_earlier(monkeypatch):
    monkeypatch.setattr(providers, "_sources", [])
    providers.use_providers(lambda: ["a"], lambda name: True)
    providers.use_providers(lambda: ["c", "b"], lambda name: name == "b")
    with pytest.raises(InvalidInput, match="provider: there is no 'a'; allowed: b, c"):
        providers.check_provider("a")
    assert (providers.needs_key("b"), providers.needs_key("c")) == (True, False)
