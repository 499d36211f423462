"""App configuration of `agents`."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    """Makes `agents` known to Django."""

    name = "agents"
