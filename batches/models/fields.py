"""Fields of our own."""

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class RowIdField(models.BigIntegerField):  # type: ignore[type-arg]
    """A 64-bit primary key that the program chooses.

    SQLite keeps a table in the order of an `integer` primary key; any other type gets a second index beside the table.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return the column's type."""
        return "integer" if connection.vendor == "sqlite" else super().db_type(connection)

    def rel_db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return the type of a column that refers to this one."""
        return self.db_type(connection)
