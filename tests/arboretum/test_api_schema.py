"""The native API against its own description: Schemathesis asks every operation, with what fits and what does not."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pydantic import BaseModel

from credentials.api.native import Given, Shown
from tests.support.api_user import ApiUser
from tests.support.factories import make_agent, make_batch, make_credential, make_single_run
from tests.support.web_server import WebServer

# An unknown field, a wrong type, a boundary: each is answered in the documented shape, and never with 500.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)
# Other methods than an operation has are asked for by `tests/dashboard/test_permission_walk.py`.
CONFIGURATION = "[phases.coverage]\nunexpected-methods = []\n"
# It takes half a minute on two cores that nobody else uses.
MOST_SECONDS = 240


@pytest.fixture
def patient_server(server_env: dict[str, str]) -> Iterator[WebServer]:
    """A web process that holds no token back."""
    with WebServer(server_env, ARBORETUM_TOKEN_REQUESTS_PER_MINUTE="1000000") as server:
        yield server


@pytest.mark.slow
@pytest.mark.any_database
def test_every_operation_answers_as_the_schema_says(
    patient_server: WebServer, transactional_db: None, tmp_path: Path
) -> None:
    with ApiUser.make(patient_server) as caller:
        # What the examples of the schema are about.
        credential = make_credential(caller.user, name="openai")
        agent = make_agent(caller.user, slug="triage", credential=credential)
        make_batch(caller.user, agent.current_version, rows=20, pk=4)
        make_batch(caller.user, agent.current_version, rows=20, pk=5)
        make_single_run(agent.current_version, id=4531764112593337)

        (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{patient_server.origin}/api/v1/openapi.json"),
                *("--header", f"Authorization: Bearer {caller.token}", "--checks", CHECKS, "--workers", "2"),
                *("--phases", "examples,coverage,fuzzing", "--max-examples", "2", "--seed", "1", "--no-color"),
                *("--continue-on-failure", "--warnings", "off", "--generation-database", "none"),
            ],
            cwd=tmp_path,
            capture_output=True,
            timeout=MOST_SECONDS,
            check=False,
            text=True,
        )

    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2_000:]
    assert "Traceback" not in patient_server.log


@pytest.fixture
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = Client().get("/api/v1/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{method} {path}": it for path, methods in document["paths"].items() for method, it in methods.items()}


@pytest.mark.django_db
def test_every_operation_has_a_name_a_summary_tags_scopes_and_documented_errors(document: dict[str, Any]) -> None:
    found = operations(document)

    assert len(found) > 40
    assert max(Counter(it["operationId"] for it in found.values()).values()) == 1
    for name, it in found.items():
        assert it["summary"], name
        assert it["description"], name
        assert it["tags"], name
        assert it["x-scopes"], name
        assert it["security"] == [{"ApiToken": []}], name
        assert {"401", "403", "404", "422", "429", "500", "503"} <= set(it["responses"]), name
        assert ("Idempotency-Key" in {parameter["name"] for parameter in it["parameters"]}) == name.startswith("post")


@pytest.mark.django_db
def test_every_field_is_described(document: dict[str, Any]) -> None:
    undescribed = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, it in schema.get("properties", {}).items()
        if not it.get("description")
    ]
    undescribed += [
        f"{name} {parameter['name']}"
        for name, it in operations(document).items()
        for parameter in it["parameters"]
        if not parameter.get("description")
    ]

    assert undescribed == []


def test_no_two_schemas_share_a_name() -> None:
    """The document holds schemas by name: of two with one name it would show but one."""

    def below(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    names = Counter(kind.__name__ for kind in {*below(Given), *below(Shown)})
    assert [name for name, count in names.items() if count > 1] == []
