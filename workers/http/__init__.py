"""The guarded HTTP client: every outbound request that is not a call of a provider goes through it.

Who may name an address (a webhook, a model with an ability) may name one of this network; nothing here connects to
such an address unless ARBORETUM_OUTBOUND_ALLOW says so.
"""

from .allowed import OutboundRules, outbound_rules
from .client import Caps, GuardedClient
from .reading import GuardedResponse
from .refusal import Refused
from .urls import check_url

__all__ = ["Caps", "GuardedClient", "GuardedResponse", "OutboundRules", "Refused", "check_url", "outbound_rules"]
