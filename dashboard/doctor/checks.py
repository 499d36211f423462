"""All checks of the doctor, in the order in which they are shown."""

from .at_work import look_at_batches, look_at_workers
from .findings import Check
from .installation import look_at_python, look_at_settings
from .keys import ONLINE_SECONDS, look_at_blocks, look_at_credentials, look_at_keys, look_online
from .machine import look_at_clocks, look_at_disk, look_at_files, look_at_journals, look_at_open_files
from .stores import look_at_database, look_at_redis

CHECKS = (
    Check("python", look_at_python),
    Check("settings", look_at_settings),
    Check("database", look_at_database),
    Check("redis", look_at_redis),
    Check("keys", look_at_keys, ("database",)),
    Check("credentials", look_at_credentials, ("database",)),
    Check("models", look_at_blocks, ("database",)),
    Check("workers", look_at_workers, ("redis",)),
    Check("batches", look_at_batches, ("database",)),
    Check("clocks", look_at_clocks, ("database", "redis")),
    Check("disk", look_at_disk),
    Check("journals", look_at_journals),
    Check("file limit", look_at_files),
    Check("open files", look_at_open_files, ("redis",)),
)
ONLINE = Check("credentials", look_online, ("database",), ONLINE_SECONDS)


def chosen_checks(*, online: bool) -> list[Check]:
    """Return all checks; `online` also shows each key to its provider."""
    return [ONLINE if online and check.name == ONLINE.name else check for check in CHECKS]
