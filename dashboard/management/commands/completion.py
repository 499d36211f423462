"""`manage.py completion`: prints what a shell needs to complete our commands."""

from typing import Any

from django.core.management.base import CommandParser

from credentials.management.base import EXIT_OK, PlainCommand
from dashboard.completion.bash import bash_script, zsh_script
from dashboard.completion.fish import fish_script
from dashboard.completion.grammar import lines
from dashboard.completion.values import STATEMENTS, values
from workers.errors import InvalidInput

SCRIPTS = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}


class Command(PlainCommand):
    """Prints the script of a shell, or the values that such a script asks for."""

    help = 'Print the completion of a shell: eval "$(python manage.py completion bash)".'
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the shell, and what the scripts ask for."""
        super().add_arguments(parser)
        parser.add_argument("shell", nargs="?", choices=sorted(SCRIPTS))
        parser.add_argument("--values", choices=sorted(STATEMENTS), help="What there is of it, one a line.")
        parser.add_argument("--as", dest="as_user", metavar="USER", help="Whose values.")

    def run(self, options: dict[str, Any]) -> int:
        """Print a script, or values. `manage.py` itself answers `--values` first: this is the same, but slower."""
        if bool(options["shell"]) == bool(options["values"]):
            raise InvalidInput(f"Name a shell, one of {', '.join(sorted(SCRIPTS))}; or give --values KIND.")
        if options["shell"]:
            script = SCRIPTS[options["shell"]](lines())
            self.emit({"shell": options["shell"], "script": script}, script)
        else:
            found = values(options["values"], options["as_user"])
            self.emit(found, "\n".join(found))
        return EXIT_OK
