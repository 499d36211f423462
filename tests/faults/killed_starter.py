"""`python -m tests.faults.killed_starter BATCH`: starts a batch and dies right after the commit, before any message.

It stands for a command, or a web process, that is killed at the worst moment.
"""

import os
import signal
import sys

import django


def main() -> None:
    """Start the batch; never returns."""
    django.setup()
    from django.db import transaction

    from batches.manager import BatchManager
    from credentials.services import ensure_first_superuser

    manager = BatchManager(ensure_first_superuser()[0])
    batch = manager.get(int(sys.argv[1]))
    with transaction.atomic():
        # Callbacks run in their order after COMMIT, so that none that publishes is reached.
        transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
        manager.start(batch)


if __name__ == "__main__":
    main()
