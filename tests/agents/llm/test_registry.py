"""Finding providers, without loading what is not used."""

import subprocess
import sys

import pytest

from agents.llm.registry import provider_names, provider_type
from workers.errors import InvalidInput


@pytest.mark.parametrize("name", provider_names())
def test_provider_knows_its_name(name: str):
    assert provider_type(name).name == name


def test_unknown_provider_names_the_known():
    with pytest.raises(InvalidInput, match=r"provider must be one of: .*openai, openrouter, simulated.*; not 'nope'"):
        provider_type("nope")


@pytest.mark.parametrize(
    "statement",
    [
        "import django; django.setup(); import agents.models",
        "import agents.llm.pool, agents.llm.registry",
        "from agents.llm.registry import provider_type; p = provider_type('openai'); p.check_parameters('m', {}); "
        "p.defaults('gpt-4o')",
    ],
)
def test_sdk_is_loaded_only_by_a_connection(statement: str):
    heavy = "{'openai', 'aiohttp', 'httpx2'}"
    code = f"import sys; {statement}; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_plain_call_does_without_the_sdk():
    code = """
import asyncio, sys
from agents.llm.providers.base import ProviderConfig
from agents.llm.registry import provider_type
from agents.llm.types import CompletionRequest, Message
from workers.errors import ErrorCode, WorkError

async def main():
    client = provider_type("openai").connect(ProviderConfig(base_url="http://127.0.0.1:9/v1"))
    try:
        await client.complete(CompletionRequest("m", (Message("user", "hi"),)))
    except WorkError as error:
        assert error.code is ErrorCode.CONNECTION
    await client.aclose()

asyncio.run(main())
sys.exit(", ".join({"openai", "httpx2"} & set(sys.modules)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
