"""Addresses of the OpenAI-compatible face, below `/v1/`."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
