"""A POST that is sent again is answered again, and nothing is done twice."""

import asyncio
import json
import threading
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import RequestFactory
from django.utils import timezone

from credentials import idempotency
from credentials.api.callers import Caller
from credentials.api.once import idempotent, once, refuse_key
from credentials.api.threads import in_database
from credentials.idempotency import IdempotencyMismatch, claim, prune_idempotency_keys, settle
from credentials.models import Credential, IdempotencyKey
from credentials.tokens import create_token
from tests.support.factories import make_credential, make_user
from tests.support.waiting import wait_for
from workers.errors import Conflict, InvalidInput

pytestmark = pytest.mark.django_db(transaction=True)

factory = RequestFactory()


def make_caller() -> Caller:
    user = make_user()
    return Caller(user, create_token(user, "ci", ["admin"])[0])


def post(key: str | None = "k1", body: object = None, path: str = "/api/v1/credentials", **headers: str):
    given = headers if key is None else headers | {"Idempotency-Key": key}
    return factory.post(path, json.dumps(body), content_type="application/json", headers=given)


def create(request, caller: Caller, name: str = "first", *, fail: Exception | None = None, **options) -> HttpResponse:
    with idempotent(request, caller, **options) as slot:
        if slot.stored is not None:
            return slot.stored
        made = make_credential(caller.user, name=name)
        if fail is not None:
            raise fail
        return slot.keep(JsonResponse({"id": made.pk}, status=201, headers={"Location": "/x"}))


@pytest.fixture
def caller() -> Caller:
    return make_caller()


@pytest.fixture
def no_patience(monkeypatch):
    monkeypatch.setattr(idempotency, "RELEASED_AFTER", timedelta(0))


def test_the_same_request_gets_the_same_answer_and_is_carried_out_once(caller):
    first, second = create(post(), caller), create(post(), caller, "second")
    assert (second.content, second.status_code, second["Location"]) == (first.content, 201, "/x")
    assert second["Content-Type"] == "application/json"
    assert ("Idempotent-Replayed" in first, second["Idempotent-Replayed"]) == (False, "true")
    assert Credential.objects.count() == 1


def test_another_key_another_user_and_no_key_are_other_requests(caller):
    create(post(), caller, "a")
    create(post("k2"), caller, "b")
    create(post(None), caller, "c")
    create(post(None), caller, "d")
    create(post(), make_caller(), "e")
    assert Credential.objects.count() == 5
    assert IdempotencyKey.objects.count() == 3


def test_the_same_key_with_another_body_path_or_query_is_refused(caller):
    create(post(body=1), caller)
    for other in (post(body=2), post(body=1, path="/api/v1/agents"), post(body=1, path="/api/v1/credentials?x=1")):
        with pytest.raises(IdempotencyMismatch):
            create(other, caller, "second")
    assert Credential.objects.count() == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "ü", "a\x7f"])
def test_a_malformed_key_is_refused(caller, key):
    with pytest.raises(InvalidInput, match="1 to 255 visible"):
        create(post(key), caller)


def test_what_failed_has_done_nothing_and_is_tried_again(caller):
    for error in (InvalidInput("no"), RuntimeError("died")):
        with pytest.raises(type(error)):
            create(post(), caller, fail=error)
        assert not Credential.objects.exists()
        assert not IdempotencyKey.objects.exists()
    assert create(post(), caller).status_code == 201


def test_an_answer_that_is_no_success_is_not_kept(caller):
    with idempotent(post(), caller) as slot:
        slot.keep(JsonResponse({}, status=503))
    assert not IdempotencyKey.objects.exists()


def test_who_comes_while_the_first_is_at_work_is_told_so(caller):
    with idempotent(post(), caller, in_transaction=False) as slot:
        outcome = in_thread(lambda: create(post(), caller, "second"))
        assert isinstance(outcome, Conflict)
        slot.keep(JsonResponse({}))
    assert create(post(), caller)["Idempotent-Replayed"] == "true"


