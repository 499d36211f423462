"""Settings, read from the environment (docs/configuration.md names every variable)."""

from .base import *  # noqa: F403
from .celery import *  # noqa: F403
from .files import *  # noqa: F403
from .logs import *  # noqa: F403
from .stores import *  # noqa: F403
from .web import *  # noqa: F403
