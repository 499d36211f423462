"""The database's clock, which alone decides on leases and due times: workers' clocks may differ."""

from datetime import timedelta

from django.db import connection
from django.db.models import DateTimeField, ExpressionWrapper, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Now


def now_plus(seconds: float) -> Combinable:
    """Return an ORM expression for the database's time plus `seconds`."""
    return ExpressionWrapper(Now() + Value(timedelta(seconds=seconds)), output_field=DateTimeField())


def sql_now(plus_seconds: str = "0") -> str:
    """Return SQL for the database's time plus `plus_seconds` (SQL for a number), fit for a DateTimeField.

    Percent signs are doubled, since the statement it goes into has parameters.
    """
    if connection.vendor == "postgresql":
        return f"(clock_timestamp() + ({plus_seconds}) * interval '1 second')"
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', ({plus_seconds}) || ' seconds')"
