from django.db import migrations, models

from batches.schema_operations import AddIndexBesideWorkers


class Migration(migrations.Migration):
    """Apart from the field: the table of runs is long, and workers claim and renew their leases meanwhile."""

    atomic = False
    dependencies = [("batches", "0002_suspects")]

    operations = [
        AddIndexBesideWorkers(
            model_name="run",
            index=models.Index(
                condition=models.Q(("crash_slice__isnull", False), ("finished_at__isnull", True)),
                fields=["crash_slice", "id"],
                name="run_suspect",
            ),
        ),
    ]
