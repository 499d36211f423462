"""System checks of the pages."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

MANIFEST = "staticfiles.json"


@register(Tags.staticfiles, deploy=True)
def static_files_are_collected(**kwargs: Any) -> list[CheckMessage]:
    """Where static files are served from what collectstatic gathered, it has been run (`check --deploy`)."""
    if settings.WHITENOISE_USE_FINDERS or (settings.STATIC_ROOT / MANIFEST).exists():
        return []
    hint = "Run: python manage.py collectstatic --noinput"
    return [Warning("The static files have not been collected; pages cannot be shown.", hint=hint, id="dashboard.W001")]
