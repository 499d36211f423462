"""App configuration of `credentials`."""

from django.apps import AppConfig


class CredentialsConfig(AppConfig):
    """Makes `credentials` known to Django, and registers its system checks."""

    name = "credentials"

    def ready(self) -> None:
        """Register the system checks."""
        from . import checks  # noqa: F401
