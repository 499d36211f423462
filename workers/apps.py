"""App configuration of `workers`."""

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    """Makes `workers` known to Django."""

    name = "workers"

    def ready(self) -> None:
        """Have Celery workers start the embedded Valkey where they need it."""
        from . import bootstrap  # noqa: F401
