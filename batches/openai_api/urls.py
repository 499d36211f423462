"""Addresses of the OpenAI-compatible face, below `/v1/`."""

from django.urls import URLPattern, path

from . import chat, embeddings, files, models

urlpatterns: list[URLPattern] = [
    path("chat/completions", chat.completions),
    path("embeddings", embeddings.embeddings),
    path("files", files.files),
    path("files/<str:file_id>", files.file),
    path("files/<str:file_id>/content", files.file_content),
    path("models", models.listed),
    path("models/<path:name>", models.one),
]
