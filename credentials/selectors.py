"""Reads of users, credentials and tokens."""

from datetime import datetime
from difflib import get_close_matches

from workers.errors import InvalidInput, NotFound

from .models import ApiToken, Credential, ProviderModel, User


def acting_user(username: str | None) -> User:
    """Return the user that a command acts as: `username`, or the only superuser. Raises InvalidInput."""
    if username is not None:
        return get_user(username)
    superusers = list(User.objects.filter(is_superuser=True, is_active=True).order_by("username")[:10])
    if len(superusers) == 1:
        return superusers[0]
    if not superusers:
        raise InvalidInput("There is no superuser: `manage.py up` creates one; or say who acts with --as USER.")
    names = ", ".join(user.username for user in superusers)
    raise InvalidInput(f"There are several superusers ({names}): say who acts with --as USER.")


def get_user(username: str) -> User:
    """Return the active user called `username`. Raises NotFound, InvalidInput where he is not active."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise NotFound(f"There is no user '{username}'.")
    if not user.is_active:
        raise InvalidInput(f"The user '{username}' is not active.")
    return user


def get_credential(user: User, name: str) -> Credential:
    """Return the credential called `name` among those that `user` may see. Raises NotFound with a close match."""
    visible = Credential.objects.visible_to(user)
    # Names are unique, and putting one in order takes as long as finding it.
    found = visible.select_related("owner").filter(name=name).order_by()[:1]
    # PostgreSQL refuses to compare with a NUL; no name holds one.
    credential = next(iter(found), None) if "\x00" not in name else None
    if credential is not None:
        return credential
    close = get_close_matches(name[:100], visible.values_list("name", flat=True)[:1000], n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    raise NotFound(f"There is no credential {name[:100]!r}.{hint}")


def blocked_until(credential: Credential, model: str) -> datetime | None:
    """Return until when the provider told everybody to wait who uses `credential`, or its `model`; None if it did not.

    The moment may have passed.
    """
    of_model = ProviderModel.objects.filter(credential=credential, name=model).values_list("blocked_until", flat=True)
    moments = [moment for moment in (credential.blocked_until, of_model.first()) if moment is not None]
    return max(moments, default=None)


def get_token(user: User, reference: str) -> ApiToken:
    """Return the token of this prefix or name that `user` sees. Raises NotFound, InvalidInput for several."""
    visible = ApiToken.objects.visible_to(user).select_related("user")
    found = list(visible.filter(prefix=reference)[:2]) or list(visible.filter(name=reference)[:2])
    if not found:
        raise NotFound(f"There is no token '{reference}'.")
    if len(found) > 1:
        raise InvalidInput(f"Several tokens are called '{reference}': give the prefix, as `tokens list` shows it.")
    return found[0]
