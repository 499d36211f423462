"""What differs between servers that speak chat completions, as data: no code asks which provider it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Literal

from agents.llm.types import CompletionRequest

from .strictness import is_of_an_object

Structure = Literal["json_schema", "json_object", "instructions"]
"""How an output schema is asked for: enforced by the server; any JSON, and instructions; instructions alone."""

Sources = Literal["none", "data", "any"]
"""Where an image or a file may stand: nowhere, in a `data:` URL alone, or at an https URL as well."""

EFFORTS = ("low", "medium", "high")


@dataclass(frozen=True, slots=True, eq=False)
class ModelRule:
    """What holds for the models whose names match one of the shell patterns `names`.

    `answer_limit` is the only name by which they take the limit of an answer; `refused` are the parameters that they
    take at none but the reasoning efforts `refused_but_at`; `efforts` are the values of `reasoning_effort` that they
    know, `usual_effort` the one they use when none is given; `unsigned_call` are fields of a tool call that another
    model made, or a person. An empty field leaves it to the dialect.
    """

    names: tuple[str, ...]
    answer_limit: str = ""
    refused: tuple[str, ...] = ()
    refused_but_at: tuple[str, ...] = ()
    efforts: tuple[str, ...] = ()
    usual_effort: str = "medium"
    structure: Structure | None = None
    images: Sources | None = None
    unsigned_call: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """How one server differs from the protocol as OpenAI wrote it; the defaults are that protocol.

    The first of `rules` that matches a model holds for it. Names of parameters on the right of `renamed` may be paths,
    `reasoning.effort`; `values` renames values, by the agent's name of the parameter.
    """

    # Whose `replay` in a message is this server's own.
    provider: str = ""
    rules: tuple[ModelRule, ...] = ()
    # The only name of the limit of an answer; empty: as the agent says it.
    answer_limit: str = ""
    # Whether `stream_options` may ask for the usage.
    stream_usage: bool = True
    # Where the usage may stand in an answer or in a stream's events.
    usage_paths: tuple[tuple[str, ...], ...] = (("usage",),)
    # Whether thoughts are counted in the total alone, and not in the output.
    thoughts_beside_output: bool = False
    structure: Structure = "json_schema"
    # Whether a schema may be enforced in a call with tools, in a stream, and where its outermost value is no object;
    # else instructions ask for it.
    schema_with_tools: bool = True
    schema_in_streams: bool = True
    schema_of_any_value: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # Left out without a word: they change nothing of the answer.
    dropped: frozenset[str] = frozenset()
    # Refused when an agent is made, with what to do.
    refused: Mapping[str, str] = field(default_factory=dict)
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "
    # Where the credential's organisation goes; empty: nowhere.
    organisation_header: str = "OpenAI-Organization"
    headers: Mapping[str, str] = field(default_factory=dict)
    # Tool-call ids have exactly so many letters and digits; 0: any.
    call_id_length: int = 0
    # Fields of a message, and of its tool calls, that the server wants to be sent back.
    replayed: tuple[str, ...] = ()
    replayed_of_calls: tuple[str, ...] = ()
    images: Sources = "any"
    files: Sources = "data"
    file_form: Literal["file", "document_url"] = "file"
    embeddings: bool = True
    embedding_names: Mapping[str, str] = field(default_factory=dict)
    # Where a key is checked, since the list of models is open to everybody; empty: the list checks it.
    key_path: str = ""
    # Cut from the ids that the list of models tells.
    model_prefix: str = ""

    @property
    def keeps_parameters(self) -> bool:
        """Whether parameters go out under their own names and with their own values."""
        return not (self.renamed or self.values or self.dropped)

    def rule(self, model: str) -> ModelRule:
        """Return what holds for `model`."""
        return _rule(self, model)

    def structure_of(self, request: CompletionRequest, *, stream: bool) -> Structure:
        """Return how `request` asks for its output schema."""
        wanted = self.rule(request.model).structure or self.structure
        together = (self.schema_with_tools or not request.tools) and (self.schema_in_streams or not stream)
        fits = self.schema_of_any_value or is_of_an_object(request.output_schema or {})
        return wanted if together and fits else "instructions"

    def images_of(self, model: str) -> Sources:
        """Return where an image for `model` may stand."""
        return self.rule(model).images or self.images


PLAIN = Dialect()
"""The protocol as OpenAI wrote it."""

_NO_RULE = ModelRule(())


@lru_cache(maxsize=1024)
def _rule(dialect: Dialect, model: str) -> ModelRule:
    for rule in dialect.rules:
        if any(fnmatchcase(model, name) for name in rule.names):
            return rule
    return _NO_RULE
