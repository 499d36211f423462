"""A case for the tests of what runs cases: yields what it sees, then ends as it is told."""

import time
from collections.abc import Iterator

from workers.redis import connection

from .case import Size
from .rig import Rig


def run(rig: Rig, size: Size, *, ending: str) -> Iterator[str]:
    """Yield the database, the rows asked for and whether Redis answers; then fail, or take too long."""
    from django.db import connection as database

    database.ensure_connection()
    yield f"{database.vendor}, {size.rows} rows, Redis answers: {connection().ping()}"
    if ending == "failure":
        raise RuntimeError("told to fail\nwith a second line")
    time.sleep(60)
    yield "never"
