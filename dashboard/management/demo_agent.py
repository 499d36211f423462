"""The demo's agent: it triages support tickets on the simulated provider, so that it runs without a key."""

from typing import Any

from agents.models import Agent, AgentVersion
from agents.services import VersionChanges, create_agent, new_version
from credentials.models import Credential, User
from credentials.services import add_credential

SLUG = "triage-demo"
CREDENTIAL = "simulated"
INSTRUCTIONS = (
    "You sort the support tickets of an online shop that also sells software subscriptions. "
    "Answer with JSON only: the category, how urgent it is, and one sentence that says what the customer wants."
)
PROMPT = "From: {{ customer }} ({{ channel }})\nSubject: {{ subject }}\n\n{{ ticket }}"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "category": {
            "type": "string",
            "enum": ["billing", "shipping", "account", "bug", "feature_request", "security", "praise", "other"],
        },
        "urgency": {"type": "string", "enum": ["low", "normal", "high"]},
        "wish": {"type": "string", "maxLength": 160},
    },
    "required": ["category", "urgency", "wish"],
    "additionalProperties": False,
}
# The simulated model chooses the option whose words it finds most; a real one reads.
KEYWORDS = {
    "billing": ["invoice", "refund", "charged", "charge", "payment", "card", "price", "vat", "billed", "subscription"],
    "shipping": [
        "parcel",
        "delivery",
        "delivered",
        "shipping",
        "shipment",
        "courier",
        "tracking",
        "package",
        "arrived",
    ],
    "account": ["password", "login", "log in", "sign in", "account", "email address", "username", "reset"],
    "bug": ["error", "crash", "crashes", "bug", "broken", "blank", "freezes", "fails", "does not work", "doesn't work"],
    "feature_request": [
        "feature",
        "would be great",
        "wish",
        "could you add",
        "please add",
        "suggestion",
        "support for",
    ],
    "security": ["phishing", "hacked", "suspicious", "vulnerability", "two-factor", "2fa", "breach", "leak"],
    "praise": ["thank", "thanks", "love", "great job", "wonderful", "excellent", "impressed"],
    "high": ["urgent", "immediately", "asap", "today", "furious", "unacceptable", "lawyer", "down"],
    "low": ["whenever", "no rush", "thanks", "suggestion", "just wanted"],
}
PARAMETERS: dict[str, Any] = {
    "simulated": {
        "seed": 7,
        "latency": {"distribution": "lognormal", "median": 2.0, "sigma": 0.45},
        "errors": {"server_error": 0.02, "overloaded": 0.02},
        "keywords": KEYWORDS,
    }
}


def ensure_demo_agent(user: User) -> AgentVersion:
    """Return the current version of the demo's agent, made where there is none, renewed where the demo has changed."""
    credential = Credential.objects.filter(name=CREDENTIAL).first() or add_credential(
        user, name=CREDENTIAL, provider="simulated"
    )
    content: VersionChanges = {
        "credential": credential,
        "model": "sim-1",
        "instructions": INSTRUCTIONS,
        "prompt": PROMPT,
        "parameters": PARAMETERS,
        "output_schema": SCHEMA,
        "retry": {"strategy": "exponential", "max_tries": 8, "base_seconds": 0.5, "max_seconds": 5},
    }
    agent = Agent.objects.filter(slug=SLUG).select_related("current_version").first()
    if agent is not None:
        return new_version(user, agent, **content)
    created = create_agent(user, slug=SLUG, name="Ticket triage (demo)", **content)
    assert created.current_version is not None
    return created.current_version
