"""One line of the table: what was done, what has to follow, what followed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """`ok` says whether what was measured is what was expected."""

    injected: str
    expected: str
    measured: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Injection:
    """What was done; makes the checks of what followed."""

    what: str

    def expect(self, expected: str, measured: object, ok: bool) -> Check:
        """Return the check that `expected` holds."""
        return Check(self.what, expected, str(measured), ok)

    def at_most(self, what: str, seconds: float | None, limit: float) -> Check:
        """Return the check that `what` took at most `limit` seconds; None is never."""
        measured = "never" if seconds is None else f"{seconds:.1f} s"
        return self.expect(f"{what} within {limit:g} s", measured, seconds is not None and seconds <= limit)
