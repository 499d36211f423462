"""One-time sign-in links: the token in the link says who, works once, and for 15 minutes.

The token is signed with SECRET_KEY and bound to the user's password and last sign-in, as Django's password reset is;
so nothing is stored, and the first sign-in makes every link of that user void.
"""

from django.core import signing
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from .models import User

LIFETIME_SECONDS = 15 * 60
_SALT = "arboretum.credentials.sign_in"
# Ours have about 80 characters.
_LONGEST_TOKEN = 300


def make_sign_in_token(user: User) -> str:
    """Return a token, fit for an address, that signs `user` in once within 15 minutes."""
    return signing.dumps([user.pk, _fingerprint(user)], salt=_SALT)


def user_for_sign_in_token(token: str) -> User | None:
    """Return who `token` signs in, without using it up; None where it is expired, used or not ours."""
    if len(token) > _LONGEST_TOKEN:
        return None
    try:
        primary_key, fingerprint = signing.loads(token, salt=_SALT, max_age=LIFETIME_SECONDS)
    except signing.BadSignature:
        return None
    user = User.objects.filter(pk=primary_key, is_active=True).first()
    return user if user and constant_time_compare(fingerprint, _fingerprint(user)) else None


def use_sign_in_token(token: str) -> User | None:
    """Use `token` up and return who it signs in; of several callers at the same moment only one gets the user."""
    user = user_for_sign_in_token(token)
    if user is None:
        return None
    now = timezone.now()
    won = User.objects.filter(pk=user.pk, last_login=user.last_login).update(last_login=now)
    user.last_login = now
    return user if won else None


def _fingerprint(user: User) -> str:
    # To the microsecond: Django's generator cuts to seconds, so that a link used within one stays valid.
    last_login = "" if user.last_login is None else user.last_login.isoformat()
    return salted_hmac(_SALT, f"{user.pk}|{user.password}|{last_login}", algorithm="sha256").hexdigest()[:32]
