"""Prices, limits and durations of the models that a version may call."""

from decimal import Decimal

import pytest

from agents.models import PoolMember
from batches.estimating.prices import Prices, Work, least_duration, models_of, prices_of
from credentials.services import set_model
from tests.support.factories import make_agent, make_credential, make_user
from workers.ratelimit.tuning import Tuning

pytestmark = pytest.mark.django_db
MARGIN = Tuning().margin


def test_a_version_without_a_pool_has_its_own_model() -> None:
    version = make_agent(model="sim-large").current_version
    (model,) = models_of(version)
    assert (model.name, model.share) == (f"{version.credential}/sim-large", 1.0)
    assert prices_of([model]) == Prices(2.5, 10.0)


def test_a_pool_has_the_mean_prices_by_weight() -> None:
    version = make_agent().current_version
    for place, (model, weight) in enumerate((("sim-small", 3), ("sim-large", 1))):
        PoolMember.objects.create(
            version=version, place=place, credential=version.credential, model=model, weight=weight
        )
    models = models_of(version)
    assert [model.share for model in models] == [0.75, 0.25]
    prices = prices_of(models)
    assert prices is not None
    assert (prices.input, prices.output) == pytest.approx((0.75 * 0.15 + 0.25 * 2.5, 0.75 * 0.6 + 0.25 * 10))


def test_a_model_without_a_price_leaves_none_for_all_and_a_price_of_nothing_is_one() -> None:
    owner = make_user()
    credential = make_credential(owner, provider="openai", name="local", base_url="http://127.0.0.1:1/v1", key="k")
    version = make_agent(owner, credential=credential, model="my-own").current_version
    assert prices_of(models_of(version)) is None
    set_model(credential, "my-own", input_price=Decimal(0), output_price=Decimal(0))
    assert prices_of(models_of(version)) == Prices(0.0, 0.0)


def test_the_limit_that_takes_longest_tells_how_long_it_takes() -> None:
    version = make_agent().current_version
    work = Work(rows=600, tokens=100_000, call_seconds=2.0)
    assert least_duration(models_of(version), work) is None
    set_model(version.credential, "*", requests_per_minute=600)
    found = least_duration(models_of(version), work)
    assert found is not None
    assert (round(found.seconds * MARGIN), "600 requests/min" in found.limit) == (60, True)
    set_model(version.credential, "echo-1", tokens_per_minute=50_000)
    found = least_duration(models_of(version), work)
    assert found is not None
    assert (round(found.seconds * MARGIN), "50,000 tokens/min" in found.limit) == (120, True)
    set_model(version.credential, "echo-1", max_concurrency=4)
    found = least_duration(models_of(version), work)
    assert found is not None
    assert (found.seconds, "4 calls at a time" in found.limit) == (300, True)
