"""A file that somebody uploaded through the API."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from batches.states import BatchState
from credentials.querysets import OwnedQuerySet

from .batch import Batch


class FilePurpose(models.TextChoices):
    """What a file is for, as OpenAI's client may say it (openai/types/file_purpose.py); batches read `batch`."""

    ASSISTANTS = "assistants"
    BATCH = "batch"
    FINE_TUNE = "fine-tune"
    VISION = "vision"
    USER_DATA = "user_data"
    EVALS = "evals"


class FileStatus(models.TextChoices):
    """How far a file is. An upload that was acknowledged is `processed`: nothing more has to be done to it."""

    UPLOADED = "uploaded"
    PROCESSED = "processed"
    ERROR = "error"


class FileQuerySet(OwnedQuerySet["File"]):
    """Files, filtered by their owner."""

    def available(self) -> "FileQuerySet":
        """Return the files that are neither deleted nor expired."""
        alive = models.Q(expires_at=None) | models.Q(expires_at__gt=Now())
        return self.filter(alive, deleted_at=None)

    def disposable(self) -> "FileQuerySet":
        """Return the files whose content nobody may ask for any more, and no batch still has to read."""
        gone = ~models.Q(deleted_at=None) | models.Q(expires_at__lte=Now())
        reading = Batch.objects.filter(input_file=models.OuterRef("pk"), state=BatchState.VALIDATING)
        return self.filter(gone).exclude(models.Exists(reading))


class File(models.Model):
    """An uploaded file: what is known of it. Its bytes lie in the storage called `files`, as `storage_name`.

    The row stays, without content, as long as a batch was made from it, so that the batch can name its input.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="files")
    purpose = models.CharField(max_length=20, choices=FilePurpose.choices)
    filename = models.CharField(max_length=255, help_text="As the client named it; never a path.")
    bytes = models.PositiveBigIntegerField()
    status = models.CharField(max_length=20, choices=FileStatus.choices, default=FileStatus.PROCESSED)
    status_details = models.TextField(null=True, blank=True)
    storage_name = models.CharField(max_length=200, blank=True, help_text="Empty where the content was removed.")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = FileQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["owner", "-id"], name="file_owner"),
            models.Index(fields=["expires_at"], name="file_expiry", condition=~models.Q(expires_at=None)),
            models.Index(fields=["deleted_at"], name="file_deleted", condition=~models.Q(deleted_at=None)),
            models.Index(fields=["storage_name"], name="file_storage"),
        ]

    def __str__(self) -> str:
        return self.filename

    @property
    def public_id(self) -> str:
        """The id by which the API names it."""
        return f"file-{self.pk}"
