"""Whose turn it is among the models of a pool: by weight, among those whose limits let calls start now."""

from collections import OrderedDict
from collections.abc import Sequence

from .agents_cache import LoadedModel
from .gate import Gate

# Versions whose turns are remembered; a forgotten one begins anew.
KEPT_VERSIONS = 1024


class Balance:
    """The turns of one process. Used from the engine's loop alone.

    Smooth weighted round robin: each member gains its weight at each turn, and who has most pays what all gained
    together. The turns of one with weight 3 lie apart as evenly as can be.
    https://github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1
    """

    def __init__(self) -> None:
        """Begin with nobody's turn."""
        self._gained: OrderedDict[int, dict[str, int]] = OrderedDict()

    def choose(self, version_id: int, options: Sequence[tuple[LoadedModel, Gate]], now: float) -> Gate:
        """Return the gate of the model whose turn it is, among those of the version's pool that are `options`.

        Those that take no more at `now` (the loop's time) take no part unless none does: then who opens first is next.
        """
        free = [option for option in options if option[1].takes_more(now)]
        if not free:
            return min((gate for _, gate in options), key=lambda gate: max(gate.next_ask, gate.closed_until))
        gained = self._of(version_id)
        for model, _ in free:
            gained[model.name.full] = gained.get(model.name.full, 0) + model.weight
        chosen, gate = max(free, key=lambda option: gained[option[0].name.full])
        gained[chosen.name.full] -= sum(model.weight for model, _ in free)
        return gate

    def _of(self, version_id: int) -> dict[str, int]:
        gained = self._gained.setdefault(version_id, {})
        self._gained.move_to_end(version_id)
        if len(self._gained) > KEPT_VERSIONS:
            self._gained.popitem(last=False)
        return gained
