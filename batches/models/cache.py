"""The store of answers: what a model said, kept to answer identical requests."""

from django.db import models

from credentials.models import Credential
from credentials.querysets import OwnedQuerySet


class StoredAnswerQuerySet(OwnedQuerySet["StoredAnswer"]):
    """Stored answers, visible to who sees the credential that they were paid with."""

    owner_path = "credential__owner"


class StoredAnswer(models.Model):
    """One answer of a model. The key is a digest of all that the request says (agents.response_cache)."""

    key = models.CharField(max_length=64, primary_key=True)
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="+")
    answer_json = models.TextField(help_text="The completion, as JSON.")
    bytes = models.PositiveIntegerField(help_text="What it counts towards the bound of the store.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    objects = StoredAnswerQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["created_at", "bytes"], name="stored_answer_age"),
            models.Index(fields=["expires_at"], name="stored_answer_expiry"),
        ]

    def __str__(self) -> str:
        return self.key
