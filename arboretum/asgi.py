"""The ASGI application: `uvicorn arboretum.asgi:application`."""

import os

import django
from django.core.asgi import get_asgi_application

from .checks import stop_if_misconfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arboretum.settings")

django.setup()
stop_if_misconfigured()
application = get_asgi_application()
