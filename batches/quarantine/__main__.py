"""The child: `python -m batches.quarantine --process NAME --turn NUMBER`, started by a worker (see keeper)."""

import argparse
import sys
import traceback

import django

from .exits import ENDED, FAILED


def main() -> int:
    """Run suspects until there are none, or until asked to stop (SIGTERM); return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m batches.quarantine", description=__doc__)
    parser.add_argument("--process", required=True, help="the name under which it holds leases")
    parser.add_argument("--turn", type=int, default=0, help="an odd number begins with the smallest group")
    arguments = parser.parse_args()
    try:
        django.setup()
        from .child import serve

        serve(arguments.process, arguments.turn)
    except Exception:
        # Not by the logs: it may be the settings that failed, which say how to log. The worker logs the exit code.
        traceback.print_exc()
        return FAILED
    return ENDED


if __name__ == "__main__":
    sys.exit(main())
