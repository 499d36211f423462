"""Parameters of paths that several routes have."""

from typing import Annotated

from ninja.params.models import Path

CredentialName = Annotated[
    str, Path(..., min_length=1, max_length=100, description="Name of the credential.", examples=["openai"])
]
ModelName = Annotated[
    str,
    Path(
        ...,
        min_length=1,
        max_length=200,
        description="The provider's name of the model, slashes and all; `*` for the credential's defaults.",
        examples=["gpt-4o-mini"],
    ),
]
