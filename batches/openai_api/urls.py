"""Addresses of the OpenAI-compatible face, below `/v1/`."""

from django.urls import URLPattern, path

from . import chat, embeddings, files, models
from .batch import views as batches
from .responses import views as responses

urlpatterns: list[URLPattern] = [
    path("batches", batches.batches),
    path("batches/<str:public_id>", batches.batch),
    path("batches/<str:public_id>/cancel", batches.batch_cancel),
    path("chat/completions", chat.completions),
    path("embeddings", embeddings.embeddings),
    path("files", files.files),
    path("files/<str:file_id>", files.file),
    path("files/<str:file_id>/content", files.file_content),
    path("models", models.listed),
    path("models/<path:name>", models.one),
    path("responses", responses.responses),
    path("responses/<str:name>", responses.response),
    path("responses/<str:name>/cancel", responses.response_cancel),
    path("responses/<str:name>/input_items", responses.response_input_items),
]
