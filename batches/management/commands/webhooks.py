"""`manage.py webhooks`: addresses that are told when runs and batches end, and what they were sent."""

from typing import Any

from batches.management.tones import state_colour
from batches.management.watching import has_workers
from batches.models import DeliveryState, EventType, WebhookDelivery
from batches.webhooks.facts import attempt_facts, delivery_facts, endpoint_facts
from batches.webhooks.selectors import get_delivery, get_endpoint, list_deliveries, list_endpoints
from batches.webhooks.services import (
    create_endpoint,
    delete_endpoint,
    enable_endpoint,
    resend,
    rotate_secret,
    send_test,
)
from credentials.management.base import EXIT_OK, ArboretumCommand
from credentials.models import User
from workers.embedded.valkey import ensure_redis

_LIST = ("id", "url", "events", "state", "failing_since")
_DELIVERIES = ("id", "event_type", "event_id", "state", "attempts", "next_attempt_at", "created_at")
_ATTEMPTS = ("number", "started_at", "latency_ms", "status", "error", "response")
_COLOURS = {"state": state_colour(DeliveryState)}


class Command(ArboretumCommand):
    """Webhooks."""

    help = "Tell other programs when runs and batches end: endpoints, deliveries, tests."

    def add_subcommands(self) -> None:
        """Declare the subcommands."""
        add = self.subcommand("add", self.add, "Add an endpoint; its secret is printed this once.")
        add.add_argument("url", metavar="URL")
        add.add_argument(
            "--event", action="append", required=True, help=f"One of {', '.join(EventType.values)}; may be given again."
        )
        add.add_argument("--description", default="", metavar="TEXT")
        self.subcommand("list", self.list, "List the endpoints.")
        self._with_id("show", self.show, "Show an endpoint and its latest deliveries.")
        deliveries = self._with_id("deliveries", self.deliveries, "List the deliveries to an endpoint, newest first.")
        deliveries.add_argument("--state", default="", help=f"Only those that are: {', '.join(DeliveryState.values)}.")
        deliveries.add_argument("--before", type=int, metavar="DELIVERY", help="Only those older than this one.")
        attempts = self.subcommand("attempts", self.attempts, "Show the attempts at a delivery, and what was sent.")
        attempts.add_argument("delivery", type=int, metavar="DELIVERY")
        again = self.subcommand("resend", self.resend, "Send a delivery again.")
        again.add_argument("delivery", type=int, metavar="DELIVERY")
        self._with_id("test", self.test, "Send an endpoint a test event.")
        self._with_id("rotate", self.rotate, "Make a new secret; the one before signs too for another 24 hours.")
        self._with_id("enable", self.enable, "Enable an endpoint that was disabled.")
        self._with_id("remove", self.remove, "Remove an endpoint with its deliveries.")

    def _with_id(self, name: str, handler: Any, help: str) -> Any:
        parser = self.subcommand(name, handler, help)
        parser.add_argument("id", type=int, metavar="ID")
        return parser

    def add(self, user: User, options: dict[str, Any]) -> int:
        """Add an endpoint."""
        endpoint, secret = create_endpoint(user, options["url"], options["event"], description=options["description"])
        self.emit(endpoint_facts(endpoint) | {"secret": secret}, f"Added {endpoint}. Its secret:\n{secret}")
        self.warn("Keep it now: it is not shown again.")
        return EXIT_OK

    def list(self, user: User, options: dict[str, Any]) -> int:
        """List the endpoints that the user may see."""
        found = [endpoint_facts(endpoint) for endpoint in list_endpoints(user)]
        rows = [[" ".join(facts[name]) if name == "events" else facts[name] for name in _LIST] for facts in found]
        empty = "No webhooks. Add one: python manage.py webhooks add URL --event batch.completed"
        self.emit(found, self.table(_LIST, rows, empty))
        return EXIT_OK

    def show(self, user: User, options: dict[str, Any]) -> int:
        """Show an endpoint and its latest deliveries."""
        endpoint = get_endpoint(user, options["id"])
        latest = list_deliveries(user, endpoint, limit=10)
        facts = endpoint_facts(endpoint)
        rows = [
            (name.replace("_", " "), " ".join(value) if name == "events" else value)
            for name, value in facts.items()
            if value not in (None, "") and name != "id"
        ]
        text = f"{self.table(('webhook', str(endpoint.pk)), rows)}\n\n{self._table(latest)}"
        self.emit(facts | {"deliveries": [delivery_facts(delivery) for delivery in latest]}, text)
        return EXIT_OK

    def deliveries(self, user: User, options: dict[str, Any]) -> int:
        """List deliveries."""
        endpoint = get_endpoint(user, options["id"])
        found = list_deliveries(user, endpoint, state=options["state"], before=options["before"])
        self.emit([delivery_facts(delivery) for delivery in found], self._table(found, colours=_COLOURS))
        return EXIT_OK

    def attempts(self, user: User, options: dict[str, Any]) -> int:
        """Show the attempts at a delivery."""
        delivery = get_delivery(user, options["delivery"])
        made = [attempt_facts(attempt) for attempt in delivery.tries.all()]
        rows = [[facts[name] for name in _ATTEMPTS] for facts in made]
        text = f"{delivery.payload}\n\n{self.table(_ATTEMPTS, rows, 'No attempt yet.')}"
        self.emit(delivery_facts(delivery) | {"payload": delivery.payload, "tries": made}, text)
        return EXIT_OK

    def resend(self, user: User, options: dict[str, Any]) -> int:
        """Send a delivery again."""
        delivery = get_delivery(user, options["delivery"])
        ensure_redis()
        resend(delivery)
        return self._told(delivery, "is sent again")

    def test(self, user: User, options: dict[str, Any]) -> int:
        """Send a test event."""
        endpoint = get_endpoint(user, options["id"])
        ensure_redis()
        return self._told(send_test(endpoint), "is on its way")

    def rotate(self, user: User, options: dict[str, Any]) -> int:
        """Make a new secret."""
        endpoint = get_endpoint(user, options["id"])
        secret = rotate_secret(endpoint)
        self.emit(endpoint_facts(endpoint) | {"secret": secret}, f"The new secret of {endpoint}:\n{secret}")
        self.warn("Keep it now: it is not shown again. The one before signs too for another 24 hours.")
        return EXIT_OK

    def enable(self, user: User, options: dict[str, Any]) -> int:
        """Enable an endpoint."""
        endpoint = get_endpoint(user, options["id"])
        ensure_redis()
        self.emit(endpoint_facts(enable_endpoint(endpoint)), f"Enabled {endpoint}.")
        return EXIT_OK

    def remove(self, user: User, options: dict[str, Any]) -> int:
        """Remove an endpoint."""
        endpoint = get_endpoint(user, options["id"])
        facts, text = endpoint_facts(endpoint), f"Removed {endpoint}."
        delete_endpoint(endpoint)
        self.emit(facts, text)
        return EXIT_OK

    def _told(self, delivery: WebhookDelivery, what: str) -> int:
        if not has_workers("control"):
            self.warn("No worker is running: it is sent when one is started.")
        text = f"Delivery {delivery.pk} {what}. Look at it: manage.py webhooks attempts {delivery.pk}"
        self.emit(delivery_facts(delivery), text)
        return EXIT_OK

    def _table(self, deliveries: Any, colours: Any = None) -> str:
        rows = [[delivery_facts(delivery)[name] for name in _DELIVERIES] for delivery in deliveries]
        return self.table(_DELIVERIES, rows, "No deliveries.", colours)
