"""App configuration of `batches`."""

from django.apps import AppConfig


class BatchesConfig(AppConfig):
    """Makes `batches` known to Django."""

    name = "batches"

    def ready(self) -> None:
        """Connect the worker's signals, and have webhooks' secrets rotated with the other keys."""
        import importlib.util

        from credentials.rotation import also_encrypted

        from .models import WebhookEndpoint

        also_encrypted(WebhookEndpoint, "encrypted_secret")

        if importlib.util.find_spec("agents.services") and importlib.util.find_spec("agents.runner"):
            from . import worker  # noqa: F401
