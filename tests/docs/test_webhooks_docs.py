"""docs/webhooks.md is true to the code: events, figures, and the example that checks a signature."""

import json
import re
import time

from batches.housekeeping import DELIVERIES_KEPT
from batches.models import EventType
from batches.models.webhook import LONGEST_EXCERPT
from batches.webhooks.claiming import AT_ONCE, LEASE_SECONDS
from batches.webhooks.schedule import DELAYS
from batches.webhooks.sending import CAPS
from batches.webhooks.services import PREVIOUS_KEPT
from batches.webhooks.signing import make_secret, signed_headers

from .documents import blocks, one_line, text_of

TEXT = text_of("docs/webhooks.md")
ONE_LINE = one_line(TEXT)
BODY = b'{"type": "batch.completed", "data": {}}'


def test_every_event_is_told_and_no_other() -> None:
    rows = "\n".join(line for line in TEXT.splitlines() if line.startswith("| `"))
    assert sorted(re.findall(r"`((?:run|batch)\.\w+)`", rows)) == sorted(EventType.values)


def test_the_example_checks_signatures() -> None:
    (source,) = [code for code in blocks(TEXT, "python") if "def is_genuine" in code]
    names: dict = {}
    exec(source, names)  # noqa: S102 - the document's own example
    is_genuine, secret, other = names["is_genuine"], make_secret(), make_secret()
    headers = dict(signed_headers("msg_1", BODY, [other, secret]))
    assert is_genuine(secret, headers, BODY)
    assert is_genuine(other, headers, BODY)
    assert not is_genuine(make_secret(), headers, BODY)
    assert not is_genuine(secret, headers, BODY + b" ")
    assert not is_genuine(secret, headers | {"webhook-id": "msg_2"}, BODY)
    old = dict(signed_headers("msg_1", BODY, [secret], int(time.time()) - 400))
    assert not is_genuine(secret, old, BODY)


def test_the_example_with_openais_client_runs() -> None:
    (source,) = [code for code in blocks(TEXT, "python") if "webhooks.unwrap" in code]
    secret = make_secret()
    names = {"secret": secret, "body": BODY, "headers": dict(signed_headers("msg_1", BODY, [secret]))}
    exec(source, names)  # noqa: S102 - the document's own example
    assert names["event"].type == "batch.completed"


def test_the_body_shown_is_json() -> None:
    (shown,) = blocks(TEXT, "json")
    assert set(json.loads(shown)["data"]) == {"id", "batch", "name", "state", "reason", "counts"}


def test_figures_are_those_of_the_code() -> None:
    assert DELAYS == (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 6 * 3600)
    assert "after 5 s, 5 and 30 minutes, 2, 5, 10 and 6 hours" in ONE_LINE
    assert f"none within {CAPS.total:g} s" in ONE_LINE
    assert (AT_ONCE, LEASE_SECONDS) == (8, 60)
    assert "at most eight requests at once" in ONE_LINE
    assert f"for {PREVIOUS_KEPT.total_seconds() / 3600:g} hours both sign" in ONE_LINE
    assert (
        f"the first {LONGEST_EXCERPT:,} characters of each answer, are kept for {DELIVERIES_KEPT.days} days" in ONE_LINE
    )
