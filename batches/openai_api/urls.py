"""Addresses of the OpenAI-compatible face, below `/v1/`."""

from django.urls import URLPattern, path

from . import chat, embeddings, models

urlpatterns: list[URLPattern] = [
    path("chat/completions", chat.completions),
    path("embeddings", embeddings.embeddings),
    path("models", models.listed),
    path("models/<path:name>", models.one),
]
