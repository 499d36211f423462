"""Several people change one agent at the same moment, each on a connection of their own."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from agents.models import Agent
from agents.services import create_agent, new_version
from tests.support.factories import make_agent, make_credential, make_user
from workers.errors import InvalidInput

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = 8


def at_once(work):
    """Call `work(number)` in threads of their own; return the results."""

    def closing(number):
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(PEOPLE) as pool:
        return list(pool.map(closing, range(PEOPLE)))


def test_versions_made_at_once_get_numbers_without_gaps():
    agent = make_agent(slug="shared")

    numbers = at_once(lambda n: new_version(agent.owner, Agent.objects.get(), prompt=f"prompt {n}").number)

    assert sorted(numbers) == list(range(2, PEOPLE + 2))
    stored = Agent.objects.get()
    assert stored.current_version is not None
    assert stored.current_version.number == PEOPLE + 1
    assert {version.prompt for version in stored.versions.filter(number__gt=1)} == {
        f"prompt {n}" for n in range(PEOPLE)
    }


def test_no_change_is_lost_when_each_changes_something_else():
    agent = make_agent(slug="shared")
    changes = [
        {"prompt": "new"},
        {"instructions": "new"},
        {"limits": {"max_steps": 3}},
        {"limits": {"max_tokens": 5}},
        {"retry": {"max_tries": 2}},
        {"abilities": ["now"]},
        {"output_schema": {"type": "object"}},
        {"model": "echo-2"},
    ]

    at_once(lambda n: new_version(agent.owner, Agent.objects.get(), **changes[n]))

    last = Agent.objects.get().current_version
    assert last is not None
    assert (last.prompt, last.instructions, last.max_steps, last.max_tokens) == ("new", "new", 3, 5)
    assert (last.retry["max_tries"], last.abilities, last.output_schema) == (2, ["now"], {"type": "object"})
    assert last.model == "echo-2"


def test_one_change_made_by_all_at_once_is_one_version():
    agent = make_agent(slug="shared")

    numbers = at_once(lambda n: new_version(agent.owner, Agent.objects.get(), prompt="the same").number)

    assert set(numbers) == {2}


def test_a_slug_asked_for_at_once_is_given_once():
    user = make_user()
    make_credential(user, name="sim")

    def create(number):
        try:
            return create_agent(user, slug="wanted", credential="sim", model="m", prompt="p").slug
        except InvalidInput as error:
            return str(error)

    results = at_once(create)

    assert results.count("wanted") == 1
    assert all("slug" in result for result in results if result != "wanted")
    assert Agent.objects.get().versions.count() == 1
