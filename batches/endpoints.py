"""The addresses of OpenAI's API that the lines of a batch may be sent to, and what becomes of a line's body."""

from dataclasses import dataclass

from agents.models import Operation

from .models.batch import InputKind


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address: how the runs of its lines keep their bodies, and what their models must be able to do."""

    path: str
    kind: InputKind
    operation: Operation


ENDPOINTS = {
    endpoint.path: endpoint
    for endpoint in (
        Endpoint("/v1/chat/completions", InputKind.CHAT, Operation.CHAT),
        Endpoint("/v1/embeddings", InputKind.EMBEDDINGS, Operation.EMBEDDINGS),
        Endpoint("/v1/responses", InputKind.RESPONSES, Operation.CHAT),
    )
}
