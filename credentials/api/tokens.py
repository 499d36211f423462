"""Routes of API tokens."""

from datetime import datetime
from typing import Annotated

from ninja import Query
from ninja.params.models import Path
from pydantic import AwareDatetime, Field

from credentials.models import LARGEST_INTEGER, ApiToken
from credentials.selectors import get_token
from credentials.tokens import Scope, TokenState, create_token, owner_of_new_token, revoke_token, token_state

from .callers import Caller
from .native import Given, Page, PageRequest, Routes, Shown, Sorting, json_response, page_of
from .once import ShownOnce

routes = Routes("API tokens")
SORTING = Sorting({"created_at": "created_at", "name": "name", "prefix": "prefix"})
Reference = Annotated[
    str, Path(..., description="The token's prefix, or its name.", examples=["arb_cBL-u_hF"], max_length=100)
]


class TokenFilters(PageRequest):
    """What the list of tokens takes."""

    user: str | None = Field(None, max_length=150, description="Those of this user.", examples=["admin"])
    sort: str = Field("-created_at", description=f"One of {', '.join(SORTING.allowed)}.", examples=["name"])


class NewToken(Given):
    """A token to make."""

    name: str = Field(description="Unique among the user's tokens.", min_length=1, max_length=100, examples=["ci"])
    scopes: list[Scope] = Field(description="What it may do.", min_length=1, examples=[["runs:write"]])
    user: str | None = Field(
        None, max_length=150, description="Whose it is; by default the caller's own. Superusers alone make others'."
    )
    expires_at: AwareDatetime | None = Field(None, description="When it ends; null: never.")
    requests_per_minute: int | None = Field(
        None, ge=1, le=LARGEST_INTEGER, description="How often it may call; null: as the server is set.", examples=[600]
    )


class TokenShown(Shown):
    """A token, without its text."""

    prefix: str = Field(description="What its text begins with.", examples=["arb_cBL-u_hF"])
    name: str = Field(description="Unique among the user's tokens.", examples=["ci"])
    user: str = Field(description="Whose it is.", examples=["admin"])
    scopes: list[str] = Field(description="What it may do.", examples=[["runs:write"]])
    state: TokenState = Field(description="Whether it may still call.")
    requests_per_minute: int | None = Field(description="How often it may call; null: as the server is set.")
    created_at: datetime = Field(description="When it was made.")
    last_used_at: datetime | None = Field(description="When it called last, within a minute; null: never.")
    expires_at: datetime | None = Field(description="When it ends; null: never.")
    revoked_at: datetime | None = Field(description="When it was revoked; null: it was not.")

    @classmethod
    def of(cls, token: ApiToken) -> "TokenShown":
        """Show `token`, whose user should be selected with it."""
        copied = {name: getattr(token, name) for name in cls.model_fields if name not in ("user", "state")}
        return cls(user=token.user.username, state=token_state(token), **copied)


class TokenMade(TokenShown):
    """A token that was just made."""

    token: str | None = Field(
        description="Its text, shown this once; null where the request is sent again with its Idempotency-Key."
    )


@routes.get("/tokens", scopes="admin", shows=Page[TokenShown], summary="List API tokens")
def list_tokens(caller: Caller, filters: Query[TokenFilters]) -> Page[TokenShown]:
    """List the tokens that the user may see: superusers all, others their own."""
    tokens = ApiToken.objects.visible_to(caller.user).select_related("user")
    if filters.user is not None:
        tokens = tokens.filter(user__username=filters.user)
    return page_of(tokens, filters, SORTING.order(filters.sort), TokenShown.of, kind="tokens")


@routes.post("/tokens", scopes="admin", shows=TokenMade, status=201, summary="Make an API token")
def make_token(caller: Caller, new: NewToken) -> ShownOnce:
    """Make a token. Its text is shown in this answer and never again."""
    token, text = create_token(
        owner_of_new_token(caller.user, new.user),
        new.name,
        new.scopes,
        new.expires_at,
        requests_per_minute=new.requests_per_minute,
    )
    shown = TokenShown.of(token).model_dump()
    answer, again = (json_response(TokenMade(token=shown_text, **shown), 201) for shown_text in (text, None))
    return ShownOnce(answer, kept=again)


@routes.get("/tokens/{token}", scopes="admin", shows=TokenShown, summary="Get an API token")
def get_token_(caller: Caller, token: Reference) -> TokenShown:
    """Show a token, without its text."""
    return TokenShown.of(get_token(caller.user, token))


@routes.post("/tokens/{token}/revoke", scopes="admin", shows=TokenShown, summary="Revoke an API token")
def revoke_token_(caller: Caller, token: Reference) -> TokenShown:
    """Make a token void, at once and for ever. One that is void already stays so."""
    found = get_token(caller.user, token)
    revoke_token(found)
    return TokenShown.of(found)
