"""App configuration of `workers`."""

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    """Makes `workers` known to Django."""

    name = "workers"
