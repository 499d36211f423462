#!/usr/bin/env python
"""The command line of Arboretum: `python manage.py help` lists what it can do."""

import os
import sys


def main() -> None:
    """Run the management command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arboretum.settings")
    if sys.argv[1:3] == ["completion", "--values"] and "--json" not in sys.argv:
        # Somebody has pressed Tab and waits: half of the time goes into what is not needed for this.
        from dashboard.completion.values import main as print_values

        raise SystemExit(print_values(sys.argv[3:]))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        # Commands tell more where there is more to tell (credentials.management.base); this one was still starting.
        raise SystemExit(130) from None
