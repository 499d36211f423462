"""The bases of all schemas, and the shape of errors as the documentation tells it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Given(BaseModel):
    """What a caller gives. A field that is not known is refused, and named."""

    model_config = ConfigDict(extra="forbid")

    def given(self) -> dict[str, Any]:
        """Return the fields that the caller named, null among them, by their names."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


class Shown(BaseModel):
    """What a caller is shown. Every field is always there, null where it has no value."""

    model_config = ConfigDict(ser_json_inf_nan="null")


class ErrorDetail(Shown):
    """What went wrong."""

    code: str = Field(
        description="Stable: unauthenticated, forbidden, not_found, method_not_allowed, conflict, too_large, invalid, "
        "idempotency_mismatch, rate_limited, unavailable or internal.",
        examples=["invalid"],
    )
    message: str = Field(description="For people; may change.", examples=["slug: is needed"])
    field: str | None = Field(description="The field at fault, where there is one.", examples=["slug"])
    request_id: str = Field(description="Also the answer's X-Request-ID.", examples=["req_1f0c"])


class ErrorAnswer(Shown):
    """The shape of every error."""

    error: ErrorDetail = Field(description="The error.")
