"""`Idempotency-Key` at the native API, also where the answer has to be waited for."""

import pytest

from agents.models import Agent
from credentials.models import IdempotencyKey
from tests.support.api_user import ApiUser
from tests.support.factories import make_agent, make_credential, make_single_run

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_creation_that_is_sent_again_makes_one(api: ApiUser):
    make_credential(api.user, name="local")
    http = api.http()
    body = {"slug": "triage", "model": "local/echo-1", "prompt": "{{ text }}"}
    key = {"Idempotency-Key": "k1"}
    first, second = (http.post("/api/v1/agents", json=body, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
    assert ("Idempotent-Replayed" in first.headers, second.headers["Idempotent-Replayed"]) == (False, "true")
    assert http.post("/api/v1/agents", json=body).status_code == 422
    other = http.post("/api/v1/agents", json=body | {"slug": "other"}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_mismatch")
    assert Agent.objects.count() == 1


def test_an_answer_that_was_waited_for_is_given_again(api: ApiUser):
    agent = make_agent(api.user)
    http = api.http()
    address = f"/api/v1/agents/{agent.slug}/try"
    key = {"Idempotency-Key": "k2"}
    first, second = (http.post(address, json={"input": {"text": "hello"}}, headers=key) for _ in range(2))
    assert (first.status_code, first.json()["output"]) == (200, "hello")
    assert (second.json(), second.headers["Idempotent-Replayed"]) == (first.json(), "true")


def test_a_stranger_is_not_given_the_answer(api: ApiUser):
    agent = make_agent(api.user)
    address = f"/api/v1/agents/{agent.slug}/try"
    key = {"Idempotency-Key": "k3"}
    assert api.http().post(address, json={"input": {"text": "hello"}}, headers=key).status_code == 200
    assert api.another().http().post(address, json={"input": {"text": "hello"}}, headers=key).status_code == 404
    reader = api.another("agents:read", same_user=True).http()
    assert reader.post(address, json={"input": {"text": "hello"}}, headers=key).status_code == 403


def test_a_read_that_is_waited_for_is_answered_anew(api: ApiUser):
    run = make_single_run(make_agent(api.user).versions.get())
    address = f"/api/v1/runs/{run.pk}?wait=0.1"
    answers = [api.http().get(address, headers={"Idempotency-Key": "k4"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert "Idempotent-Replayed" not in answers[1].headers
    assert not IdempotencyKey.objects.exists()
