"""One formatter for every line: ours, the standard library's, and those with tracebacks."""

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from workers.logs import logging_config

KEY = "sk-live-ABCDEF0123456789"


class Lines:
    """A stream that gives what was logged."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def make_log() -> Iterator[Any]:
    """Set logging up to write to memory, and as it was at the end."""
    root = logging.getLogger()
    before = root.handlers[:], root.level

    def make(style: str) -> Lines:
        lines = Lines()
        config = logging_config("INFO", style)
        config["handlers"]["stderr"]["stream"] = lines.stream
        logging.config.dictConfig(config)
        return lines

    yield make
    root.handlers[:], level = before
    root.setLevel(level)


def test_ours_is_one_json_object_a_line_with_the_bound_ids(make_log):
    log = make_log("json")
    with bound_contextvars(batch_id=3, run_id=7, attempt=2):
        structlog.get_logger("batches.test").info("run_finished", latency_ms=12)

    (record,) = log.records
    assert record["event"] == "run_finished"
    assert (record["batch_id"], record["run_id"], record["attempt"], record["latency_ms"]) == (3, 7, 2, 12)
    assert (record["level"], record["logger"]) == ("info", "batches.test")
    assert record["timestamp"].endswith("Z")


@pytest.mark.parametrize("name", ["uvicorn.error", "celery.worker", "django.security", "some.library"])
def test_libraries_look_the_same_and_carry_the_ids(make_log, name: str):
    log = make_log("json")
    with bound_contextvars(request_id="r1"):
        logging.getLogger(name).warning("lost %s of %s", 1, 2)

    (record,) = log.records
    assert (record["event"], record["logger"], record["request_id"]) == ("lost 1 of 2", name, "r1")


@pytest.mark.parametrize(
    "name", ["uvicorn.access", "celery.app.trace", "kombu.connection", "openai._base_client", "asyncio"]
)
def test_noisy_libraries_speak_up_from_warnings_on(make_log, name: str):
    log = make_log("json")
    logging.getLogger(name).info("chatter")
    logging.getLogger(name).warning("trouble")

    assert [record["event"] for record in log.records] == ["trouble"]


def fail_with_secret() -> None:
    api_key = KEY
    raise ValueError(f"Incorrect API key provided: {api_key} (Authorization: Bearer {api_key})")


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize("kind", ["structlog", "logging"])
@pytest.mark.security
def test_tracebacks_are_written_without_keys_or_local_variables(make_log, style: str, kind: str):
    log = make_log(style)
    try:
        fail_with_secret()
    except ValueError:
        if kind == "structlog":
            structlog.get_logger("x").exception("call_failed", api_key=KEY, prompt="my secret question")
        else:
            logging.getLogger("x").exception("call failed with %s", {"api_key": KEY})

    assert "Traceback" in log.text
    assert "fail_with_secret" in log.text
    assert KEY not in log.text
    assert "my secret question" not in log.text


@pytest.mark.security
def test_keys_in_arguments_and_messages_are_masked(make_log):
    log = make_log("json")
    structlog.get_logger("x").info("odd", headers={"Authorization": f"Bearer {KEY}"}, url=f"https://h/?api_key={KEY}")
    logging.getLogger("x").warning("sent Bearer %s", KEY)

    assert KEY not in log.text
    assert log.text.count("***") == 3


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.security
def test_a_line_break_in_a_value_makes_no_second_line(make_log, style: str):
    log = make_log(style)
    structlog.get_logger("x").info("odd", path="/a\n2026-01-01 [info] forged")

    assert len(log.text.splitlines()) == 1


def test_values_that_are_no_json_and_no_unicode_are_written_all_the_same(make_log):
    log = make_log("json")
    structlog.get_logger("x").info("odd", value=object(), name="\ud800", raw=b"\xff")

    assert log.records[0]["event"] == "odd"
