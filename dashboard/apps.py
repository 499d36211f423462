"""App configuration of `dashboard`."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """Makes `dashboard` known to Django."""

    name = "dashboard"
