"""Routes of the store of answers, which serves identical requests."""

from datetime import datetime

from django.conf import settings
from pydantic import Field

from batches.stored_answers import forget_answers, stored_answers
from credentials.api.callers import Caller
from credentials.api.native import Routes, Shown
from credentials.api.native.credentials import READ
from credentials.api.native.names import CredentialName
from credentials.selectors import get_credential

routes = Routes("Stored answers")


class AnswersOfCredential(Shown):
    """What the store holds of a credential."""

    credential: str = Field(description="Its name.", examples=["openai"])
    answers: int = Field(description="How many.", examples=[2])
    bytes: int = Field(description="Their size.", examples=[856])
    oldest: datetime = Field(description="When the oldest was kept.")
    latest: datetime = Field(description="When the latest was kept.")


class AnswersStored(Shown):
    """What the store holds."""

    bound: int = Field(description="Bytes that the store may hold in all.", examples=[1_073_741_824])
    data: list[AnswersOfCredential] = Field(description="By credential.")


class Forgotten(Shown):
    """What was forgotten."""

    credential: str = Field(description="Its name.", examples=["openai"])
    forgotten: int = Field(description="Answers.", examples=[2])


@routes.get("/answers", scopes=READ, shows=AnswersStored, summary="Look at the store")
def list_answers(caller: Caller) -> AnswersStored:
    """Show what the store of answers holds, for each credential that the user may see."""
    found = [AnswersOfCredential.model_validate(it, from_attributes=True) for it in stored_answers(caller.user)]
    return AnswersStored(bound=settings.ARBORETUM_CACHE_BYTES, data=found)


@routes.post(
    "/answers/{name}/clear",
    scopes="credentials:write",
    shows=Forgotten,
    in_transaction=False,
    summary="Forget stored answers",
)
def clear_answers(caller: Caller, name: CredentialName) -> Forgotten:
    """Forget the answers of a credential: they are asked for again."""
    credential = get_credential(caller.user, name)
    return Forgotten(credential=credential.name, forgotten=forget_answers(credential))
