"""A lease: the time until which a worker process may hold the runs it took."""

from django.db import models


class Lease(models.Model):
    """One slice of runs in the hands of one worker process.

    A run names its lease; the process renews all its leases in one statement, and a process none of whose leases still
    lives, though it has not released them, has died. The database's clock alone counts.
    """

    process = models.CharField(max_length=100, help_text="Host, process id and start of the worker process.")
    batch = models.ForeignKey("Batch", null=True, blank=True, on_delete=models.CASCADE, related_name="leases")
    # A default in the database too: workers of the version before insert leases during an upgrade.
    is_quarantine = models.BooleanField(default=False, db_default=False, help_text="Held by a process for suspects.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["expires_at"], name="lease_live", condition=models.Q(released_at__isnull=True)),
            models.Index(fields=["process"], name="lease_process", condition=models.Q(released_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"lease {self.pk} of {self.process}"


class Leadership(models.Model):
    """Which worker process does a job that one process at a time should do, and until when.

    Taken and renewed by compare-and-set on the database's clock; two leaders at once are harmless, only wasteful.
    """

    name = models.CharField(max_length=50, primary_key=True)
    holder = models.CharField(max_length=100)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"
