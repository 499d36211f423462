"""`manage.py agents`: define agents, look at them, try them out."""

import argparse
import asyncio
import json
from typing import Any

from django.db import transaction

from agents.files import parse_json
from agents.management.arguments import SOURCES, add_version_arguments, text_or_file, version_changes
from agents.management.document_commands import DocumentCommands
from agents.management.facts import agent_facts, model_of, version_facts, version_text
from agents.management.schema_text import fit_facts, fit_text
from agents.messages import build_messages
from agents.models import AgentState, AgentVersion
from agents.prompts import nearly_placeholders
from agents.schema_sources import schema_of
from agents.schema_sources.fitting import fit_of
from agents.selectors import get_agent, get_version, list_agents
from agents.services import create_agent, new_version, provider_config, require_runnable, spec_of, update_agent
from agents.trying import try_out
from credentials.management.base import EXIT_FAILED, EXIT_OK
from credentials.management.colours import TONES
from credentials.management.output import printable, to_json
from credentials.models import User

_COLOURS = {"active": TONES["good"], "paused": TONES["paused"], "archived": TONES["muted"]}
_LIST = ("slug", "version", "model", "state", "name", "updated_at")


class Command(DocumentCommands):
    """Agents and their versions."""

    help = "Create, change, list, show and try out agents."

    def add_subcommands(self) -> None:
        """Declare the subcommands."""
        create = self.subcommand("create", self.create, "Create an agent; its version counts from 1.")
        create.add_argument("slug", metavar="SLUG")
        add_version_arguments(create, required=True)
        update = self.subcommand("update", self.update, "Make a new version with what is given; the rest stays.")
        update.add_argument("slug", metavar="SLUG")
        add_version_arguments(update, required=False)
        update.add_argument("--drop-param", metavar="K", action="append", default=[], help="Drop a parameter.")
        update.add_argument("--state", choices=AgentState.values)
        self.subcommand("list", self.list, "List agents.")
        show = self.subcommand("show", self.show, "Show an agent's current version, or SLUG@N.")
        _add_reference(show)
        run = self.subcommand("run", self.run_once, "Try an agent out, here and now; nothing is stored.")
        _add_reference(run)
        run.add_argument("--input", metavar="JSON", required=True, help="Columns as a JSON object, or @FILE.")
        run.add_argument("--chat", action="store_true", help='The input is a chat body, {"messages": [...]}.')
        run.add_argument("--stream", action="store_true", help="Print the text as it comes.")
        schema = self.subcommand_without_user("schema", self.schema, "Print the output schema that a source gives.")
        schema.add_argument("source", metavar="SOURCE", help=f"{SOURCES[0].upper()}{SOURCES[1:]}.")
        schema.add_argument("--check", metavar="FILE[#COLUMN]", help="Tell which answers in a file fit instead.")
        self.add_document_subcommands()

    def create(self, user: User, options: dict[str, Any]) -> int:
        """Create an agent."""
        agent = create_agent(
            user,
            slug=options["slug"],
            name=options["name"] or "",
            description=options["description"] or "",
            note=options["note"],
            **version_changes(options),
        )
        self._look_at_prompt(agent.current_version)
        return self._done("Created", get_version(user, agent.slug))

    def update(self, user: User, options: dict[str, Any]) -> int:
        """Make a new version where the content changes; name, description and state belong to the agent itself."""
        agent = get_agent(user, options["slug"])
        before = agent.current_version
        changes = version_changes(options)
        if options["param"] or options["drop_param"]:
            kept = {**(before.parameters if before else {}), **changes.get("parameters", {})}
            changes["parameters"] = {name: value for name, value in kept.items() if name not in options["drop_param"]}
        words = {field: options[field] for field in ("name", "description", "state")}
        with transaction.atomic():  # A refused word leaves no version behind.
            version = new_version(user, agent, note=options["note"], **changes)
            update_agent(user, agent, **words)
        if version != before:
            self._look_at_prompt(version)
        said = any(value is not None for value in words.values())
        return self._done("Unchanged" if version == before and not said else "Updated", get_version(user, agent.slug))

    def _look_at_prompt(self, version: AgentVersion | None) -> None:
        """Remark on what was likely meant as a placeholder."""
        for name in nearly_placeholders(version.prompt if version else ""):
            self.warn(f"prompt: '{{{{ {name} }}' is sent as it stands; a placeholder is '{{{{ {name} }}}}'.")

    def list(self, user: User, options: dict[str, Any]) -> int:
        """List the agents that the user may see."""
        agents = [agent_facts(agent) for agent in list_agents(user)]
        rows = [[agent[column] for column in _LIST] for agent in agents]
        headers = [column.removesuffix("_at") for column in _LIST]
        empty = "No agents yet: `manage.py agents create --help`."
        self.emit(agents, self.table(headers, rows, empty, {"state": _COLOURS.get}))
        return EXIT_OK

    def show(self, user: User, options: dict[str, Any]) -> int:
        """Show one version."""
        version = get_version(user, options["reference"])
        self.emit(version_facts(version), version_text(version))
        return EXIT_OK

    def run_once(self, user: User, options: dict[str, Any]) -> int:
        """Run an agent once in this process and print its answer, usage, cost and latency."""
        version = get_version(user, options["reference"])
        require_runnable(version, trial=True)
        spec = spec_of(version)
        input = parse_json("--input", text_or_file(options["input"]))
        messages = build_messages(spec, "chat" if options["chat"] else "columns", input)
        streams = options["stream"] and not options["json"]
        credential = version.credential
        outcome = asyncio.run(
            try_out(spec, messages, credential.provider, provider_config(credential), self._print if streams else None)
        )
        # An embedding has no text.
        answer = "" if streams else outcome.output or ("" if outcome.parsed is None else json.dumps(outcome.parsed))
        self.emit(outcome.as_dict(), f"{answer}\n\n{outcome.facts()}" if outcome.output is not None else "")
        if outcome.error:
            self.warn(f"Used until it failed: {outcome.facts()}")
            raise outcome.error
        return EXIT_OK

    def schema(self, options: dict[str, Any]) -> int:
        """Print the schema that a source gives; with --check which answers of a file fit it, 1 where some do not."""
        schema = schema_of(options["source"])
        if options["check"] is None:
            self.emit(schema, to_json(schema))
            return EXIT_OK
        fit = fit_of(options["check"], schema)
        self.emit(fit_facts(fit), fit_text(fit))
        if not fit.answers:
            self.warn(f"{options['check']} holds no answers: is it the right column?")
        return EXIT_FAILED if fit.misfits or not fit.answers else EXIT_OK

    def _print(self, text: str) -> None:
        self.stdout.write(printable(text), ending="")
        self.stdout.flush()

    def _done(self, verb: str, version: AgentVersion) -> int:
        self.emit(version_facts(version), f"{verb} {version} on {model_of(version)}.")
        return EXIT_OK


def _add_reference(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="SLUG[@N]")
