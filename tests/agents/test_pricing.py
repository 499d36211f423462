from decimal import Decimal

import pytest

from agents.llm.registry import provider_type
from agents.llm.types import Price
from agents.pricing import model_settings, price_of
from credentials.services import set_model
from tests.support.factories import make_credential

pytestmark = pytest.mark.django_db


def test_without_rows_the_provider_decides():
    credential = make_credential()

    assert model_settings(credential, "sim-1") == provider_type("simulated").defaults("sim-1")


def test_the_model_wins_over_the_credential_and_that_over_the_provider_field_by_field():
    credential = make_credential()
    set_model(credential, "*", requests_per_minute=100, tokens_per_minute=1000, input_price=Decimal(7))
    set_model(credential, "sim-1", requests_per_minute=5, output_price=Decimal(0))

    settings = model_settings(credential, "sim-1")

    assert (settings.requests_per_minute, settings.tokens_per_minute) == (5, 1000)
    # A price of 0 is a price, not a gap.
    assert price_of(settings) == Price(Decimal(7), Decimal(0))
    assert settings.context_window == provider_type("simulated").defaults("sim-1").context_window


def test_other_models_and_credentials_do_not_count():
    credential, other = make_credential(), make_credential()
    set_model(credential, "sim-2", requests_per_minute=5)
    set_model(other, "sim-1", requests_per_minute=5)

    assert model_settings(credential, "sim-1").requests_per_minute is None


def test_rows_are_read_in_one_query(django_assert_num_queries):
    credential = make_credential()

    with django_assert_num_queries(1):
        model_settings(credential, "sim-1")
