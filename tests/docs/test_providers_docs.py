"""The documents on providers: their Python runs, and they tell of every provider what holds."""

import os
import re
import subprocess
import sys

import pytest

from agents.llm.providers.openai.kind import CompatibleType
from agents.llm.registry import provider_names, provider_type
from tests.support.provider_server import ProviderServer

from .documents import ROOT, blocks, text_of

TABLE = {
    match[1]: match[0] for match in re.finditer(r"^\| (?:\[`|`)(\w+)`.*$", text_of("docs/providers.md"), re.MULTILINE)
}


def run_python(code: str, base_url: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PROVIDER_URL": base_url, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False, timeout=60)


def test_the_worked_example_of_a_provider_runs() -> None:
    with ProviderServer() as server:
        done = run_python("\n".join(blocks(text_of("docs/adding-a-provider.md"), "python")), server.base_url)
    assert done.returncode == 0, done.stderr
    assert "parameters.logit_bias is not a setting of this provider: leave it out" in done.stdout
    assert "must be one of: low, high for acme-large" in done.stdout
    assert "Which language is this? " in done.stdout


@pytest.mark.parametrize("number", range(2))
def test_the_examples_of_embeddings_and_parts_run(number: int) -> None:
    code = blocks(text_of("docs/providers.md"), "python")[number]
    with ProviderServer(dialect=("mistral", "openai")[number]) as server:
        done = run_python(code, server.base_url)
    assert done.returncode == 0, done.stderr
    assert ("2 vectors of 8 numbers", "Do they agree?")[number] in done.stdout


def test_the_table_tells_every_provider() -> None:
    assert set(TABLE) == set(provider_names())


@pytest.mark.parametrize("name", sorted(set(provider_names()) & set(TABLE)))
def test_the_table_is_true(name: str) -> None:
    kind = provider_type(name)
    if not isinstance(kind, CompatibleType):
        return
    _, address, key, schema, _, images, files, embeddings = (
        cell.strip() for cell in TABLE[name].strip("| ").split("|")
    )
    dialect = kind.dialect
    assert address == (f"`{kind.default_base_url}`" if kind.default_base_url else "none: `--base-url`")
    assert key == ("yes" if kind.needs_key else "no")
    assert embeddings == ("yes" if dialect.embeddings else "no")
    assert files == {"any": "yes", "data": "as `data:`", "none": "no"}[dialect.files]
    of_some = [name.rstrip("*") for rule in dialect.rules if rule.images for name in rule.names]
    told = ", ".join(f"`{name}`" for name in of_some)
    assert images == (told or {"any": "yes", "data": "as `data:`", "none": "no"}[dialect.images])
    is_by_model = any(rule.structure for rule in dialect.rules)
    usual = {"json_schema": "enforced", "json_object": "JSON", "instructions": "instructions"}[dialect.structure]
    assert schema.startswith("by model" if is_by_model else usual)
    assert ("beside tools" in schema) is not dialect.schema_with_tools
    assert ("in streams" in schema) is not dialect.schema_in_streams
