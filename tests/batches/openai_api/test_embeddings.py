"""Embeddings and models with the real client."""

import openai
import pytest

from batches.models import Run
from credentials.models import Credential
from tests.support.api_user import ApiUser
from tests.support.factories import make_agent, make_version
from tests.support.provider_server import ProviderServer

pytestmark = pytest.mark.worker


def test_vectors_come_packed_by_default_and_as_numbers_when_asked(api: ApiUser, credential: Credential) -> None:
    client = api.client()
    packed = client.embeddings.create(model="acme/fake-embed", input="hello")
    plain = client.embeddings.create(model="acme/fake-embed", input=["hello"], encoding_format="float")
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, rel=1e-6)
    run = Run.objects.latest("id")
    assert plain.data[0].embedding == run.parsed[0]
    assert (packed.object, packed.model, packed.data[0].index) == ("list", "acme/fake-embed", 0)
    assert packed.usage.prompt_tokens == packed.usage.total_tokens == run.input_tokens > 0
    assert plain.model_extra["arboretum"]["run_id"] == run.pk


def test_many_texts_keep_their_order_however_long_the_answer_is(api: ApiUser, credential: Credential) -> None:
    texts = [f"text {number}" for number in range(2048)]
    answer = api.client().embeddings.create(model="acme/fake-embed", input=texts)
    assert [one.index for one in answer.data] == list(range(2048))
    (single,) = api.client().embeddings.create(model="acme/fake-embed", input=texts[-1]).data
    assert answer.data[-1].embedding == pytest.approx(single.embedding, rel=1e-6)


def test_too_many_texts_are_refused(api: ApiUser, credential: Credential) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        api.client().embeddings.create(model="acme/fake-embed", input=["x"] * 2049)
    assert caught.value.param == "input"
    assert not Run.objects.exists()


def test_models_are_what_the_caller_may_run(api: ApiUser, credential: Credential, provider: ProviderServer) -> None:
    agent = make_agent(api.user, slug="helper", credential=credential)
    make_version(agent)
    make_agent(slug="foreign")
    credential.models.create(name="fake-small", requests_per_minute=10)
    client = api.client()
    names = [model.id for model in client.models.list()]
    assert [name for name in names if name.startswith("agent:")] == ["agent:helper", "agent:helper@2", "agent:helper@1"]
    assert "acme/fake-small" in names
    for name in ("agent:helper@1", "acme/fake-small", "acme/org/model"):
        found = client.models.retrieve(name)
        assert (found.id, found.object) == (name, "model")
        assert found.created > 0
    for name in ("agent:foreign", "agent:helper@3", "other/fake-small", "nonsense"):
        with pytest.raises(openai.NotFoundError) as caught:
            client.models.retrieve(name)
        assert caught.value.code == "model_not_found"
    with pytest.raises(openai.PermissionDeniedError):
        api.another("batches:read", same_user=True).client().models.list()
