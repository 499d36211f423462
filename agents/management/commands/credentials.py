"""`manage.py credentials`: add, list, check and rotate the keys of model providers.

The command stands in `agents`, since checking a key means to speak to its provider, which `credentials` cannot.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from getpass import getpass
from typing import Any

from agents.services import check_credential_now
from credentials.management.base import EXIT_FAILED, EXIT_OK, ArboretumCommand
from credentials.models import Credential, Environment, User
from credentials.providers import check_provider, needs_key
from credentials.selectors import get_credential
from credentials.services import (
    CredentialChanges,
    add_credential,
    disable_credential,
    enable_credential,
    rotate_keys,
    update_credential,
)
from workers.errors import InvalidInput


class Command(ArboretumCommand):
    """Keys of model providers."""

    help = "Add, list, check and rotate the keys of model providers."

    def add_subcommands(self) -> None:
        """Declare the subcommands."""
        add = self.subcommand("add", self.add, "Store a key; it comes from --key-env or standard input.")
        add.add_argument("--provider", required=True, help="E.g. openai, or simulated (needs no key).")
        _add_fields(add)
        update = self.subcommand("update", self.update, "Change what is given. Another address clears the key.")
        update.add_argument("--provider")
        update.add_argument("--new-name", metavar="NAME")
        update.add_argument("--key-stdin", action="store_true", help="Read a new key from standard input.")
        _add_fields(update)
        self.subcommand("list", self.list, "List credentials; keys are masked.")
        check = self.subcommand("check", self.check_key, "Ask the provider whether the key works.")
        disable = self.subcommand("disable", self.disable, "Let no run use a credential.")
        enable = self.subcommand("enable", self.enable, "Let runs use a credential again.")
        for parser in (check, disable, enable):
            parser.add_argument("name", metavar="NAME")
        check.add_argument("--model", default="", help="Called for a few words where the server lists no models.")
        self.subcommand_without_user("rotate", self.rotate, "Encrypt every key with the first encryption key.")

    def add(self, user: User, options: dict[str, Any]) -> int:
        """Store a new credential."""
        check_provider(options["provider"])
        fields = {field: options[field] or "" for field in ("base_url", "organisation", "environment")}
        key = _key_from_environment(options["key_env"])
        # Standard input is read only where a key is wanted: an open pipe that nobody writes to would block for ever.
        if not key and _asks_for_key(options["provider"], options["base_url"] or ""):
            key = _key_from_input()
        credential = add_credential(user, name=options["name"], provider=options["provider"], key=key, **fields)
        return self._done("Added", credential)

    def update(self, user: User, options: dict[str, Any]) -> int:
        """Change a credential."""
        credential = get_credential(user, options["name"])
        given = {"name": options["new_name"]} | {
            field: options[field] for field in ("provider", "base_url", "organisation", "environment")
        }
        changes = CredentialChanges(**{field: value for field, value in given.items() if value is not None})  # type: ignore[typeddict-item]
        if key := _key_from_input() if options["key_stdin"] else _key_from_environment(options["key_env"]):
            changes["key"] = key
        if not changes:
            raise InvalidInput("Nothing to change: give at least one of the options.")
        had_key = bool(credential.encrypted_key)
        credential = update_credential(user, credential, **changes)
        if had_key and not credential.encrypted_key:
            self.warn("The address changed, so the key was cleared: give it again with --key-env.")
        return self._done("Changed", credential)

    def list(self, user: User, options: dict[str, Any]) -> int:
        """List the credentials that the user may see."""
        credentials = list(Credential.objects.visible_to(user).select_related("owner"))
        headers = ("name", "provider", "key", "base url", "environment", "active", "owner", "checked")
        rows = [
            (c.name, c.provider, c.masked_key, c.base_url, c.environment, c.is_active, c.owner.username, c.checked_at)
            for c in credentials
        ]
        empty = "No credentials. Add one: python manage.py credentials add NAME --provider PROVIDER --key-env VARIABLE"
        self.emit([_as_data(credential) for credential in credentials], self.table(headers, rows, empty))
        return EXIT_OK

    def check_key(self, user: User, options: dict[str, Any]) -> int:
        """Ask the provider whether the credential works."""
        credential = get_credential(user, options["name"])
        check = check_credential_now(credential, options["model"])
        error = check.error and {"code": check.error.code, "message": check.error.message, "advice": check.advice}
        told = f"{check.called_model} answered" if check.called_model else f"{len(check.models)} models"
        text = f"{credential.name} works: {told}, {check.latency_ms} ms."
        data = {"name": credential.name, "ok": check.is_ok, "models": check.models, "latency_ms": check.latency_ms}
        data |= {"called_model": check.called_model, "error": error}
        self.emit(data, text if check.is_ok else "")
        if check.error is None:
            return EXIT_OK
        self.warn(f"{credential.name} does not work: {check.error.message} ({check.error.code})")
        if check.advice:
            self.warn(check.advice)
        return EXIT_FAILED

    def disable(self, user: User, options: dict[str, Any]) -> int:
        """Take a credential out of use."""
        credential = get_credential(user, options["name"])
        disable_credential(credential)
        return self._done("Disabled", credential)

    def enable(self, user: User, options: dict[str, Any]) -> int:
        """Put a credential back into use."""
        credential = get_credential(user, options["name"])
        enable_credential(credential)
        return self._done("Enabled", credential)

    def rotate(self, options: dict[str, Any]) -> int:
        """Encrypt anew whatever is not encrypted with the first key."""
        done = rotate_keys()
        counts = f"{done.rotated}; current before: {done.current}; failed: {len(done.failed)}"
        self.emit(done, f"Keys encrypted anew: {counts}.")
        if done.failed:
            self.warn(f"No encryption key opens: {', '.join(done.failed)}. Put the old key back behind the first one.")
        return EXIT_FAILED if done.failed else EXIT_OK

    def _done(self, verb: str, credential: Credential) -> int:
        key = f", key {credential.masked_key}" if credential.masked_key else ", no key"
        self.emit(_as_data(credential), f"{verb} {credential.name} ({credential.provider}{key}).")
        return EXIT_OK


class _RefuseKey(argparse.Action):
    """A key on the command line is refused without being repeated."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        parser.error("a key on the command line stays in the shell's history: use --key-env or standard input")


def _asks_for_key(provider: str, base_url: str) -> bool:
    """Return whether a key is read; at another address it is where one is piped in, and a person is not asked."""
    return needs_key(provider, base_url) or (needs_key(provider) and not sys.stdin.isatty())


def _add_fields(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--key-env", metavar="VARIABLE", help="The environment variable that holds the key.")
    parser.add_argument("--key", action=_RefuseKey, nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--base-url", metavar="URL", help="E.g. http://localhost:11434/v1 for a server of your own.")
    parser.add_argument("--organisation")
    parser.add_argument("--environment", choices=Environment.values)


def _key_from_environment(variable: str | None) -> str:
    if variable is None:
        return ""
    if not os.environ.get(variable):
        raise InvalidInput(f"--key-env: the environment variable {variable} is not set or empty")
    return os.environ[variable]


def _key_from_input() -> str:
    """Return the first line of standard input; a person at a terminal is asked, without an echo."""
    return getpass("Key: ") if sys.stdin.isatty() else sys.stdin.readline()


def _as_data(credential: Credential) -> dict[str, Any]:
    return {
        "name": credential.name,
        "provider": credential.provider,
        "key": credential.masked_key,
        "base_url": credential.base_url,
        "organisation": credential.organisation,
        "environment": credential.environment,
        "active": credential.is_active,
        "owner": credential.owner.username,
        "checked_at": credential.checked_at,
    }
