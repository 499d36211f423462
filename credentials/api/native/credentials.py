"""Routes of credentials. Keys go in and never come out."""

from datetime import datetime
from typing import cast

from ninja import Query
from pydantic import Field, SecretStr
from pydantic.config import JsonDict

from credentials.api.callers import Caller, Forbidden
from credentials.models import Credential, Environment
from credentials.selectors import get_credential
from credentials.services import (
    CredentialChanges,
    add_credential,
    disable_credential,
    enable_credential,
    rotate_keys,
    update_credential,
)
from workers.errors import InvalidInput

from .names import CredentialName
from .paging import Page, PageRequest, Sorting, page_of
from .routes import Routes
from .schemas import Given, Shown

routes = Routes("Credentials")
READ, WRITE = "credentials:read", "credentials:write"
SORTING = Sorting({"name": "name", "created_at": "created_at", "updated_at": "updated_at"})
_ONE = "/credentials/{name}"
_PROVIDER = "openai, anthropic, azure, gemini, ..., compatible or simulated (docs/providers.md)."
_ADDRESS = "Where the provider's API is, where it is not its own address; only staff may name one."
_KEY: JsonDict = {"writeOnly": True}


class CredentialGiven(Given):
    """What may be told of a credential."""

    key: SecretStr | None = Field(None, max_length=8192, description="Stored encrypted.", json_schema_extra=_KEY)
    base_url: str | None = Field(None, max_length=500, description=_ADDRESS, examples=["http://gpu-1:8000/v1"])
    organisation: str | None = Field(None, max_length=200, description="Sent where the provider has organisations.")
    environment: Environment | None = Field(None, description="A label; by default that of this deployment.")


class NewCredential(CredentialGiven):
    """A new credential."""

    name: str = Field(min_length=1, max_length=100, description="Unique; holds no slash.", examples=["openai"])
    provider: str = Field(max_length=40, description=_PROVIDER, examples=["openai"])


class ChangedCredential(CredentialGiven):
    """What changes of a credential; what is left out stays. Another address clears the key unless one comes with it."""

    name: str | None = Field(None, min_length=1, max_length=100, description="Another name.", examples=["openai-eu"])
    provider: str | None = Field(None, max_length=40, description=_PROVIDER)


class CredentialFilters(PageRequest):
    """Which credentials to list."""

    provider: str | None = Field(None, max_length=40, description="Only those of this provider.")
    sort: str = Field("name", description="name, created_at or updated_at; `-` before it: downwards.")


class CredentialShown(Shown):
    """A credential; of its key the last four characters at most."""

    name: str = Field(description="Its unique name.", examples=["openai"])
    provider: str = Field(description="Whose models it calls.", examples=["openai"])
    key: str = Field(description="Masked; empty where it has none.", examples=["…abcd"])
    base_url: str = Field(description="Empty: the provider's own address.", examples=[""])
    organisation: str = Field(description="Sent where the provider has organisations.", examples=[""])
    environment: Environment = Field(description="A label.", examples=["production"])
    is_active: bool = Field(description="Whether runs can use it.")
    owner: str = Field(description="User name of the owner.", examples=["admin"])
    checked_at: datetime | None = Field(description="When it was seen to work last.")
    blocked_until: datetime | None = Field(description="The provider told all who use it to wait until then.")
    created_at: datetime = Field(description="When it was added.")
    updated_at: datetime = Field(description="When it changed last.")

    @classmethod
    def of(cls, credential: Credential) -> "CredentialShown":
        """Show `credential`, whose owner should be selected with it."""
        return cls(
            name=credential.name,
            provider=credential.provider,
            key=credential.masked_key,
            base_url=credential.base_url,
            organisation=credential.organisation,
            environment=Environment(credential.environment),
            is_active=credential.is_active,
            owner=credential.owner.username,
            checked_at=credential.checked_at,
            blocked_until=credential.blocked_until,
            created_at=credential.created_at,
            updated_at=credential.updated_at,
        )


class Rotated(Shown):
    """What a rotation did."""

    rotated: int = Field(description="Keys encrypted anew.", examples=[3])
    current: int = Field(description="Keys that were current before.", examples=[1])
    failed: list[str] = Field(description="Names of those that no encryption key opens.", examples=[[]])


@routes.get("/credentials", scopes=READ, shows=Page[CredentialShown], summary="List credentials")
def list_credentials(caller: Caller, filters: Query[CredentialFilters]) -> Page[CredentialShown]:
    """List the credentials that the user may see."""
    rows = Credential.objects.visible_to(caller.user).select_related("owner")
    if filters.provider is not None:
        rows = rows.filter(provider=filters.provider)
    return page_of(rows, filters, SORTING.order(filters.sort), CredentialShown.of, kind="credentials")


@routes.post("/credentials", scopes=WRITE, shows=CredentialShown, status=201, summary="Add a credential")
def create_credential(caller: Caller, new: NewCredential) -> CredentialShown:
    """Store a key, encrypted. It may be left out where the provider or the address needs none."""
    return CredentialShown.of(
        add_credential(
            caller.user,
            name=new.name,
            provider=new.provider,
            key=new.key.get_secret_value() if new.key else "",
            base_url=new.base_url or "",
            organisation=new.organisation or "",
            environment=new.environment or "",
        )
    )


@routes.get(_ONE, scopes=READ, shows=CredentialShown, summary="Get a credential")
def get_credential_(caller: Caller, name: CredentialName) -> CredentialShown:
    """Show a credential."""
    return CredentialShown.of(get_credential(caller.user, name))


@routes.patch(_ONE, scopes=WRITE, shows=CredentialShown, summary="Change a credential")
def update_credential_(caller: Caller, name: CredentialName, changed: ChangedCredential) -> CredentialShown:
    """Change what is given. With a new key calls start at once, whatever the provider told to wait."""
    given = {field: value for field, value in changed.given().items() if value is not None}
    if "key" in given:
        given["key"] = given["key"].get_secret_value()
    if not given:
        raise InvalidInput("Nothing to change: give at least one field.")
    changes = cast(CredentialChanges, given)
    return CredentialShown.of(update_credential(caller.user, get_credential(caller.user, name), **changes))


@routes.post(_ONE + "/enable", scopes=WRITE, shows=CredentialShown, summary="Enable a credential")
def enable_credential_(caller: Caller, name: CredentialName) -> CredentialShown:
    """Let runs use it again, at once: what the provider told to wait for is lifted."""
    credential = get_credential(caller.user, name)
    enable_credential(credential)
    return CredentialShown.of(credential)


@routes.post(_ONE + "/disable", scopes=WRITE, shows=CredentialShown, summary="Disable a credential")
def disable_credential_(caller: Caller, name: CredentialName) -> CredentialShown:
    """Let no run use it. Batches that call with it are paused with the reason."""
    credential = get_credential(caller.user, name)
    disable_credential(credential)
    return CredentialShown.of(credential)


@routes.post(
    "/encryption/rotate",
    scopes="admin",
    shows=Rotated,
    in_transaction=False,
    summary="Encrypt all keys anew",
    takes_long=True,
)
def rotate_encryption(caller: Caller) -> Rotated:
    """Encrypt every stored key with the first encryption key of the deployment; for superusers."""
    if not caller.user.is_superuser:
        raise Forbidden("Only superusers may encrypt the keys of all users anew.")
    done = rotate_keys()
    return Rotated(rotated=done.rotated, current=done.current, failed=done.failed)
