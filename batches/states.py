"""The states of batches and runs, declared once: value, label, colour, and the sets that code asks for."""

from django.db import models


class Tone(models.TextChoices):
    """What a state's colour says; pages map tones to design tokens."""

    NEUTRAL = "neutral"
    RUNNING = "running"
    WAITING = "waiting"
    GOOD = "good"
    BAD = "bad"
    PAUSED = "paused"
    MUTED = "muted"


class RunState(models.TextChoices):
    """A run: pending (in a batch, not taken) or queued (single, published), running, terminal; waiting has no slot."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def tone(self) -> Tone:
        """The colour of this state."""
        return _RUN_TONES[self]


class BatchState(models.TextChoices):
    """A batch: its rows are written (validating), it may start (ready), runs, is wound up (finalizing), ends."""

    VALIDATING = "validating"
    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def tone(self) -> Tone:
        """The colour of this state."""
        return _BATCH_TONES[self]


class Priority(models.IntegerChoices):
    """Which batch goes first where several wait."""

    LOW = 0
    NORMAL = 1
    HIGH = 2
    URGENT = 3


_RUN_TONES = {
    RunState.PENDING: Tone.NEUTRAL,
    RunState.QUEUED: Tone.NEUTRAL,
    RunState.RUNNING: Tone.RUNNING,
    RunState.WAITING: Tone.WAITING,
    RunState.SUCCEEDED: Tone.GOOD,
    RunState.FAILED: Tone.BAD,
    RunState.CANCELLED: Tone.MUTED,
    RunState.EXPIRED: Tone.MUTED,
}
_BATCH_TONES = {
    BatchState.VALIDATING: Tone.NEUTRAL,
    BatchState.READY: Tone.NEUTRAL,
    BatchState.RUNNING: Tone.RUNNING,
    BatchState.PAUSED: Tone.PAUSED,
    BatchState.FINALIZING: Tone.RUNNING,
    BatchState.COMPLETED: Tone.GOOD,
    BatchState.FAILED: Tone.BAD,
    BatchState.CANCELLING: Tone.WAITING,
    BatchState.CANCELLED: Tone.MUTED,
    BatchState.EXPIRED: Tone.MUTED,
}

TERMINAL_RUN_STATES = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.EXPIRED})
ACTIVE_RUN_STATES = frozenset(RunState) - TERMINAL_RUN_STATES
TERMINAL_BATCH_STATES = frozenset({BatchState.COMPLETED, BatchState.FAILED, BatchState.CANCELLED, BatchState.EXPIRED})
ACTIVE_BATCH_STATES = frozenset(BatchState) - TERMINAL_BATCH_STATES
