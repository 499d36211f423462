"""Signing in by password and by one-time link, and signing out."""

import pytest
from django.test import Client
from django.urls import reverse

from arboretum.settings.environment import trusted_origins
from credentials.models import User
from credentials.sign_in import make_sign_in_token
from tests.support.factories import make_superuser, make_user

PASSWORD = "correct horse battery"


@pytest.fixture
def admin(db: None, settings) -> User:
    """A superuser with a password, hashed quickly."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return make_superuser(username="root", password=PASSWORD)


def link_to(user: User) -> str:
    return reverse("sign-in-link", args=[make_sign_in_token(user)])


def signed_in_as(client: Client) -> str | None:
    return client.session.get("_auth_user_id")


def test_password_signs_in_and_leads_to_next(client: Client, admin: User):
    response = client.post(f"{reverse('sign-in')}?next=/batches/", {"username": "root", "password": PASSWORD})

    assert (response.status_code, response["Location"]) == (302, "/batches/")
    assert signed_in_as(client) == str(admin.pk)


def test_wrong_password_says_so_without_saying_which_part_is_wrong(client: Client, admin: User):
    answers = [
        client.post(reverse("sign-in"), {"username": name, "password": "wrong"}).content.decode()
        for name in ("root", "nobody")
    ]

    assert all("The name and password do not match" in answer for answer in answers)
    assert signed_in_as(client) is None


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
@pytest.mark.security
def test_next_never_leads_to_another_site(client: Client, admin: User, target: str):
    response = client.post(reverse("sign-in"), {"username": "root", "password": PASSWORD, "next": target})

    assert response["Location"] == "/"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/"])
@pytest.mark.security
def test_next_of_a_link_never_leads_to_another_site(client: Client, admin: User, target: str):
    response = client.post(link_to(admin), {"next": target})

    assert response["Location"] == "/"


def test_link_shows_a_button_and_is_used_up_by_pressing_it(client: Client, admin: User):
    link = link_to(admin)

    for _ in range(3):
        page = client.get(link)
        assert page.status_code == 200
        assert "Sign in as root" in page.content.decode()
        assert signed_in_as(client) is None

    response = client.post(link)
    assert (response.status_code, response["Location"]) == (302, "/")
    assert signed_in_as(client) == str(admin.pk)


def test_used_link_signs_nobody_in_and_says_what_to_do(client: Client, admin: User):
    link = link_to(admin)
    client.post(link)

    second = Client()
    for response in (second.get(link), second.post(link)):
        assert response.status_code == 410
        assert "no longer good" in response.content.decode()
        assert "make up" in response.content.decode()
    assert signed_in_as(second) is None


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["x", "WzEsIng", "a" * 1000, "%00"])
@pytest.mark.security
def test_made_up_link_is_refused(client: Client, token: str):
    assert client.get(f"/sign-in/{token}/").status_code == 410


def test_link_of_an_inactive_user_is_refused(client: Client, db: None):
    user = make_user()
    link = link_to(user)
    user.is_active = False
    user.save()

    assert client.post(link).status_code == 410


def test_link_page_is_not_cached(client: Client, admin: User):
    assert "no-store" in client.get(link_to(admin))["Cache-Control"]


@pytest.mark.security
def test_sign_out_is_by_post_alone_and_ends_the_session(client: Client, admin: User):
    client.force_login(admin)
    old_session = client.cookies["sessionid"].value

    assert client.get(reverse("sign-out")).status_code == 405
    assert client.post(reverse("sign-out")).status_code == 302

    client.cookies["sessionid"] = old_session
    assert client.get("/").status_code == 302


@pytest.mark.security
def test_forms_are_protected_against_other_sites(admin: User):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(reverse("sign-in"), {"username": "root", "password": PASSWORD}).status_code == 403
    assert strict.post(link_to(admin)).status_code == 403


def test_admin_sign_in_is_ours(client: Client, owner: User):
    anonymous = client.get("/admin/batches/run/", follow=True)
    assert anonymous.redirect_chain[-1][0] == "/sign-in/?next=/admin/batches/run/"

    client.force_login(owner)
    assert client.get("/admin/", follow=True).status_code == 403


def test_signed_in_visitor_of_the_sign_in_page_goes_on(client: Client, admin: User):
    client.force_login(admin)
    assert client.get(reverse("sign-in"))["Location"] == "/"


def test_behind_a_proxy_that_speaks_tls_the_password_signs_in(admin: User, settings):
    def status(origin: str) -> int:
        client = Client(enforce_csrf_checks=True)
        client.get("/sign-in/")
        token = client.cookies["csrftoken"].value
        form = {"username": admin.username, "password": PASSWORD, "csrfmiddlewaretoken": token}
        return client.post("/sign-in/", form, headers={"Origin": origin}).status_code

    assert status("https://testserver") == 403
    settings.CSRF_TRUSTED_ORIGINS = trusted_origins(["testserver"])
    assert status("https://evil.example") == 403
    assert status("https://testserver") == 302
