"""Routes of agents as documents: what `agents export` and `agents import` do."""

from typing import Any, Literal

from django.http import HttpResponse
from ninja import Query
from pydantic import Field, model_validator

from agents.documents.choosing import chosen_versions
from agents.documents.form import document_of, documents_text
from agents.documents.importing import MAX_DOCUMENTS, import_documents
from agents.documents.yaml_text import MAX_BYTES, read_documents
from credentials.api.callers import Caller
from credentials.api.native import Given, Routes, Shown

routes = Routes("Agents")
_YAML = "application/yaml"
_YAML_ANSWER: dict[str, Any] = {"responses": {200: {"content": {_YAML: {"schema": {}}}}}}


class DocumentsWanted(Given):
    """Which agents to export."""

    agent: list[str] = Field([], max_length=100, description="`slug` or `slug@3`; may be given again.")
    all: bool = Field(False, description="The current versions of all agents that the user may see.")
    format: Literal["json", "yaml"] = Field("json", description="JSON, or YAML as `agents export` writes it.")


class Documents(Shown):
    """Agents as documents."""

    documents: list[dict[str, Any]] = Field(description="A document for each version; keys are not in it.")


class Import(Given):
    """Documents to read in: either `documents` or `yaml`."""

    documents: list[dict[str, Any]] | None = Field(
        None, max_length=MAX_DOCUMENTS, description="As the export shows them.", examples=[[{"format": 1, "slug": "a"}]]
    )
    yaml: str | None = Field(None, max_length=MAX_BYTES, description="The text of a file of `agents export`.")
    credential: str | None = Field(None, description="Name of the credential to use in place of every one named.")
    dry_run: bool = Field(False, description="Check everything, keep nothing.")

    @model_validator(mode="after")
    def _one_of_both(self) -> "Import":
        if (self.documents is None) == (self.yaml is None):
            raise ValueError("give either documents or yaml")
        return self


class ImportedDocument(Shown):
    """What became of one document."""

    action: Literal["created", "updated", "unchanged"] = Field(description="What happened.", examples=["updated"])
    agent: str = Field(description="The version that it now is.", examples=["triage@3"])


class Imported(Shown):
    """What became of the documents, in their order."""

    dry_run: bool = Field(description="Whether nothing was kept.")
    documents: list[ImportedDocument] = Field(description="One for each document.")


@routes.get(
    "/agent-documents", scopes="agents:read", shows=Documents, summary="Export agents as documents", extra=_YAML_ANSWER
)
def export_agents(caller: Caller, wanted: Query[DocumentsWanted]) -> Documents | HttpResponse:
    """Write versions as documents: all that makes them what they are; credentials stand there by name."""
    versions = chosen_versions(caller.user, wanted.agent, everything=wanted.all)
    if wanted.format == "yaml":
        return HttpResponse(documents_text(versions), content_type=_YAML)
    return Documents(documents=[document_of(version) for version in versions])


@routes.post("/agent-documents", scopes="agents:write", shows=Imported, summary="Import agents from documents")
def import_agents(caller: Caller, given: Import) -> Imported:
    """Create and update agents: all documents or none.

    A field that a document leaves out has its default. An agent gets a new version only where something differs.
    """
    documents = given.documents if given.documents is not None else read_documents(given.yaml or "")
    done = import_documents(caller.user, documents, credential=given.credential, dry_run=given.dry_run)
    shown = [ImportedDocument(action=it.action, agent=str(it.version)) for it in done]  # type: ignore[arg-type]
    return Imported(dry_run=given.dry_run, documents=shown)
