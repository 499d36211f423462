"""The names and ids that completion offers: answered without most of Django, since a reader waits at every Tab.

Plain statements on the tables of the models; the same rows as `visible_to` gives.
"""

import os
import re
import sys
import warnings
from collections.abc import Sequence

LISTED = 1_000
# What a shell takes as it is. Names are checked when they are made; whatever else got in is not offered.
_SAFE = re.compile(r"[\w.@+-]+\Z", re.ASCII)
# Each takes 1 for who sees everything, else 0, and the user's id.
STATEMENTS = {
    "agents": "SELECT slug FROM agents_agent WHERE %s = 1 OR owner_id = %s ORDER BY slug",
    "batches": "SELECT id FROM batches_batch WHERE %s = 1 OR owner_id = %s ORDER BY id DESC",
    "credentials": "SELECT name FROM credentials_credential WHERE %s = 1 OR owner_id = %s ORDER BY name",
    "runs": "SELECT id FROM batches_run WHERE batch_id IS NULL AND (%s = 1 OR owner_id = %s) ORDER BY id DESC",
    "users": "SELECT username FROM credentials_user WHERE is_active AND (%s = 1 OR id = %s) ORDER BY username",
}


def values(kind: str, username: str | None = None) -> list[str]:
    """Return what `kind` has for the acting user: `username`, else the only superuser; nothing where there is none.

    At most LISTED, the newest batches and runs first. Raises django.db.Error where the database does not answer.
    """
    from django.db import connection

    where = "username = %s" if username else "is_superuser"
    users = f"SELECT id, is_superuser FROM credentials_user WHERE is_active AND {where} LIMIT 2"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(users, [username] if username else None)
        found = cursor.fetchall()
        if len(found) != 1:
            return []
        (user, sees_all), *_ = found
        cursor.execute(f"{STATEMENTS[kind]} LIMIT {LISTED}", [int(bool(sees_all)), user])
        names = [str(name) for (name,) in cursor.fetchall()]
    return [name for name in names if _SAFE.match(name)]


def main(arguments: Sequence[str]) -> int:
    """Print the values of the kind that is asked for, one a line, and return the exit code.

    Whatever goes wrong is silent: it would be written into the line that is being typed.
    """
    kind, username = arguments[0] if arguments else "", _acting(arguments)
    if kind not in STATEMENTS:
        return 1
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arboretum.settings")
    # Django warns of statements before all apps are loaded; these need none of them.
    warnings.simplefilter("ignore")
    try:
        sys.stdout.write("".join(f"{name}\n" for name in values(kind, username)))
    except Exception:
        return 1
    return 0


def _acting(arguments: Sequence[str]) -> str | None:
    return arguments[2] if len(arguments) > 2 and arguments[1] == "--as" else None
