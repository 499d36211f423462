"""`agents diff`, `agents export`, `agents import`: agents as documents."""

import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.documents.choosing import chosen_versions
from agents.documents.differences import Difference, differences
from agents.documents.form import document_of, documents_text
from agents.documents.importing import Imported, import_documents
from agents.documents.yaml_text import MAX_BYTES, read_documents
from agents.management.facts import model_of
from agents.models import AgentVersion
from agents.selectors import get_version
from credentials.management.base import EXIT_FAILED, EXIT_OK, ArboretumCommand
from credentials.management.colours import BOLD, CYAN, GREEN, RED, Coloured, painted, wants_colour
from credentials.management.output import printable
from credentials.models import User
from workers.errors import InvalidInput

_COLOURS = {"+++": BOLD, "---": BOLD, "@": CYAN, "+": GREEN, "-": RED}


class DocumentCommands(ArboretumCommand):
    """The subcommands of `agents` that compare, write and read documents."""

    def add_document_subcommands(self) -> None:
        """Declare the subcommands."""
        diff = self.subcommand("diff", self.diff, "Show how two versions differ, field by field.")
        diff.add_argument("before", metavar="SLUG@N")
        diff.add_argument("after", metavar="SLUG@N", nargs="?", help="By default the agent's current version.")
        diff.add_argument("--exit-code", action="store_true", help="Exit with 1 where they differ.")
        export = self.subcommand("export", self.export, "Write agents as YAML, without keys.")
        export.add_argument("references", metavar="SLUG[@N]", nargs="*")
        export.add_argument("--all", action="store_true", help="The current versions of all agents.")
        export.add_argument("--output", type=Path, metavar="FILE", help="By default standard output.")
        reading = self.subcommand("import", self.import_, "Create and update agents from YAML: all of it or nothing.")
        reading.add_argument("file", metavar="FILE", help="As `agents export` writes it; - for standard input.")
        reading.add_argument("--credential", metavar="NAME", help="In place of every credential that the file names.")
        reading.add_argument("--dry-run", action="store_true", help="Check everything, keep nothing.")

    def diff(self, user: User, options: dict[str, Any]) -> int:
        """Show how two versions differ."""
        before = get_version(user, options["before"])
        after = get_version(user, options["after"] or before.agent.slug)
        found = differences(before, after)
        data = {"before": str(before), "after": str(after), "changes": found}
        text = _diff_text(before, after, found) if found else f"{before} and {after} do not differ."
        self.emit(data, self._coloured(text) if found else text)
        return EXIT_FAILED if found and options["exit_code"] else EXIT_OK

    def export(self, user: User, options: dict[str, Any]) -> int:
        """Write agents as documents, to a file or standard output."""
        versions = chosen_versions(user, options["references"], everything=options["all"])
        if options["output"] is not None:
            _write(options["output"], documents_text(versions))
            facts = {"documents": len(versions), "output": str(options["output"])}
            self.emit(facts, f"Wrote {_documents(len(versions))} to {options['output']}.")
        elif self._as_json:
            self.emit([document_of(version) for version in versions])
        else:
            # What could drive a terminal is escaped in it, and anything else would not be read back.
            self.stdout.write(documents_text(versions), ending="")
        return EXIT_OK

    def import_(self, user: User, options: dict[str, Any]) -> int:
        """Create and update agents from a file."""
        documents = read_documents(_read(options["file"]))
        done = import_documents(user, documents, credential=options["credential"], dry_run=options["dry_run"])
        data = [{"action": it.action, "agent": str(it.version), "model": model_of(it.version)} for it in done]
        self.emit({"dry_run": options["dry_run"], "documents": data}, _imported_text(done, options["dry_run"]))
        return EXIT_OK

    def _coloured(self, text: str) -> str:
        if not wants_colour(self.stdout):
            return text
        lines = (printable(line) for line in text.splitlines())
        return Coloured("\n".join(painted(line, _colour(line)) for line in lines))


def _diff_text(before: AgentVersion, after: AgentVersion, found: Sequence[Difference]) -> str:
    return "\n".join([f"--- {before}", f"+++ {after}", *(line for it in found for line in it.lines())])


def _colour(line: str) -> str | None:
    return next((colour for start, colour in _COLOURS.items() if line.startswith(start)), None)


def _imported_text(done: Sequence[Imported], dry_run: bool) -> str:
    lines = [f"{it.action:<9} {it.version} on {model_of(it.version)}" for it in done]
    return "\n".join([*lines, *(["Nothing was kept: this was a dry run."] if dry_run else [])])


def _documents(number: int) -> str:
    return "1 document" if number == 1 else f"{number:,} documents"


def _read(name: str) -> str:
    """Return the text of the file, or of standard input; not more of it than a document file may have."""
    if name == "-":
        return sys.stdin.read(MAX_BYTES + 1)
    with open(Path(name).expanduser(), "rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise InvalidInput(f"{name} is larger than {MAX_BYTES:,} bytes.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not UTF-8: byte {error.start}") from None


def _write(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all; a link is followed. Raises InvalidInput without its folder."""
    real = Path(os.path.realpath(path))
    if not real.parent.is_dir():
        raise InvalidInput(f"--output: the folder {real.parent} does not exist.")
    if real.exists() and not real.is_file():
        real.write_text(text, encoding="utf-8")
        return
    draft = real.with_name(f".{real.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(real)
    finally:
        draft.unlink(missing_ok=True)
