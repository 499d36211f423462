"""What people type to describe an agent, and the values it stands for."""

import argparse
import json
import math
import re
from collections.abc import Sequence
from typing import Any, cast

from agents.files import read_text
from agents.models import Operation
from agents.pools import parse_pool
from agents.schema_sources import schema_of
from agents.validation import VersionChanges
from workers.errors import InvalidInput

SOURCES = "a JSON or YAML file, package.module:Model (Pydantic), or examples:FILE[#COLUMN]"
_DURATION = re.compile(r"(\d{1,12})([smhd]?)", re.ASCII)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_PLAIN_FIELDS = ("credential", "model", "instructions", "prompt")


def add_version_arguments(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Declare the options that describe an agent version; the essential ones are `required` for a new agent."""
    add = parser.add_argument
    add("--credential", metavar="NAME", help="Credential to call with; or give --model as credential/model.")
    add("--model", help="The provider's name of the model.")
    add("--pool", metavar="CRED/MODEL[=W]", action="append", help="One of several models, with its weight; 'none'.")
    add("--instructions", metavar="TEXT", help="System message, or @FILE.")
    add("--prompt", metavar="TEMPLATE", required=required, help="E.g. 'Sort this: {{ ticket }}', or @FILE.")
    add("--schema", metavar="SOURCE", help=f"Schema of the answer: {SOURCES}; 'none' for free text.")
    add("--param", metavar="K=V", action="append", default=[], help="Parameter of the model, e.g. temperature=0.")
    add("--ability", metavar="A", action="append", default=[], help="E.g. calculator; 'none' for none at all.")
    add("--operation", choices=Operation.values, help="chat (the default), or embeddings of the prompt.")
    add("--attach", metavar="COLUMN", action="append", help="Column that holds an image or a file; 'none'.")
    add("--cache", metavar="TIME", help="Answers serve identical requests so long, e.g. 12h, 7d; 'none'.")
    add("--max-repairs", metavar="N", help="How often to ask again when an answer breaks the schema.")
    add("--max-steps", metavar="N", help="Model calls of one attempt.")
    add("--max-tokens", metavar="N", help="Input and output tokens of one run, over all attempts; 'none' for no limit.")
    add("--max-seconds", metavar="S", help="Seconds of one attempt.")
    add("--max-cost", metavar="USD", help="US dollars of one run, over all attempts; 'none' for no limit.")
    add("--retry", metavar="K=V", action="append", default=[], help="E.g. strategy=linear, max_tries=3.")
    add("--note", metavar="TEXT", default="", help="Why this version.")
    add("--name", metavar="TEXT", help="Name to show.")
    add("--description", metavar="TEXT")


def version_changes(options: dict[str, Any]) -> VersionChanges:
    """Return what the options say about a version; what was not given is left out. Raises InvalidInput."""
    changes: dict[str, Any] = {
        field: text_or_file(options[field]) for field in _PLAIN_FIELDS if options[field] is not None
    }
    if "model" in changes and "credential" not in changes and "/" in changes["model"]:
        changes["credential"], changes["model"] = changes["model"].split("/", 1)
    if options["schema"] is not None:
        changes["output_schema"] = None if options["schema"] == "none" else schema_of(options["schema"])
    if options["param"]:
        changes["parameters"] = pairs("--param", options["param"])
    if options["ability"]:
        changes["abilities"] = [] if options["ability"] == ["none"] else options["ability"]
    if options["retry"]:
        changes["retry"] = pairs("--retry", options["retry"])
    for field, name in (("pool", "pool"), ("attachments", "attach")):
        if options[name] is not None:
            changes[field] = [] if options[name] == ["none"] else options[name]
    if changes.get("pool"):
        _check_model_beside_pool(changes)
    if options["operation"] is not None:
        changes["operation"] = options["operation"]
    if options["cache"] is not None:
        changes["cache_seconds"] = None if options["cache"] == "none" else seconds("--cache", options["cache"])
    limits = ("max_steps", "max_tokens", "max_seconds", "max_cost", "max_repairs")
    changes["limits"] = {name: _limit(options[name]) for name in limits if options[name] is not None}
    return cast(VersionChanges, changes)


def _check_model_beside_pool(changes: dict[str, Any]) -> None:
    """Raise InvalidInput for a model that would be passed over: a pool's own model is its first member."""
    first = parse_pool(changes["pool"])[0]
    for name, own in (("credential", first.credential), ("model", first.model)):
        if changes.get(name, own) != own:
            member = f"{first.credential}/{first.model}"
            raise InvalidInput(f"--{name}: with a pool it is that of the first member, {member}; leave it out")


def seconds(option: str, text: str) -> int:
    """Return the seconds of a text like `90`, `45m`, `12h`, `7d`. Raises InvalidInput."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise InvalidInput(f"{option} must be a time such as 90, 45m, 12h or 7d, not {text[:40]!r}")
    return int(match[1]) * _UNITS[match[2]]


def pairs(option: str, texts: Sequence[str]) -> dict[str, Any]:
    """Return K=V texts as a dict; values are JSON where they can be, else text. Raises InvalidInput."""
    values: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise InvalidInput(f"{option} must look like NAME=VALUE, not {text[:100]!r}")
        values[name.strip()] = _json_or_text(value)
    return values


def text_or_file(text: str) -> str:
    """Return `text`; `@FILE` stands for the file's content. Raises InvalidInput."""
    return read_text(text[1:]) if text.startswith("@") else text


def _json_or_text(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, float) and not math.isfinite(value) else value


def _limit(text: str) -> Any:
    """Return a limit as given: the checks that name what is allowed are those of every version."""
    return None if text == "none" else _json_or_text(text)
