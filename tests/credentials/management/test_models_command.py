"""`manage.py models`."""

import pytest

from credentials.models import ProviderModel
from tests.support.commands import run_command
from tests.support.factories import make_credential, make_superuser, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def credential():
    return make_credential(make_superuser(username="root"), name="main")


def run(*arguments):
    return run_command("models", *arguments)


def test_set_stores_limits_and_prices():
    result = run(
        "set", "main", "gpt", "--rpm", "500", "--tpm", "200000", "--concurrency", "50", "--input-price", "0.15"
    )
    assert (result.code, result.out) == (
        0,
        "Set main/gpt: requests_per_minute 500, tokens_per_minute 200000, max_concurrency 50, input_price 0.15.\n",
    )
    result = run("set", "main", "gpt", "--output-price", "0.6", "--tpm", "none", "--json")
    assert result.data["tokens_per_minute"] is None
    assert (result.data["requests_per_minute"], result.data["output_price"]) == (500, 0.6)


def test_what_falls_back_to_the_defaults_is_none():
    assert run("set", "main", "gpt", "--tpm", "none").out == "Set main/gpt: tokens_per_minute none.\n"


def test_a_star_sets_the_credentials_defaults():
    assert run("set", "main", "*", "--concurrency", "5").code == 0
    assert ProviderModel.objects.get().name == ProviderModel.DEFAULT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["main", "gpt"], "Nothing to set"),
        (["main", "gpt", "--rpm", "many"], "--rpm: must be a whole number or 'none', not 'many'"),
        (["main", "gpt", "--rpm", "1.5"], "--rpm: must be a whole number"),
        (["main", "gpt", "--rpm", "-5"], "requests_per_minute: must be a whole number from 1 to 2147483647"),
        (["main", "gpt", "--rpm", "99999999999"], "requests_per_minute: must be a whole number from 1 to 2147483647"),
        (["main", "gpt", "--input-price", "cheap"], "--input-price: must be a number or 'none'"),
        (["main", "gpt", "--input-price", "nan"], "input_price: must be at least 0"),
        (["main", "gpt", "--rpm", "9" * 5000], "--rpm: must be a whole number"),
        (["other", "gpt", "--rpm", "5"], "There is no credential 'other'"),
    ],
)
def test_bad_arguments_exit_with_2(arguments, message):
    result = run("set", *arguments)
    assert (result.code, message in result.err) == (2, True)
    assert not ProviderModel.objects.exists()


def test_list_shows_what_was_set_to_who_may_see_it():
    make_user(username="bob")
    make_credential(name="second", owner=make_user(username="ada"))
    run("set", "main", "gpt", "--rpm", "500")
    run("set", "second", "small", "--input-price", "0.1")
    lines = run("list").out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["main", "gpt", "500"], ["second", "small", "-"]]
    assert [row["model"] for row in run("list", "main", "--json").data] == ["gpt"]
    assert [row["model"] for row in run("list", "--as", "ada", "--json").data] == ["small"]
    assert "defaults hold" in run("list", "--as", "bob").out
    assert run("list", "main", "--as", "bob").code == 2


def test_a_stranger_sets_nothing():
    make_user(username="bob")
    assert run("set", "main", "gpt", "--rpm", "1", "--as", "bob").err == "error: There is no credential 'main'.\n"
    assert not ProviderModel.objects.exists()


def test_known_lists_prices_sizes_and_what_was_set_in_their_place():
    make_credential(make_user(), name="open", provider="openai")
    run("set", "open", "gpt-4o-mini", "--cached-input-price", "0.01", "--rpm", "7")
    rows = {row["model"]: row for row in run("known", "open", "--as", "root", "--json").data}
    changed, plain = rows["gpt-4o-mini"], rows["gpt-4o"]
    assert (changed["cached_input_price"], changed["requests_per_minute"], changed["set_here"]) == (0.01, 7, True)
    assert (plain["input_price"], plain["context_window"], plain["set_here"]) == (2.5, 128_000, False)
    assert changed["input_price"] == 0.15


def test_known_shows_a_table_of_all_that_the_user_may_see():
    make_credential(make_user(username="guest"), name="theirs", provider="simulated")
    told = run("known", "--as", "guest").out
    assert "sim-small" in told
    assert "theirs" in told
    assert "main" not in told
    make_credential(make_user(username="local"), name="own", provider="vllm")
    assert "No models are known" in run("known", "--as", "local").out
