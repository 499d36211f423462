"""The ASGI application: `uvicorn arboretum.asgi:application`."""

import os

import django
from django.conf import settings

from workers.streamed_body import StreamedBodies

from .checks import stop_if_misconfigured
from .handlers import ByPath

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arboretum.settings")

django.setup()
stop_if_misconfigured()
# What it lists is read by its views as it comes.
application = StreamedBodies(ByPath(), settings.STREAMED_BODIES)
