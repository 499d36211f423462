"""Pools in a version: how they are written, checked and kept."""

import pytest

from agents.models import PoolMember
from agents.pools import PoolEntry, parse_pool
from agents.selectors import get_version
from agents.services import create_agent, new_version
from agents.validation import pool_of
from tests.support.factories import make_credential, make_user
from workers.errors import InvalidInput

MEMBERS = ["one/sim-small=3", "two/sim-large"]


@pytest.fixture
def user(db):
    user = make_user()
    for name in ("one", "two"):
        make_credential(owner=user, name=name, provider="simulated")
    return user


def test_members_are_written_in_three_ways():
    expected = (PoolEntry("one", "vendor/llama3:8b", 3), PoolEntry("two", "m"))
    assert parse_pool(["one/vendor/llama3:8b=3", "two/m"]) == expected
    assert parse_pool([{"credential": "one", "model": "vendor/llama3:8b", "weight": 3}, expected[1]]) == expected
    assert [str(entry) for entry in expected] == ["one/vendor/llama3:8b=3", "two/m"]
    assert parse_pool(None) == parse_pool([]) == ()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("one/a", "pool must be a list"),
        (["one/a"], "has 1 members; it must be a list of 2 to 16"),
        ([f"one/{n}" for n in range(17)], "has 17 members"),
        (["one/a", "one/a=2"], "'one/a' more than once"),
        (["one/a", "nothing"], r"pool\[1\] must be 'credential/model'"),
        (["one/a", "two/b=0"], r"pool\[1\]\.weight must be a whole number from 1 to 100"),
        (["one/a", {"credential": "two", "model": ""}], r"pool\[1\]\.model must be a name"),
        (["one/a", {"credential": "two", "model": "b", "key": "x"}], r"pool\[1\] must be"),
    ],
)
def test_wrong_pools_are_named(value, told):
    with pytest.raises(InvalidInput, match=told):
        parse_pool(value)


def test_the_first_member_is_the_versions_own_model(user):
    agent = create_agent(user, slug="triage", prompt="{{ a }}", pool=MEMBERS)

    version = get_version(user, "triage")
    assert (version.credential.name, version.model) == ("one", "sim-small")
    assert pool_of(version) == parse_pool(MEMBERS)
    assert PoolMember.objects.filter(version=version).count() == 2
    assert new_version(user, agent, pool=MEMBERS) == version


def test_a_pool_is_part_of_what_a_version_is(user):
    agent = create_agent(user, slug="triage", prompt="{{ a }}", pool=MEMBERS)

    second = new_version(user, agent, pool=["one/sim-small", "two/sim-large"])
    third = new_version(user, agent, instructions="Be brief.")
    fourth = new_version(user, agent, pool=None)

    assert [version.number for version in (second, third, fourth)] == [2, 3, 4]
    assert pool_of(third) == pool_of(second)
    assert pool_of(fourth) == ()
    assert fourth.model == "sim-small"


def test_the_model_of_a_pool_is_not_changed_alone(user):
    agent = create_agent(user, slug="triage", prompt="{{ a }}", pool=MEMBERS)

    with pytest.raises(InvalidInput, match="the agent has a pool of models"):
        new_version(user, agent, model="sim-large")


@pytest.mark.security
def test_a_pool_takes_no_credential_of_somebody_else(user):
    make_credential(owner=make_user(), name="hers", provider="simulated")

    with pytest.raises(InvalidInput, match="There is no credential 'hers'"):
        create_agent(user, slug="triage", prompt="{{ a }}", pool=["one/sim-small", "hers/sim-small"])
    assert not PoolMember.objects.exists()


def test_parameters_are_checked_for_every_member(user):
    make_credential(owner=user, name="real", provider="openai", key="sk-test-0123456789")

    with pytest.raises(InvalidInput, match=r"parameters\.simulated is not a setting"):
        create_agent(
            user, slug="triage", prompt="{{ a }}", parameters={"simulated": {}}, pool=["one/sim-small", "real/gpt-4o"]
        )
