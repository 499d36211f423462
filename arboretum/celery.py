"""The Celery application. `celery -A arboretum worker` starts a worker that serves every queue."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arboretum.settings")

app = Celery("arboretum", task_cls="workers.tasks:BaseTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
