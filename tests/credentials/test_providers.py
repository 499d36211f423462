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
    assert not providers.needs_key("openai", "http://localhost:9/v1")
    assert providers.needs_key("azure", "https://x.openai.azure.com/openai/v1")


def test_a_later_source_takes_the_place_of_the_earlier(monkeypatch):
    monkeypatch.setattr(providers, "_sources", [])
    providers.use_providers(providers.ProviderSource(lambda: ["a"], lambda name: providers.ProviderFacts(True, "x")))
    facts = {"b": providers.ProviderFacts(True, "https://b"), "c": providers.ProviderFacts(False, "")}
    providers.use_providers(providers.ProviderSource(lambda: ["c", "b"], facts.__getitem__))
    with pytest.raises(InvalidInput, match="provider: there is no 'a'; allowed: b, c"):
        providers.check_provider("a")
    assert (providers.needs_key("b"), providers.needs_key("c")) == (True, False)


@pytest.mark.parametrize(
    ("name", "base_url", "is_staff", "message"),
    [
        ("azure", "", True, "base_url: the provider 'azure' has no address of its own"),
        ("compatible", "", True, "base_url: the provider 'compatible' has no address of its own"),
        ("ollama", "", False, "provider: only staff may use 'ollama', a server on this machine"),
        ("openai", "http://10.0.0.1/v1", False, "base_url: only staff may set it"),
    ],
)
def test_an_address_that_a_credential_may_not_call_is_refused(name: str, base_url: str, is_staff: bool, message: str):
    with pytest.raises(InvalidInput, match=message):
        providers.check_address(name, base_url, is_staff=is_staff)


@pytest.mark.parametrize(
    ("name", "base_url", "is_staff"),
    [("openai", "", False), ("simulated", "", False), ("ollama", "", True), ("azure", "https://x/openai/v1", True)],
)
def test_other_addresses_pass(name: str, base_url: str, is_staff: bool):
    providers.check_address(name, base_url, is_staff=is_staff)


def test_known_models_are_told_with_their_prices():
    known = providers.provider_facts("openai").models["gpt-4o-mini"]
    assert known["input_price"]
    assert known["cached_input_price"]
    assert known["context_window"]
