"""Permits: the right to make one model call, and who may ask for one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .gate import Gate


@dataclass(slots=True, eq=False)
class Permit:
    """One call's place under the limits of its gate. It is given back exactly once, by the gate's `end_*`.

    `tokens` were reserved, `prompt_tokens` of them for the input; `is_probe` marks the one call that tries out
    whether a failing provider works again. The call may start from `due` on (the loop's time), and where `is_paced`
    not much later.
    """

    gate: "Gate"
    tokens: int
    prompt_tokens: int
    is_probe: bool = False
    is_paced: bool = False
    due: float = 0.0
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Need:
    """What a call will take: input tokens by estimate, and the most that its answer may have (None: not limited)."""

    prompt_tokens: int
    answer_limit: int | None


class Asker(Protocol):
    """Somebody who waits for a permit: a row of a batch, a single run, a later call of a run."""

    need: Need

    def start(self, permit: Permit) -> None:
        """Use the permit now."""
        ...

    def give_back(self) -> None:
        """Wait again, before the others of the same kind: there was no permit, or it came to nothing."""
        ...