def test_work_that_takes_long_keeps_its_claim(caller, monkeypatch):
    monkeypatch.setattr("credentials.api.once.RELEASED_AFTER", timedelta(seconds=0.15))
    with idempotent(post(), caller, in_transaction=False) as slot:
        before = IdempotencyKey.objects.get().claimed_at
        wait_for(lambda: IdempotencyKey.objects.get().claimed_at > before, 10, "the claim to be renewed")
        slot.keep(JsonResponse({}))
    assert create(post(), caller)["Idempotent-Replayed"] == "true"


async def test_a_database_that_is_away_for_a_moment_does_not_end_the_claim(monkeypatch):
    monkeypatch.setattr("credentials.api.once.RELEASED_AFTER", timedelta(seconds=0.03))
    caller, tries, renewed = await in_database(make_caller), [], asyncio.Event()

    loop = asyncio.get_running_loop()

    def fail_once(held):
        tries.append(held)
        if len(tries) == 1:
            raise OperationalError("away")
        loop.call_soon_threadsafe(renewed.set)

    async def work() -> HttpResponse:
        await renewed.wait()
        return JsonResponse({})

    monkeypatch.setattr("credentials.api.once.renew", fail_once)
    async with asyncio.timeout(10):
        await once(post(), caller, work)
    assert renewed.is_set()


def test_a_dead_ones_request_is_taken_over_and_his_late_work_undone(caller, no_patience, monkeypatch):
    def claim_and_sleep(marked):
        held = claim(marked)
        monkeypatch.undo()
        monkeypatch.setattr(idempotency, "RELEASED_AFTER", timedelta(0))
        assert create(post(), caller, "rivals").status_code == 201
        return held

    monkeypatch.setattr("credentials.api.once.claim", claim_and_sleep)
    with pytest.raises(Conflict, match="carried out anew"):
        create(post(), caller, "late")
    assert [credential.name for credential in Credential.objects.all()] == ["rivals"]
    assert create(post(), caller)["Idempotent-Replayed"] == "true"


def test_work_and_answer_are_committed_together(caller, monkeypatch):
    def die(claimed, answer) -> None:
        settle(claimed, answer)
        raise SystemExit

    monkeypatch.setattr("credentials.api.once.settle", die)
    monkeypatch.setattr("credentials.api.once.release", lambda claimed: None)
    with pytest.raises(SystemExit):
        create(post(), caller)
    assert not Credential.objects.exists()
    assert IdempotencyKey.objects.get().status is None


def test_an_answer_too_long_to_keep_is_not_given_again_and_nothing_is_done_twice(caller):
    with idempotent(post(), caller) as slot:
        slot.keep(HttpResponse(b"x" * (idempotency.LONGEST_BODY + 1)))
    with pytest.raises(Conflict, match="too long to keep"):
        create(post(), caller)
    assert not Credential.objects.exists()


def test_forms_are_compared_by_what_they_hold(caller):
    def form(content: bytes, boundary: str):
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'.encode()
            + content
            + f"\r\n--{boundary}--\r\n".encode()
        )
        kind = f"multipart/form-data; boundary={boundary}"
        return factory.post("/api/v1/batches", body, content_type=kind, headers={"Idempotency-Key": "k"})

    create(form(b"a,b", "one"), caller)
    again = form(b"a,b", "two")
    assert create(again, caller)["Idempotent-Replayed"] == "true"
    assert isinstance(again.FILES["file"], SimpleUploadedFile) or again.FILES["file"].read() == b"a,b"
    with pytest.raises(IdempotencyMismatch):
        create(form(b"a,c", "one"), caller)


def test_a_retry_that_names_itself_goes_with_the_latest_request_like_it(caller):
    again = {"x-stainless-retry-count": "1"}
    first = create(post(None), caller, "a", knows_retries=True)
    assert create(post(None, **again), caller, "b", knows_retries=True).content == first.content
    assert create(post(None, body=2, **again), caller, "b", knows_retries=True).content != first.content
    assert create(post(None), caller, "c", knows_retries=True).content != first.content
    assert create(post(None, **again), make_caller(), "d", knows_retries=True).content != first.content
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    assert create(post(None, **again), caller, "e", knows_retries=True).content != first.content


