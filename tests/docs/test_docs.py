"""Every document is true to the repository: links, paths, make targets, and what is said of the project as a whole."""

import re
from pathlib import Path

import pytest

from agents.llm.registry import provider_names

from .documents import DOCUMENTS, PACKAGES, ROOT, anchors, blocks, links, prose, text_of

# Folders that exist on the machine of whoever wrote a document, and on no reader's.
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:work|root|home|tmp|farm|Users)/|/usr/local/")
PATHS = re.compile(rf"`((?:{'|'.join(PACKAGES)}|docs|tests)/[\w./-]*)`")
CODE = re.compile(r"`[^`\n]+`|^```.*?^```", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"(?:`|^)make ([a-z]+)", re.MULTILINE)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
class TestEveryDocument:
    def test_its_relative_links_lead_somewhere(self, path: Path) -> None:
        for link in links(path.read_text()):
            if link.startswith(("https://", "http://")):
                continue
            name, _, anchor = link.partition("#")
            target = path.parent / name if name else path
            assert target.exists(), f"{path.name}: {link}"
            assert not anchor or anchor in anchors(target.read_text()), f"{path.name}: {link}"

    def test_it_names_no_path_of_a_machine(self, path: Path) -> None:
        # The tests' own folders have a name that docs/testing.md explains.
        assert MACHINE_PATHS.findall(path.read_text().replace("/tmp/arb-", "")) == []

    def test_the_paths_that_it_names_exist(self, path: Path) -> None:
        for name in PATHS.findall(prose(path.read_text())):
            assert (ROOT / name).exists(), f"{path.name}: {name}"

    def test_its_make_targets_exist(self, path: Path) -> None:
        named = set(TARGET.findall("\n".join(CODE.findall(path.read_text()))))
        assert named <= make_targets()

    def test_its_code_blocks_are_closed(self, path: Path) -> None:
        assert len(re.findall(r"^```", path.read_text(), re.MULTILINE)) % 2 == 0

    def test_it_has_one_title(self, path: Path) -> None:
        assert len(re.findall(r"^# ", prose(path.read_text()), re.MULTILINE)) == 1

    def test_no_wrapped_line_turned_into_a_list(self, path: Path) -> None:
        """A line of a paragraph that begins with a number and a dot, or a dash, would start a list of its own."""
        before = ""
        for line in prose(path.read_text()).splitlines():
            starts_list = re.match(r"\s*(?:[-*+]|\d+\.) ", line)
            in_list = re.match(r"\s*(?:[-*+]|\d+\.) |\s+\S", before)
            assert not starts_list or not before.strip() or in_list, f"{path.name}: {line}"
            before = line


def make_targets() -> set[str]:
    return {name for line in re.findall(r"^\.PHONY: (.+)$", text_of("Makefile"), re.MULTILINE) for name in line.split()}


def test_the_readme_names_the_targets_that_a_newcomer_needs() -> None:
    named = set(TARGET.findall("\n".join(CODE.findall(text_of("README.md")))))
    assert named >= {"demo", "up", "test", "lint", "bench", "faults"}


def test_the_commands_tell_every_provider() -> None:
    assert all(f"`{name}`" in text_of("docs/commands.md") for name in provider_names())


def test_the_readme_can_be_read_in_one_go() -> None:
    assert len(text_of("README.md").splitlines()) <= 160


def test_the_demos_first_lines_in_the_readme_are_what_the_demo_says() -> None:
    (shown,) = (block for block in blocks(text_of("README.md"), "") if "Batch 1 (demo)" in block)
    source = text_of("dashboard/management/commands/demo.py")
    for said in ("Created the user '", "Started ", " worker processes.", "Running ", " tickets of ", "Wrote "):
        assert said in shown
        assert said in source


def test_decisions_are_numbered_without_gaps_and_say_rule_reason_and_cost() -> None:
    paths = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(path.name[:4]) for path in paths] == list(range(1, len(paths) + 1))
    for path in paths:
        text = path.read_text()
        assert text.startswith(f"# {int(path.name[:4])}. "), path.name
        assert all(f"**{part}.**" in text for part in ("Rule", "Reason", "Cost")), path.name


def test_the_version_of_the_changelog_is_that_of_the_project() -> None:
    version = re.search(r'^version = "(.+)"$', text_of("pyproject.toml"), re.MULTILINE)
    assert version
    assert version.group(1) in text_of("CHANGELOG.md")
