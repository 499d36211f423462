"""App configuration of `credentials`."""

from django.apps import AppConfig


class CredentialsConfig(AppConfig):
    """Makes `credentials` known to Django."""

    name = "credentials"
