"""Wiring of the project: settings, the Celery application, URLs, ASGI. No app imports this package."""

from .celery import app as celery_app

__all__ = ["celery_app"]
