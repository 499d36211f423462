"""Reads of webhooks, as far as a user may see them."""

from batches.models.webhook import DeliveryState, WebhookDelivery, WebhookDeliveryQuerySet, WebhookEndpoint
from credentials.models import User
from workers.errors import InvalidInput, NotFound

MOST_LISTED = 1_000


def list_endpoints(user: User) -> list[WebhookEndpoint]:
    """Return the endpoints that the user may see, the oldest first."""
    return list(WebhookEndpoint.objects.visible_to(user).select_related("owner").order_by("pk"))


def get_endpoint(user: User, endpoint_id: int) -> WebhookEndpoint:
    """Return an endpoint that the user may see. Raises NotFound."""
    found = WebhookEndpoint.objects.visible_to(user).filter(pk=endpoint_id).first()
    if found is None:
        raise NotFound(f"There is no webhook {endpoint_id}.")
    return found


def get_delivery(user: User, delivery_id: int) -> WebhookDelivery:
    """Return a delivery that the user may see, with its endpoint. Raises NotFound."""
    found = WebhookDelivery.objects.visible_to(user).select_related("endpoint").filter(pk=delivery_id).first()
    if found is None:
        raise NotFound(f"There is no delivery {delivery_id}.")
    return found


def list_deliveries(
    user: User, endpoint: WebhookEndpoint, *, state: str = "", before: int | None = None, limit: int = 50
) -> list[WebhookDelivery]:
    """Return the latest `limit` (1 to 1,000) deliveries to an endpoint, the newest first; those before the id `before`.

    `state` leaves out those in another state. Raises InvalidInput.
    """
    if not 1 <= limit <= MOST_LISTED:
        raise InvalidInput(f"limit: must be from 1 to {MOST_LISTED}")
    found = find_deliveries(user, endpoint, state)
    if before is not None:
        found = found.filter(pk__lt=before)
    return list(found.order_by("-id")[:limit])


def find_deliveries(user: User, endpoint: WebhookEndpoint, state: str = "") -> WebhookDeliveryQuerySet:
    """Return the deliveries to an endpoint, those in `state` where it is given. Raises InvalidInput."""
    if state and state not in DeliveryState.values:
        raise InvalidInput(f"state: {state!r} is unknown; allowed: {', '.join(DeliveryState.values)}.")
    found: WebhookDeliveryQuerySet = WebhookDelivery.objects.visible_to(user).filter(endpoint=endpoint)
    return found.filter(state=state) if state else found
