"""The documents as the tests read them: sections, code blocks, links, names of the code."""

import importlib
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "adr").glob("*.md")),
)
PACKAGES = ("arboretum", "workers", "credentials", "agents", "batches", "dashboard")
DOTTED = re.compile(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+)+)`")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)


def text_of(name: str) -> str:
    """Return the document `name`, a path from the root of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def one_line(text: str) -> str:
    """Return the text with its lines joined, so that a phrase is found wherever it was wrapped."""
    return " ".join(text.split())


def resolve(name: str) -> object:
    """Return the module that a dotted name stands for, or the attribute of one. Raises AssertionError without one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            found = getattr(found, attribute)
        return found
    raise AssertionError(f"there is no {name}")


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced code blocks of `language`; "" stands for those that name none."""
    return [body for name, body in _BLOCK.findall(text) if name == language]


def prose(text: str) -> str:
    """Return the text without its fenced code blocks."""
    return _BLOCK.sub("", text)


def links(text: str) -> list[str]:
    """Return the targets of all links."""
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """Return the anchors of all headings, as GitHub makes them."""
    titles = [title.lower().replace("`", "") for _, title in _HEADING.findall(prose(text))]
    return {re.sub(r"[^\w -]", "", title).replace(" ", "-") for title in titles}


def sections(text: str) -> dict[str, str]:
    """Return what stands under each heading of level 2 and 3, up to the next heading of either."""
    parts = re.split(r"^###? (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
