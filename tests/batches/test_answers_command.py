"""`manage.py answers`: what the store holds, and emptying it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from batches.models import StoredAnswer
from credentials.models import Credential
from tests.support.commands import run_command
from tests.support.factories import make_credential, make_superuser, make_user

pytestmark = pytest.mark.django_db


def keep(credential: Credential, number: int) -> None:
    now = timezone.now()
    StoredAnswer.objects.bulk_create(
        StoredAnswer(
            key=f"{credential.pk}-{index}",
            credential=credential,
            answer_json="{}",
            bytes=100,
            created_at=now,
            expires_at=now + timedelta(hours=1),
        )
        for index in range(number)
    )


def test_what_is_stored_is_told_by_credential_and_forgotten_on_request() -> None:
    make_superuser(username="root")
    one, two = make_credential(name="one"), make_credential(name="two")
    keep(one, 1500)
    keep(two, 2)

    listed = run_command("answers", "list", "--json").data
    assert [(row["credential"], row["answers"], row["bytes"]) for row in listed["credentials"]] == [
        ("one", 1500, 150_000),
        ("two", 2, 200),
    ]
    assert run_command("answers", "clear", "one").out.strip() == "Forgot 1,500 answers of one."
    assert StoredAnswer.objects.count() == 2


@pytest.mark.security
def test_a_stranger_sees_and_clears_nothing() -> None:
    make_user(username="eve")
    keep(make_credential(name="one"), 2)

    assert "No answers are stored" in run_command("answers", "list", "--as", "eve").out
    refused = run_command("answers", "clear", "one", "--as", "eve")
    assert (refused.code, StoredAnswer.objects.count()) == (2, 2)
