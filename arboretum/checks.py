"""System checks: a broken configuration is explained before anything starts."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def environment_is_known(**kwargs: Any) -> list[CheckMessage]:
    """`ARBORETUM_ENV` is one of the three environments."""
    if settings.ARBORETUM_ENV in settings.ARBORETUM_ENVIRONMENTS:
        return []
    allowed = ", ".join(settings.ARBORETUM_ENVIRONMENTS)
    return [Error(f"ARBORETUM_ENV is '{settings.ARBORETUM_ENV}'; allowed: {allowed}.", id="arboretum.E001")]
