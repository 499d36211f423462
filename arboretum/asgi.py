"""The ASGI application: `uvicorn arboretum.asgi:application`."""

import os

import django
from django.conf import settings
from django.core.asgi import get_asgi_application

from workers.streamed_body import StreamedBodies

from .checks import stop_if_misconfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arboretum.settings")

django.setup()
stop_if_misconfigured()
# What it lists is read by its views as it comes.
application = StreamedBodies(get_asgi_application(), settings.STREAMED_BODIES)
