"""The numbers of the limiter, and the scripts in which they stand."""

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

from workers.scripts import Script

_FOLDER = Path(__file__).resolve().parent / "lua"
# The parts of the exchange in the order in which they use each other.
_EXCHANGE = ("state", "processes", "pacing", "window", "turn", "adaptive", "breaker", "refunds", "exchange")

# Calls are paced at this share of a limit. With CATCH_UP = 0.25 s and callers up to 0.9 s late, a sliding 60 s window
# sees what is started in at most 61.15 s, and 0.98 * 61.15 < 60; see `limiter.py` for the proof.
MARGIN = 0.98


@dataclass(frozen=True)
class Tuning:
    """The limiter's constants, in seconds where nothing else is said. Tests shorten them; all processes must agree."""

    margin: float = MARGIN
    # How far ahead starts are granted. What Redis forgets in a crash lies at most this far ahead.
    horizon: float = 0.5
    # How much unused time a caller that is late may catch up.
    catch_up: float = 0.25
    # The provider's window, and how late after its start a call may reach the provider.
    window: float = 60.0
    lateness: float = 0.9
    # Length of the slices in which started tokens are remembered.
    slice: float = 0.1
    # Limits told by headers are forgotten after this time.
    told_ttl: float = 600.0
    # A process not heard of for so long holds no place; its entry is dropped after `entry_ttl`.
    process_ttl: float = 15.0
    entry_ttl: float = 75.0
    # How long after a bucket appeared its ceiling is divided by the number of worker processes, and how long after a
    # silence of all the places of those that have not spoken yet are kept.
    settling: float = 3.0
    # When to ask again where a ceiling binds; twice as late each time that nothing happened, up to the second value.
    ceiling_retry: float = 0.1
    longest_ceiling_retry: float = 1.0
    # Adaptive ceiling: the least pause between cuts, what is left after a cut, the floor of cuts for slowness.
    cut_pause: float = 1.0
    cut_share: float = 0.7
    slow_floor: int = 16
    # A call is slow at this multiple of the best time per token, if it also takes so many seconds longer.
    slow_factor: float = 3.0
    slow_extra: float = 2.0
    # It must last so long, with no longer silence in between. Where a cut leaves calls slower than this share of what
    # they were, their number is not the cause, and the cut is taken back.
    slow_after: float = 10.0
    slow_silence: float = 5.0
    slow_gain: float = 0.8
    # The best times fade by this share per second, so that a server that became slower for good is learnt.
    baseline_rise: float = 0.01
    # Weight of the newest report in the running mean of slowness and latency.
    mean_weight: float = 0.3
    # Breaker: length of the two slices that are counted, least failures, their share, pause between probes.
    breaker_slice: float = 5.0
    breaker_failures: int = 10
    breaker_share: float = 0.6
    probe_pause: float = 5.0
    # Refusals for overload count as failures once most calls have met them for so long; overload after a longer silence
    # than the second value is another one.
    overload_patience: float = 2.0
    overload_memory: float = 60.0
    # The refusals of one wave of calls come within this time, in as many reports as may be.
    wave: float = 0.5
    # The ceiling after the breaker closed, and the least value up to which it then grows fast.
    reopened_ceiling: int = 10
    reopened_threshold: int = 16
    # Refunds: for how long tokens must bind, the share left that shows refunds, the pause after a refusal, and the
    # longest silence within "without a break".
    refund_after: float = 60.0
    refund_remaining: float = 0.3
    refund_pause: float = 900.0
    refund_silence: float = 15.0
    # A block is told to the other processes again when it grew by so much.
    publish_step: float = 0.1
    # Keys that nobody used for so long expire.
    idle: float = 3600.0

    @cached_property
    def exchange(self) -> Script:
        """The script of an exchange with these numbers."""
        return Script(self._header() + "".join(_part(name) for name in _EXCHANGE))

    @cached_property
    def block(self) -> Script:
        """The script that blocks a bucket or a credential."""
        return Script(self._header() + _part("block"))

    def _header(self) -> str:
        values = ", ".join(f"{field.name} = {getattr(self, field.name)!r}" for field in fields(self))
        return f"local TUNING = {{{values}}}\n"


def _part(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")
