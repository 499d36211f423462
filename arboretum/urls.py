"""Where each address leads."""

from django.contrib import admin
from django.urls import include, path

from .api import urls as api_urls

# The pages come first: the admin's own sign-in page is replaced by ours.
urlpatterns = [
    path("", include("dashboard.urls")),
    path("api/v1/", api_urls),
    path("v1/", include("batches.openai_api.urls")),
    path("admin/", admin.site.urls),
]
