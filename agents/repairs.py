"""Asking again: what the model is told when its answer breaks the output schema."""

from agents.llm.types import Completion, Message

LARGEST_REPAIRS = 10
# Of an answer that is shown to the model again; more would cost more than it helps.
LONGEST_REJECTED = 20_000


def repair_message(problem: str) -> Message:
    """Return the message after a rejected answer; `problem` says what is wrong with it, and where."""
    return Message(
        "user",
        f"Your last answer was rejected. {problem}\n"
        "Answer again with the whole JSON value, mended, and nothing else: no explanation, no code fence.",
    )


def rejected_answer(completion: Completion) -> Message:
    """Return the rejected answer as the model's own message; providers refuse empty ones."""
    return Message("assistant", completion.text[:LONGEST_REJECTED] or "(no answer)", replay=completion.replay)
