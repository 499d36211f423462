"""Who calls the API of a case's own stack."""

from collections.abc import Sequence

from credentials.models import User
from credentials.tokens import Scope, create_token

# More than any case asks for: what is measured is not the limit of a token.
REQUESTS_PER_MINUTE = 1_000_000
EVERYTHING: Sequence[str] = [scope for scope in Scope.values if scope != Scope.ADMIN]


def token_of(user: User, name: str = "benchmark") -> str:
    """Return the text of a new token of `user`, who has none of this name."""
    return create_token(user, name, EVERYTHING, requests_per_minute=REQUESTS_PER_MINUTE)[1]
