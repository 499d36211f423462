"""App configuration of the wiring package: registers the system checks."""

from django.apps import AppConfig


class ArboretumConfig(AppConfig):
    """Makes `arboretum.checks` known to Django."""

    name = "arboretum"

    def ready(self) -> None:
        """Register the system checks."""
        from . import checks  # noqa: F401
