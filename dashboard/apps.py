"""App configuration of `dashboard`."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """Makes `dashboard` known to Django."""

    name = "dashboard"

    def ready(self) -> None:
        """Register the system checks."""
        from . import checks  # noqa: F401
