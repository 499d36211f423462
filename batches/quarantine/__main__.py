"""The child: `python -m batches.quarantine --process NAME --turn NUMBER`, started by a worker (see keeper)."""

import argparse

import django


def main() -> None:
    """Run suspects until there are none, or until asked to stop (SIGTERM)."""
    parser = argparse.ArgumentParser(prog="python -m batches.quarantine", description=__doc__)
    parser.add_argument("--process", required=True, help="the name under which it holds leases")
    parser.add_argument("--turn", type=int, default=0, help="an odd number begins with the smallest group")
    arguments = parser.parse_args()
    django.setup()
    from .child import serve

    serve(arguments.process, arguments.turn)


if __name__ == "__main__":
    main()
