"""The guarded HTTP client: every outbound request that is not a call of a provider goes through it.

Who may name an address (a webhook, a model with an ability) may name one of this network; nothing here connects to
such an address unless ARBORETUM_OUTBOUND_ALLOW says so.

Nothing is imported here: who only checks an address (`workers.http.urls`) loads no HTTP library.
"""
