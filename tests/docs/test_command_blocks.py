"""What a document tells a reader to type is typed here, in a fresh checkout, and has to work."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.environment import stop_valkey
from tests.support.provider_server.process import ProviderServer

from .command_blocks import REASONS, Block, Newcomer, command_blocks
from .documents import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = {path.name: command_blocks(path.read_text(encoding="utf-8")) for path in DOCUMENTS}
# Typed beside its Python, while a stack runs (test_api_docs).
RUN_ELSEWHERE = "api.md"
RUN = [name for name, found in BLOCKS.items() if name != RUN_ELSEWHERE and any(not block.reason for block in found)]
MOST_NOT_RUN = 12
OTHER_FENCES = re.compile(r"^```(bash|shell|console|zsh)\b", re.MULTILINE)


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderServer]:
    with ProviderServer(models=["gpt-4o-mini", "fake-small", "fake-large"]) as server:
        yield server


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a data directory with a database and a superuser is kept, once it has been made."""
    return tmp_path_factory.mktemp("made") / "var"


@pytest.fixture
def newcomer(short_folder: Path, provider: ProviderServer) -> Iterator[Newcomer]:
    found = Newcomer(short_folder, provider.base_url)
    yield found
    stop_valkey(found.data_dir)


@pytest.mark.slow
@pytest.mark.worker
@pytest.mark.any_database
@pytest.mark.parametrize("name", RUN)
def test_every_command_block_of_a_document_works(
    name: str, newcomer: Newcomer, provider: ProviderServer, made: Path
) -> None:
    # The README begins with the demo; some documents make the database and the superuser themselves.
    if name != "README.md" and not any("createsuperuser" in block.script for block in BLOCKS[name]):
        newcomer.prepare(made)
    for place, block in enumerate(BLOCKS[name], 1):
        if block.reason:
            continue
        provider.reset()
        provider.configure(**{"faults": {}, "fault_limit": None, **block.options.get("provider", {})})
        done = newcomer.run(block)
        told = f"{name}, block {place} ended with {done.returncode}:\n{block.script}\n{done.stdout[-4000:]}"
        assert done.returncode == block.options.get("exit", 0), told


def test_what_is_not_run_is_little_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    left_out = [(name, block) for name, found in BLOCKS.items() for block in found if block.reason]
    with capsys.disabled():
        for name, block in left_out:
            print(f"\nnot run ({block.reason}): {name}: {block.body.splitlines()[0]}", end="")
    assert {block.reason for _, block in left_out} <= REASONS
    assert len(left_out) <= MOST_NOT_RUN
    assert len(left_out) < sum(not block.reason for found in BLOCKS.values() for block in found)


def test_a_comment_belongs_to_a_block_and_says_only_what_is_known() -> None:
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        found = BLOCKS[path.name]
        said = len(re.findall(r"^<!-- (?:not run|test): ", text, re.MULTILINE))
        if path.name != RUN_ELSEWHERE:
            assert said == sum(bool(block.reason or block.options) for block in found), path.name
        assert all(set(block.options) <= {"exit", "provider", "openai_is"} for block in found)
        assert len(found) == len(re.findall(r"^```sh$", text, re.MULTILINE)), path.name


def test_commands_to_type_are_fenced_as_such() -> None:
    for path in DOCUMENTS:
        assert not OTHER_FENCES.search(path.read_text(encoding="utf-8")), path.name


def test_the_readme_and_more_documents_are_run() -> None:
    assert "README.md" in RUN
    assert len(RUN) >= 3


class TestTheRunner:
    def test_a_block_that_fails_in_its_middle_fails(self, newcomer: Newcomer) -> None:
        assert newcomer.run(Block("false\ntrue\n")).returncode == 1
        assert newcomer.run(Block("false | cat\n")).returncode == 1
        assert newcomer.run(Block('echo "$never_set"\n')).returncode == 1

    def test_what_a_block_exports_and_where_it_went_later_blocks_have(self, newcomer: Newcomer) -> None:
        newcomer.run(Block("export NAME='it is'\ncd docs\n"))
        assert newcomer.run(Block('echo "$NAME $(basename "$PWD")"\n')).stdout == "it is docs\n"

    def test_comments_before_blocks_are_read(self) -> None:
        text = '<!-- not run: needs root -->\n```sh\na\n```\n\n<!-- test: {"exit": 1} -->\n\n```sh\nb\n```\n'
        text += "```sh\nc\n```\n"
        assert command_blocks(text) == [Block("a\n", "needs root"), Block("b\n", options={"exit": 1}), Block("c\n")]
