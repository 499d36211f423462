"""Routes of webhooks: endpoints, and what was sent to them."""

from ninja import Query

from batches.models import WebhookEndpoint
from batches.webhooks.selectors import find_deliveries, get_delivery, get_endpoint
from batches.webhooks.services import (
    create_endpoint,
    delete_endpoint,
    disable_endpoint,
    enable_endpoint,
    resend,
    rotate_secret,
    send_test,
    update_endpoint,
)
from credentials.api.callers import Caller
from credentials.api.native import Page, PageRequest, Routes, json_response, page_of
from credentials.api.once import ShownOnce

from .webhook_schemas import (
    DeliveryDetails,
    DeliveryFilters,
    DeliveryId,
    DeliveryShown,
    NewWebhook,
    WebhookChanges,
    WebhookId,
    WebhookShown,
    WebhookWithSecret,
)

routes = Routes("Webhooks")
_READ, _WRITE = "batches:read", "batches:write"


@routes.get("/webhooks", scopes=_READ, shows=Page[WebhookShown], summary="List webhooks")
def list_webhooks(caller: Caller, filters: Query[PageRequest]) -> Page[WebhookShown]:
    """List the webhooks that the user may see, the oldest first."""
    endpoints = WebhookEndpoint.objects.visible_to(caller.user)
    return page_of(endpoints, filters, ["id"], WebhookShown.of, kind="webhooks")


@routes.post("/webhooks", scopes=_WRITE, shows=WebhookWithSecret, status=201, summary="Create a webhook")
def create_webhook(caller: Caller, new: NewWebhook) -> ShownOnce:
    """Create a webhook. The answer alone shows the secret that its signatures (Standard Webhooks) are made with."""
    return _with_secret(*create_endpoint(caller.user, new.url, new.events, description=new.description), status=201)


@routes.get("/webhooks/{webhook_id}", scopes=_READ, shows=WebhookShown, summary="Get a webhook")
def get_webhook(caller: Caller, webhook_id: WebhookId) -> WebhookShown:
    """Show a webhook, without its secret."""
    return WebhookShown.of(get_endpoint(caller.user, webhook_id))


@routes.patch("/webhooks/{webhook_id}", scopes=_WRITE, shows=WebhookShown, summary="Change a webhook")
def update_webhook(caller: Caller, webhook_id: WebhookId, changes: WebhookChanges) -> WebhookShown:
    """Change what is given. What is pending for a webhook that is not active waits until it is."""
    endpoint, given = get_endpoint(caller.user, webhook_id), changes.given()
    is_active = given.pop("is_active", None)
    update_endpoint(endpoint, **given)
    if is_active is not None and is_active != endpoint.is_active:
        (enable_endpoint if is_active else disable_endpoint)(endpoint)
    return WebhookShown.of(endpoint)


@routes.delete("/webhooks/{webhook_id}", scopes=_WRITE, shows=None, status=204, summary="Delete a webhook")
def delete_webhook(caller: Caller, webhook_id: WebhookId) -> None:
    """Delete a webhook with its deliveries."""
    delete_endpoint(get_endpoint(caller.user, webhook_id))


@routes.post("/webhooks/{webhook_id}/rotate", scopes=_WRITE, shows=WebhookWithSecret, summary="Make a new secret")
def rotate_webhook(caller: Caller, webhook_id: WebhookId) -> ShownOnce:
    """Make a new secret, which the answer alone shows. The one before signs too for another 24 hours."""
    endpoint = get_endpoint(caller.user, webhook_id)
    return _with_secret(endpoint, rotate_secret(endpoint), status=200)


@routes.post("/webhooks/{webhook_id}/test", scopes=_WRITE, shows=DeliveryShown, status=202, summary="Send a test")
def send_test_event(caller: Caller, webhook_id: WebhookId) -> DeliveryShown:
    """Send an event of the type `webhook.test`, whatever the webhook is told of."""
    return DeliveryShown.of(send_test(get_endpoint(caller.user, webhook_id)))


@routes.get(
    "/webhooks/{webhook_id}/deliveries", scopes=_READ, shows=Page[DeliveryShown], summary="List a webhook's deliveries"
)
def list_webhook_deliveries(
    caller: Caller, webhook_id: WebhookId, filters: Query[DeliveryFilters]
) -> Page[DeliveryShown]:
    """List deliveries of the last 30 days, the newest first."""
    endpoint = get_endpoint(caller.user, webhook_id)
    found = find_deliveries(caller.user, endpoint, filters.state or "")
    return page_of(found, filters, ["-id"], DeliveryShown.of, kind=f"deliveries {endpoint.pk} {filters.state}")


@routes.get("/webhook-deliveries/{delivery_id}", scopes=_READ, shows=DeliveryDetails, summary="Get a delivery")
def get_webhook_delivery(caller: Caller, delivery_id: DeliveryId) -> DeliveryDetails:
    """Show a delivery with what is sent, and each attempt."""
    return DeliveryDetails.whole(get_delivery(caller.user, delivery_id))


@routes.post(
    "/webhook-deliveries/{delivery_id}/resend",
    scopes=_WRITE,
    shows=DeliveryShown,
    status=202,
    summary="Send a delivery again",
)
def resend_webhook_delivery(caller: Caller, delivery_id: DeliveryId) -> DeliveryShown:
    """Send a delivery again now, with the same event id, whatever came of it before."""
    return DeliveryShown.of(resend(get_delivery(caller.user, delivery_id)))


def _with_secret(endpoint: WebhookEndpoint, secret: str, *, status: int) -> ShownOnce:
    """Return the answer that shows `secret`; what is kept of it for a request that is sent again does not."""
    answer, again = (json_response(WebhookWithSecret.of(endpoint, secret=shown), status) for shown in (secret, None))
    return ShownOnce(answer, kept=again)
