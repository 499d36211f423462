"""Plausible prose of a given length from a seed."""

import random

from agents.llm.tokens import BYTES_PER_TOKEN

_OPENINGS = ("Today", "In this case", "As requested", "For your order", "After a review", "So far", "In short", "Next")
_SUBJECTS = (
    "the support team",
    "the account",
    "your latest invoice",
    "the carrier",
    "our warehouse",
    "the second device",
    "the billing system",
    "this request",
    "the updated contract",
    "a colleague",
)
_VERBS = ("confirms", "explains", "covers", "replaces", "follows", "updates", "needs", "includes", "checks", "settles")
_OBJECTS = (
    "the missing parcel",
    "a full refund",
    "the open balance",
    "each delivery address",
    "the reported error",
    "one further step",
    "the new settings",
    "a short summary",
    "the payment details",
    "every similar ticket",
)
_ENDINGS = (
    "within two days",
    "without extra cost",
    "by email",
    "before the weekend",
    "once more",
    "as usual",
    "directly",
)
_SLOTS = (_OPENINGS, _SUBJECTS, _VERBS, _OBJECTS, _ENDINGS)


def write_prose(seed: int, tokens: int) -> str:
    """Return sentences of about `tokens` tokens by the offline estimate (at least one word); the same for one seed."""
    size = max(tokens, 1) * BYTES_PER_TOKEN
    rng = random.Random(seed)
    sentences: list[str] = []
    length = 0
    while length < size:
        opening, *rest = map(rng.choice, _SLOTS)
        sentence = f"{opening}, {' '.join(rest)}."
        sentences.append(sentence)
        length += len(sentence) + 1
    return cut_at_word(" ".join(sentences), size - 1).rstrip(",.") + "."


def cut_at_word(text: str, size: int) -> str:
    """Return the beginning of `text`, at most `size` characters, cut between words where it has any."""
    if len(text) <= size:
        return text
    head, space, _ = text[: size + 1].rpartition(" ")
    return head if space else text[:size]
