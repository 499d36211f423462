"""Operations of migrations that do not stop running workers."""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState


class AddIndexBesideWorkers(migrations.AddIndex):
    """Adds an index, on PostgreSQL while others go on writing; its migration must not be atomic.

    An index of that name is made anew: one that could not be finished is left behind as invalid
    (https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY).
    """

    atomic = False

    def describe(self) -> str:
        """Return what `migrate --plan` says."""
        return f"{super().describe()} beside running workers"

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Make the index."""
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            self._drop(schema_editor)
            schema_editor.add_index(model, self.index, **_beside(schema_editor))

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Drop the index."""
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            self._drop(schema_editor)

    def _drop(self, schema_editor: BaseDatabaseSchemaEditor) -> None:
        how = "CONCURRENTLY IF EXISTS" if _beside(schema_editor) else "IF EXISTS"
        schema_editor.execute(f"DROP INDEX {how} {schema_editor.quote_name(self.index.name)}")


def _beside(schema_editor: BaseDatabaseSchemaEditor) -> dict[str, Any]:
    return {"concurrently": True} if schema_editor.connection.vendor == "postgresql" else {}
