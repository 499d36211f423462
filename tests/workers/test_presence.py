"""Which worker processes live."""

import os
import time
from pathlib import Path

import pytest
import redis

from workers import code, presence
from workers.code import LOADED_CODE, code_fingerprint
from workers.presence import announce, live_workers, withdraw
from workers.redis import connection


def test_an_announced_worker_is_listed_with_what_it_said() -> None:
    announce("w1@here", {"host": "here", "pid": 17, "slots": 500, "busy": 3, "started_at": 1_800_000_000})
    [worker] = live_workers()
    assert (worker.name, worker.host, worker.pid, worker.slots, worker.busy) == ("w1@here", "here", 17, 500, 3)
    assert worker.started_at.timestamp() == 1_800_000_000


def test_a_further_word_changes_the_load_and_keeps_the_start() -> None:
    announce("w1@here", {"host": "here", "pid": 17, "slots": 500, "busy": 3})
    started = live_workers()[0].started_at
    announce("w1@here", {"host": "here", "pid": 17, "slots": 500, "busy": 400})
    assert live_workers()[0].busy == 400
    assert live_workers()[0].started_at == started
    assert abs(started.timestamp() - time.time()) < 5


def test_a_withdrawn_worker_is_gone_and_others_stay() -> None:
    for name in ("w1@here", "w2@here"):
        announce(name, {"slots": 1, "busy": 0})
    assert [worker.pid for worker in live_workers()] == [os.getpid()] * 2
    withdraw("w1@here")
    assert [worker.name for worker in live_workers()] == ["w2@here"]
    assert not connection().exists("arboretum:worker:w1@here")


def test_a_silent_worker_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "TTL_SECONDS", 1)
    announce("w1@here", {"host": "here", "pid": 1, "slots": 1, "busy": 0})
    assert live_workers()
    time.sleep(2.1)
    assert live_workers() == []
    assert connection().dbsize() == 0


def test_a_name_whose_facts_ran_out_is_no_worker() -> None:
    announce("w1@here", {"host": "here", "pid": 1, "slots": 1, "busy": 0})
    connection().delete("arboretum:worker:w1@here")
    assert live_workers() == []


def test_without_a_server_the_caller_is_told(settings) -> None:
    settings.REDIS_URL = "unix:///tmp/arboretum-there-is-no-server-here.sock"
    with pytest.raises(redis.ConnectionError):
        live_workers()


def test_workers_are_found_by_the_queue_that_they_serve() -> None:
    announce("all@here", {"slots": 1, "busy": 0, "queues": "batch,control,interactive"})
    announce("single@here", {"slots": 1, "busy": 0, "queues": "interactive"})
    announce("none@here", {"slots": 1, "busy": 0, "queues": ""})
    announce("silent@here", {"slots": 1, "busy": 0})
    assert [worker.name for worker in live_workers("batch")] == ["all@here", "silent@here"]
    assert [worker.name for worker in live_workers("interactive")] == ["all@here", "silent@here", "single@here"]
    assert len(live_workers()) == 4
    assert live_workers("interactive")[2].queues == {"interactive"}


def test_a_worker_tells_which_code_it_runs_and_when_it_last_spoke() -> None:
    announce("w1@here", {"slots": 1, "busy": 0, "code": LOADED_CODE})
    [worker] = live_workers()
    assert worker.code == code_fingerprint()
    assert worker.heard_at
    assert abs(worker.heard_at.timestamp() - time.time()) < 5


def test_a_worker_of_an_earlier_version_tells_neither() -> None:
    announce("w1@here", {"slots": 1, "busy": 0})
    connection().hdel("arboretum:worker:w1@here", "heard_at")
    [worker] = live_workers()
    assert (worker.code, worker.heard_at) == (None, None)


def test_any_file_of_code_that_changes_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "_ROOT", tmp_path)
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "a.py").write_text("1")
    seen = {code_fingerprint(), code_fingerprint()}
    for name, text in (("a.py", "2"), ("b.lua", ""), ("notes.txt", "no code")):
        (tmp_path / "agents" / name).write_text(text)
        seen.add(code_fingerprint())
    assert len(seen) == 3
