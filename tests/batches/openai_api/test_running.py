"""What all requests that are run by workers share."""

from typing import Any

import openai
import pytest

from batches.models import Run
from credentials.models import Credential
from tests.support.api_user import ApiUser

pytestmark = pytest.mark.worker
KEY = {"Idempotency-Key": "one"}
BODIES = {
    "/chat/completions": {"model": "acme/fake-small", "messages": [{"role": "user", "content": "Hi"}]},
    "/responses": {"model": "acme/fake-small", "input": "Hi"},
}


@pytest.mark.parametrize("path", BODIES)
def test_a_request_that_is_sent_again_with_its_key_is_answered_again_and_run_once(
    api: ApiUser, credential: Credential, path: str
) -> None:
    def ask(client: openai.OpenAI, **changed: Any) -> Any:
        return client.post(path, body={**BODIES[path], **changed}, cast_to=object, options={"headers": KEY})

    client = api.client()
    assert ask(client) == ask(client)
    assert Run.objects.count() == 1
    with pytest.raises(openai.BadRequestError):
        ask(client, stream=True)
    with pytest.raises(openai.PermissionDeniedError):
        ask(api.another("runs:read", same_user=True).client())
    assert Run.objects.count() == 1
