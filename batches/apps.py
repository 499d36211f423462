"""App configuration of `batches`."""

from django.apps import AppConfig


class BatchesConfig(AppConfig):
    """Makes `batches` known to Django."""

    name = "batches"
