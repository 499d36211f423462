"""What lies on a queue may come from anybody who reaches Redis: it is data, never a program."""

import base64
import json
import os
import pickle
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings

from tests.support.waiting import wait_for
from tests.support.worker_harness import Workers
from workers.redis import connection

pytestmark = pytest.mark.security


class Hostile:
    """Makes a folder wherever it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def message(body: bytes, content_type: str) -> str:
    """Return a message as kombu lays it on a list of Redis."""
    properties = {"delivery_tag": "x", "delivery_info": {"exchange": "control", "routing_key": "control"}}
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-type": content_type,
            "content-encoding": "binary",
            "headers": {"task": "batches.finalize_batch", "id": "x", "lang": "py", "argsrepr": "()"},
            "properties": {**properties, "body_encoding": "base64", "delivery_mode": 2},
        }
    )


def test_json_alone_is_sent_and_accepted() -> None:
    conf = current_app.conf
    assert (conf.accept_content, conf.task_serializer, conf.result_serializer) == (["json"], "json", "json")
    assert conf.result_accept_content is None
    assert all("pickle" not in cache["BACKEND"] for cache in settings.CACHES.values())


@pytest.mark.any_database
@pytest.mark.worker
@pytest.mark.parametrize("content_type", ["application/x-python-serialize", "application/json"])
def test_a_pickle_on_a_queue_is_refused_and_the_worker_goes_on(
    worker_env: dict[str, str], tmp_path: Path, content_type: str
) -> None:
    trace = tmp_path / "it-ran"
    with Workers(1, env=worker_env) as workers:
        connection().lpush("control", message(pickle.dumps(((Hostile(trace),), {}, {})), content_type))
        wait_for(lambda: connection().llen("control") == 0, 10, "the message to be taken")
        assert len(current_app.control.ping(timeout=5, limit=1)) == 1
        assert not trace.exists()
        assert "rror" in workers.log(0)
