"""The route that shows a credential to its provider."""

from functools import partial

from pydantic import Field

from agents.credential_check import CredentialCheck, check_credential, note_check
from credentials.api.callers import Caller
from credentials.api.native import Given, Later, Routes, Shown
from credentials.api.native.names import CredentialName
from credentials.models import Credential
from credentials.selectors import get_credential

from .shown import Failure

routes = Routes("Credentials")


class Checked(Given):
    """How to check a credential."""

    model: str = Field(
        "", max_length=200, description="Called for a few words where the server lists no models.", examples=[""]
    )


class CheckShown(Shown):
    """Whether a credential works."""

    name: str = Field(description="The credential.", examples=["openai"])
    is_ok: bool = Field(description="Whether the provider took the key.")
    models: list[str] = Field(description="What the provider lists.", examples=[["gpt-4o-mini"]])
    latency_ms: int = Field(description="Milliseconds, the connection among them.", examples=[56])
    called_model: str = Field(description="The model that was called in place of a list.", examples=[""])
    error: Failure | None = Field(description="The exact error.")
    advice: str = Field(description="What to do about it.", examples=[""])


@routes.post("/credentials/{name}/check", scopes="credentials:write", shows=CheckShown, summary="Check a credential")
def check_credential_(caller: Caller, name: CredentialName, how: Checked | None = None) -> Later:
    """Ask the provider for its models with this credential; a key that does not work is part of the answer."""
    credential = get_credential(caller.user, name)
    model = how.model if how else ""
    return Later(partial(check_credential, credential, model), partial(_noted, credential))


def _noted(credential: Credential, check: CredentialCheck) -> CheckShown:
    note_check(credential, check)
    return CheckShown(
        name=credential.name,
        is_ok=check.is_ok,
        models=list(check.models),
        latency_ms=check.latency_ms,
        called_model=check.called_model,
        error=Failure.of(check.error) if check.error else None,
        advice=check.advice,
    )
