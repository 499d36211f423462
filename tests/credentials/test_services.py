"""Adding and changing credentials, limits of models, the first superuser."""

import io
from decimal import Decimal

import pytest
from django.core.management import call_command

from credentials import services
from credentials.models import Credential, ProviderModel, User
from credentials.selectors import get_credential
from tests.credentials.conftest import KEY, stored_text
from tests.support.factories import make_credential, make_superuser, make_user
from workers.errors import InvalidInput

pytestmark = pytest.mark.django_db


def add(user=None, **fields):
    return services.add_credential(
        user or make_superuser(), **({"name": "main", "provider": "openai", "key": KEY} | fields)
    )


@pytest.mark.security
def test_a_key_is_nowhere_in_the_database():
    add()
    dump = io.StringIO()
    call_command("dumpdata", stdout=dump)
    for text in (stored_text(), dump.getvalue()):
        assert "main" in text
        assert KEY not in text
        assert KEY[:10] not in text
    assert Credential.objects.get().reveal_key() == KEY


def test_a_new_credential_is_labelled_with_this_deployment(settings):
    settings.ARBORETUM_ENV = "staging"
    credential = add(organisation="org-1")
    assert (credential.environment, credential.organisation, credential.is_active) == ("staging", "org-1", True)
    assert add(name="other", environment="production").environment == "production"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "a/b"}, r"name: Letters, digits"),
        ({"name": ""}, r"name: This field cannot be blank"),
        ({"name": "n" * 101}, r"name: .*at most 100"),
        ({"provider": "nope"}, r"provider: there is no 'nope'; allowed: .*openai.*simulated"),
        ({"environment": "moon"}, r"environment: .*'moon' is not a valid choice"),
        ({"key": ""}, r"key: the provider 'openai' needs one"),
        ({"key": "sk-ü"}, r"key: only visible ASCII"),
        ({"key": "sk a"}, r"key: only visible ASCII"),
        ({"key": "k" * 4097}, r"key: at most 4096"),
        ({"organisation": "a\r\nX-Evil: 1"}, r"organisation: only printable"),
        ({"base_url": "ftp://host"}, r"base_url: must be like"),
        ({"base_url": "http://user:secret@host"}, r"base_url: must be like"),
        ({"base_url": "http://host?x=1"}, r"base_url: must be like"),
        ({"base_url": "http://host:99999"}, r"base_url: must be like"),
        ({"base_url": "http://"}, r"base_url: must be like"),
        ({"base_url": "http://ho st"}, r"base_url: must be like"),
        ({"base_url": "http://[::1"}, r"base_url: must be like"),
        ({"base_url": "http://h/" + "x" * 500}, r"base_url: .*at most 500"),
    ],
)
def test_each_wrong_field_is_named_and_nothing_is_stored(fields, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        add(**fields)
    assert "secret" not in str(caught.value)
    assert not Credential.objects.exists()


@pytest.mark.security
def test_a_wrong_key_is_never_repeated():
    with pytest.raises(InvalidInput) as caught:
        add(key="sk-very\x00secret")
    assert "sk-very" not in str(caught.value)


def test_a_name_is_taken_once():
    add()
    with pytest.raises(InvalidInput, match=r"name: '\w+' already exists, choose another"):
        add(make_superuser())


def test_a_name_taken_between_check_and_insert_is_told_alike(monkeypatch):
    def rival(credential, **kwargs):
        make_credential(name="main")

    monkeypatch.setattr(services, "check_instance", rival)
    with pytest.raises(InvalidInput, match="already a credential called 'main'"):
        add()


@pytest.mark.parametrize(
    "url", ["http://localhost:11434/v1", "http://vllm:8000/v1", "https://[::1]:8000/v1", "http://10.0.0.1"]
)
def test_servers_of_ones_own_need_no_key(url):
    credential = add(key="", base_url=f"{url}/")
    assert (credential.base_url, credential.reveal_key()) == (url, "")


def test_the_simulated_provider_needs_no_key():
    assert add(provider="simulated", key="").masked_key == ""


def test_white_space_around_a_key_is_not_part_of_it():
    assert add(key=f" {KEY}\n").reveal_key() == KEY


@pytest.mark.security
def test_another_address_clears_the_key_unless_it_comes_again():
    admin = make_superuser()
    credential = add(admin)
    services.update_credential(admin, credential, base_url="https://elsewhere.example")
    credential.refresh_from_db()
    assert (credential.reveal_key(), credential.key_id, credential.last_four) == ("", "", "")
    services.update_credential(admin, credential, base_url="https://third.example", key="sk-another-key-9876")
    assert Credential.objects.get().reveal_key() == "sk-another-key-9876"
    services.update_credential(admin, credential, provider="simulated")
    assert Credential.objects.get().reveal_key() == ""


def test_the_same_address_and_other_fields_keep_the_key():
    admin = make_superuser()
    credential = add(admin, base_url="https://here.example/v1")
    services.update_credential(
        admin, credential, base_url="https://here.example/v1/", organisation="o", name="renamed", environment="staging"
    )
    credential = Credential.objects.get()
    assert (credential.name, credential.organisation, credential.environment) == ("renamed", "o", "staging")
    assert credential.reveal_key() == KEY


def test_taking_away_the_only_key_of_a_provider_that_needs_one_is_refused():
    admin = make_superuser()
    credential = add(admin, base_url="https://here.example/v1")
    with pytest.raises(InvalidInput, match="needs one"):
        services.update_credential(admin, credential, base_url="")
    assert Credential.objects.get().reveal_key() == KEY


@pytest.mark.security
def test_only_staff_sets_an_address():
    user = make_user()
    with pytest.raises(InvalidInput, match="base_url: only staff"):
        add(user, base_url="http://169.254.169.254/")
    credential = add(user)
    with pytest.raises(InvalidInput, match="base_url: only staff"):
        services.update_credential(user, credential, base_url="http://127.0.0.1", key=KEY)
    assert add(make_user(is_staff=True), name="s", base_url="http://127.0.0.1").base_url == "http://127.0.0.1"


def test_a_change_leaves_alone_what_workers_write_meanwhile():
    admin = make_superuser()
    credential = add(admin)
    Credential.objects.update(blocked_until="2026-01-01T00:00:00Z")
    services.update_credential(admin, credential, organisation="o")
    assert Credential.objects.get().blocked_until is not None


def test_disabling_and_enabling():
    credential = make_credential()
    services.disable_credential(credential)
    assert not Credential.objects.get().is_active
    services.enable_credential(credential)
    assert Credential.objects.get().is_active


@pytest.mark.security
def test_a_stranger_finds_no_credential_and_gets_no_hint():
    add(make_user(username="owner"))
    with pytest.raises(InvalidInput, match=r"^There is no credential 'main'\.$"):
        get_credential(make_user(), "main")
    with pytest.raises(InvalidInput, match="Did you mean 'main'"):
        get_credential(make_superuser(), "mian")


def test_limits_are_set_piece_by_piece_and_taken_back():
    credential = make_credential()
    services.set_model(credential, "m", requests_per_minute=60, input_price=Decimal("0.15"))
    services.set_model(credential, " m ", tokens_per_minute=10**10, input_price=None)
    row = ProviderModel.objects.get()
    assert row.own_values() == {"requests_per_minute": 60, "tokens_per_minute": 10**10}
    services.set_model(credential, "*", max_concurrency=5)
    assert ProviderModel.objects.count() == 2


@pytest.mark.parametrize(
    ("name", "limits", "message"),
    [
        ("m", {"requests_per_minute": 0}, "requests_per_minute: must be a whole number from 1 to 2147483647"),
        ("m", {"max_concurrency": -1}, "max_concurrency: must be a whole number from 1 to 2147483647"),
        ("m", {"input_price": Decimal("-0.1")}, "input_price: must be at least 0"),
        ("m", {"input_price": Decimal("NaN")}, "input_price: must be at least 0"),
        ("m", {"input_price": Decimal("Infinity")}, "input_price: must be at least 0"),
        ("m", {"output_price": Decimal("0.0000001")}, "output_price: .*6 decimal places"),
        ("m", {"output_price": Decimal(10**7)}, "output_price: .*6 digits before"),
        ("m", {"tokens_per_minute": 10**30}, "tokens_per_minute: must be a whole number from 1 to 9223372036854775807"),
        ("m", {"tokens_per_minute": 0}, "tokens_per_minute: must be a whole number"),
        ("m", {"requests_per_minute": 2**31}, "requests_per_minute: must be a whole number from 1 to 2147483647"),
        ("m", {"max_concurrency": 2**31}, "max_concurrency: must be a whole number from 1 to 2147483647"),
        ("m", {"context_window": 2**31}, "context_window: must be a whole number from 1 to 2147483647"),
        ("m", {"max_output_tokens": 2**31}, "max_output_tokens: must be a whole number from 1 to 2147483647"),
        ("m", {"rpm": 1}, "rpm: no such limit; allowed: requests_per_minute"),
        ("", {"requests_per_minute": 1}, "model: a name"),
        ("a\nb", {"requests_per_minute": 1}, "model: a name"),
        ("m" * 201, {"requests_per_minute": 1}, "name: .*at most 200"),
    ],
)
def test_wrong_limits_are_named_and_nothing_is_stored(name, limits, message):
    with pytest.raises(InvalidInput, match=message):
        services.set_model(make_credential(), name, **limits)
    assert not ProviderModel.objects.exists()


def test_the_first_superuser_has_no_password_and_is_made_once():
    admin, created = services.ensure_first_superuser()
    assert (admin.username, created, admin.is_superuser, admin.is_staff) == ("admin", True, True, True)
    assert not admin.has_usable_password()
    assert services.ensure_first_superuser() == (admin, False)


def test_an_existing_superuser_is_the_first():
    root = make_superuser(username="root")
    assert services.ensure_first_superuser() == (root, False)
    assert not User.objects.filter(username="admin").exists()


def test_nobody_is_promoted_for_being_called_admin():
    make_user(username="admin")
    with pytest.raises(InvalidInput, match="'admin' is none"):
        services.ensure_first_superuser()
    assert not User.objects.filter(is_superuser=True).exists()
