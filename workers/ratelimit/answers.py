"""The answer of an exchange, from the script's compact array."""

from dataclasses import dataclass

from .types import Binding, Grant

MICROSECONDS = 1_000_000
# As the script counts them; 0 stands for none.
BINDINGS = (
    Binding.REQUESTS,
    Binding.TOKENS,
    Binding.CONCURRENCY,
    Binding.ADAPTIVE,
    Binding.BREAKER,
    Binding.BLOCKED,
)
_IS_PROBE, _REFUNDS, _IS_PACED = 1, 2, 4


def binding_of(code: int) -> Binding | None:
    """The binding that the scripts call `code`."""
    return BINDINGS[code - 1] if code else None


@dataclass(frozen=True, slots=True)
class Answer:
    """A grant, whether calls are paced, and how many processes use the bucket."""

    grant: Grant
    is_paced: bool
    peers: int


def read_answer(answer: list[int]) -> Answer:
    """Read binding, retry, since, flags, processes, number granted, delays.

    Times are in microseconds; the delays are left out where all are 0.
    """
    code, retry_in, since, flags, peers, granted, *delays = answer
    grant = Grant(
        delays=tuple([delay / MICROSECONDS for delay in delays]) if delays else (0.0,) * granted,
        retry_in=retry_in / MICROSECONDS,
        binding=binding_of(code),
        since=since / MICROSECONDS,
        is_probe=bool(flags & _IS_PROBE),
        refunds=bool(flags & _REFUNDS),
        is_paced=bool(flags & _IS_PACED),
    )
    return Answer(grant, bool(flags & _IS_PACED), peers)
