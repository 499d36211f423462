"""App configuration of `workers`."""

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    """Makes `workers` known to Django."""

    name = "workers"

    def ready(self) -> None:
        """Have Celery workers start the embedded Valkey where they need it, and log as everything else does."""
        from . import bootstrap, logs_celery  # noqa: F401

        logs_celery.connect()
