"""What the pages need: static files, content security, Flower's address, the admin's look."""

import logging
from typing import Any

from .environment import ARBORETUM_ENV, BASE_DIR, IS_PRODUCTION, env
from .files import FILES_STORAGE

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "files": FILES_STORAGE,
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if IS_PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
# Production serves what collectstatic gathered, hashed and compressed; elsewhere files come straight from the apps.
WHITENOISE_USE_FINDERS = not IS_PRODUCTION
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 3600 if IS_PRODUCTION else 0
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Empty: Flower listens on `flower.sock` in the data directory.
FLOWER_URL: str = env.str("FLOWER_URL", default="")

# One line a request, when it ends. In development pages that keep themselves up to date would bury all else.
DJANGO_STRUCTLOG_STATUS_DEFAULT_LOG_LEVEL = logging.DEBUG if ARBORETUM_ENV == "development" else logging.INFO
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_CELERY_ENABLED = False

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# The admin (Alpine) and Flower need inline code; both are for staff alone.
CONTENT_SECURITY_POLICY_STAFF = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'self'; "
    "frame-ancestors 'none'"
)

_GREEN = {
    "50": "oklch(97.5% .015 155)",
    "100": "oklch(94.5% .03 155)",
    "200": "oklch(89% .06 155)",
    "300": "oklch(82% .1 155)",
    "400": "oklch(74% .14 155)",
    "500": "oklch(63% .14 155)",
    "600": "oklch(56% .13 155)",
    "700": "oklch(48% .11 155)",
    "800": "oklch(40% .09 155)",
    "900": "oklch(33% .07 155)",
    "950": "oklch(24% .05 155)",
}
_GREY = {
    "50": "oklch(98.5% .003 155)",
    "100": "oklch(96.8% .004 155)",
    "200": "oklch(91% .006 155)",
    "300": "oklch(82% .008 155)",
    "400": "oklch(67% .01 155)",
    "500": "oklch(51% .012 155)",
    "600": "oklch(44% .012 155)",
    "700": "oklch(34% .011 155)",
    "800": "oklch(27% .009 155)",
    "900": "oklch(20.5% .007 155)",
    "950": "oklch(17% .006 155)",
}
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Arboretum",
    "SITE_HEADER": "Arboretum",
    "SITE_SUBHEADER": "Administration",
    "SITE_URL": "/",
    "SITE_SYMBOL": "forest",
    "SHOW_HISTORY": True,
    "SHOW_BACK_BUTTON": True,
    "ENVIRONMENT": "dashboard.context.admin_environment",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/dashboard/favicon.svg"}],
    "COLORS": {"primary": _GREEN, "base": _GREY},
    "SIDEBAR": {"show_search": True, "show_all_applications": False},
    "COMMAND": {"search_models": False, "show_history": False},
}
