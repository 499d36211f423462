"""Single runs that several threads store at the same moment go to the database together.

Each thread of a web process would else begin a transaction of its own, and on SQLite, where there is one writer at a
time, they would spend most of that time on asking whether it is their turn.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, connection, transaction

from .models import Run
from .publishing import publish_runs


@dataclass(eq=False)
class _Waiting:
    """The runs of one thread, and what came of them."""

    runs: Sequence[Run]
    is_done: bool = False
    error: Exception | None = None


class RunInserts:
    """One transaction at a time; what threads bring meanwhile forms the next."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._list = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: list[_Waiting] = []

    def insert(self, runs: Sequence[Run]) -> None:
        """Store `runs`, and offer them to the workers once they are committed. Raises what the database raises.

        Within a transaction they belong to that one.
        """
        if connection.in_atomic_block:
            _insert(runs)
            return
        mine = _Waiting(runs)
        with self._list:
            self._waiting.append(mine)
        with self._turn:
            if not mine.is_done:
                self._insert_waiting()
        if mine.error is not None:
            raise mine.error

    def _insert_waiting(self) -> None:
        """Store what waits; where an id is taken already, each thread's runs alone."""
        with self._list:
            group, self._waiting = self._waiting, []
        try:
            _insert([run for one in group for run in one.runs])
        except IntegrityError:
            for one in group:
                one.error = _failure(one.runs)
        except Exception as error:
            for one in group:
                one.error = error
        finally:
            for one in group:
                one.is_done = True


def _failure(runs: Sequence[Run]) -> Exception | None:
    try:
        _insert(runs)
    except Exception as error:
        return error
    return None


def _insert(runs: Sequence[Run]) -> None:
    with transaction.atomic():
        Run.objects.bulk_create(runs)
        publish_runs([run.pk for run in runs])


run_inserts = RunInserts()
