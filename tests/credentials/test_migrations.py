"""Migrations of users' tokens."""

import pytest
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader

from credentials.models import ApiToken
from tests.support.factories import make_user

READS = ["runs:read", "batches:read", "agents:read", "credentials:read"]


@pytest.mark.django_db(transaction=True)
def test_tokens_keep_what_they_could_do() -> None:
    user = make_user()
    wanted = {
        "r": (["read"], READS),
        "x": (["run"], ["runs:read", "batches:read", "runs:write", "batches:write"]),
        "w": (["write"], ["agents:read", "agents:write"]),
        "a": (["admin"], ["admin"]),
        "all": (["read", "run", "write"], [*READS, "runs:write", "batches:write", "agents:write"]),
    }
    try:
        call_command("migrate", "credentials", "0002", verbosity=0)
        old = MigrationLoader(None).project_state(("credentials", "0002_cached_input_price")).apps
        for name, (scopes, _) in wanted.items():
            old.get_model("credentials", "ApiToken").objects.create(
                user_id=user.pk, name=name, prefix="arb_", digest=name, scopes=scopes
            )
        call_command("migrate", "credentials", verbosity=0)
        assert {token.name: sorted(token.scopes) for token in ApiToken.objects.all()} == {
            name: sorted(scopes) for name, (_, scopes) in wanted.items()
        }
        call_command("migrate", "credentials", "0002", verbosity=0)
        model = old.get_model("credentials", "ApiToken")
        assert {token.name: token.scopes for token in model.objects.all()} == {
            "r": ["read"],
            "x": ["read", "run"],
            "w": ["read", "write"],
            "a": ["admin"],
            "all": ["read", "run", "write"],
        }
    finally:
        call_command("migrate", verbosity=0)