def test_keys_are_forgotten_after_a_day(caller):
    create(post(), caller)
    create(post("k2"), caller, "second")
    IdempotencyKey.objects.filter(key="k1").update(created_at=timezone.now() - timedelta(hours=25))
    assert "Idempotent-Replayed" not in create(post(body="other"), caller, "third")
    IdempotencyKey.objects.filter(key="k1").update(created_at=timezone.now() - timedelta(hours=25))
    assert prune_idempotency_keys() == 1
    assert [row.key for row in IdempotencyKey.objects.all()] == ["k2"]


def test_many_at_once_are_carried_out_once():
    caller = make_caller()
    outcomes: list[object] = []
    threads = [
        threading.Thread(target=lambda number=number: outcomes.append(attempt(caller, f"c{number}")))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Credential.objects.count() == 1
    made = [outcome for outcome in outcomes if isinstance(outcome, HttpResponse)]
    assert len({outcome.content for outcome in made}) == 1
    assert len([outcome for outcome in made if "Idempotent-Replayed" not in outcome]) == 1
    assert all(isinstance(outcome, HttpResponse | Conflict) for outcome in outcomes)


def attempt(caller: Caller, name: str) -> object:
    try:
        return create(post(), caller, name)
    except Conflict as error:
        return error
    finally:
        connection.close()


async def test_once_around_work_on_the_event_loop():
    caller = await in_database(make_caller)
    done = 0

    async def work() -> HttpResponse:
        nonlocal done
        done += 1
        return JsonResponse({"done": done})

    first, second = await once(post(), caller, work), await once(post(), caller, work)
    assert (first.content, second["Idempotent-Replayed"], done) == (second.content, "true", 1)
    assert (await once(post(None), caller, work)).content == b'{"done": 2}'
    with pytest.raises(IdempotencyMismatch):
        await once(post(body=2), caller, work)


@pytest.mark.parametrize("failure", [RuntimeError("no"), asyncio.CancelledError()])
async def test_once_forgets_what_failed_or_was_cut_off(failure):
    caller = await in_database(make_caller)

    async def fail() -> HttpResponse:
        raise failure

    async def stream() -> StreamingHttpResponse:
        return StreamingHttpResponse([b"x"])

    with pytest.raises(type(failure)):
        await once(post(), caller, fail)
    assert not await in_database(IdempotencyKey.objects.exists)
    await once(post(), caller, stream)
    assert not await in_database(IdempotencyKey.objects.exists)


async def test_once_holds_its_claim_for_as_long_as_the_work_takes(monkeypatch):
    monkeypatch.setattr(idempotency, "RELEASED_AFTER", timedelta(seconds=0.3))
    monkeypatch.setattr("credentials.api.once.RELEASED_AFTER", timedelta(seconds=0.3))
    caller = await in_database(make_caller)

    async def work() -> HttpResponse:
        await asyncio.sleep(0.7)
        return JsonResponse({})

    async def rival() -> None:
        await asyncio.sleep(0.6)
        with pytest.raises(Conflict):
            await once(post(), caller, work)

    first, _ = await asyncio.gather(once(post(), caller, work), rival())
    assert first.status_code == 200


def test_a_stream_takes_no_key():
    refuse_key(post(None))
    with pytest.raises(InvalidInput, match="streamed"):
        refuse_key(post())


def in_thread(function) -> object:
    """Return what `function` returned or raised, called in another thread with a connection of its own."""
    outcome: list[object] = []

    def call() -> None:
        try:
            outcome.append(function())
        except Exception as error:
            outcome.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return outcome[0]


def test_a_claim_is_of_one_row():
    marked = idempotency.Marked(make_user(), "k", "POST /x", "0" * 64)
    held = claim(marked)
    with pytest.raises(Conflict, match="being carried out"):
        claim(marked)
    settle(held, idempotency.Answer(200, {}, b"x"))
    assert claim(marked) == idempotency.Answer(200, {}, b"x")
