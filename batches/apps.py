"""App configuration of `batches`."""

from django.apps import AppConfig


class BatchesConfig(AppConfig):
    """Makes `batches` known to Django."""

    name = "batches"

    def ready(self) -> None:
        """Connect the worker's signals."""
        import importlib.util

        if importlib.util.find_spec("agents.services") and importlib.util.find_spec("agents.runner"):
            from . import worker  # noqa: F401
