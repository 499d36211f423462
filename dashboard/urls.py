"""Addresses of the pages (names.md)."""

from django.urls import path

from dashboard import flower
from dashboard.views import agents, batches, overview, runs, sign_in

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("overview/live/", overview.overview_live, name="overview-live"),
    path("sign-in/", sign_in.SignInView.as_view(), name="sign-in"),
    path("sign-in/<str:token>/", sign_in.SignInLinkView.as_view(), name="sign-in-link"),
    path("sign-out/", sign_in.SignOutView.as_view(), name="sign-out"),
    path("agents/", agents.agent_list, name="agents"),
    path("agents/<slug:slug>/", agents.agent_detail, name="agent"),
    path("batches/", batches.batch_list, name="batches"),
    path("batches/<int:pk>/", batches.batch_detail, name="batch"),
    path("batches/<int:pk>/progress/", batches.batch_progress, name="batch-progress"),
    path("batches/<int:pk>/latency/", batches.batch_latency, name="batch-latency"),
    path("batches/<int:pk>/results.csv", batches.batch_download, {"format": "csv"}, name="batch-csv"),
    path("batches/<int:pk>/results.jsonl", batches.batch_download, {"format": "jsonl"}, name="batch-jsonl"),
    path("runs/", runs.run_list, name="runs"),
    path("runs/<int:pk>/", runs.run_detail, name="run"),
    path("flower/", flower.proxy, {"path": ""}, name="flower"),
    path("flower/<path:path>", flower.proxy),
    path("admin/login/", sign_in.admin_sign_in, name="admin-sign-in"),
]
