"""What every page knows: the deployment it belongs to, and the rail's entries."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True, slots=True)
class NavEntry:
    """A link of the left rail; `current` when the page lies under it."""

    label: str
    icon: str
    url: str
    current: bool


_ENTRIES = (
    ("Overview", "overview", "overview"),
    ("Agents", "agents", "agents"),
    ("Batches", "batches", "batches"),
    ("Runs", "runs", "runs"),
)
_STAFF_ENTRIES = (("Flower", "workers", "flower"), ("Admin", "admin", "admin:index"))


def site(request: HttpRequest) -> dict[str, Any]:
    """Return the template variables `environment` and `navigation`."""
    return {"environment": settings.ARBORETUM_ENV, "navigation": _navigation(request)}


def admin_environment(request: HttpRequest) -> tuple[str, str]:
    """Return the label and the tone of the admin's environment chip."""
    tones = {"production": "danger", "staging": "warning"}
    return settings.ARBORETUM_ENV, tones.get(settings.ARBORETUM_ENV, "info")


def _navigation(request: HttpRequest) -> list[NavEntry]:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return []
    entries = _ENTRIES + (_STAFF_ENTRIES if user.is_staff else ())
    return [_entry(request.path, label, icon, reverse(name)) for label, icon, name in entries]


def _entry(path: str, label: str, icon: str, url: str) -> NavEntry:
    current = path == url if url == "/" else path.startswith(url)
    return NavEntry(label, icon, url, current)
