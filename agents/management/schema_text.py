"""What commands tell of answers held against a schema."""

from typing import Any

from agents.schema_sources.fitting import Fit
from credentials.management.output import one_line, table

MOST_SHOWN = 50


def fit_facts(fit: Fit) -> dict[str, Any]:
    """Return `fit` as JSON-ready data, every misfit with its row and problem."""
    return {"answers": fit.answers, "fit": fit.answers - len(fit.misfits), "misfits": list(fit.misfits)}


def fit_text(fit: Fit) -> str:
    """Return `fit` for a person: the first MOST_SHOWN misfits, then the count."""
    count = f"{fit.answers - len(fit.misfits)} of {fit.answers} answers fit."
    if not fit.misfits:
        return count
    rows = [[misfit.row, one_line(misfit.problem)] for misfit in fit.misfits[:MOST_SHOWN]]
    more = f"\n... and {len(fit.misfits) - MOST_SHOWN} more" if len(fit.misfits) > MOST_SHOWN else ""
    return f"{table(('row', 'problem'), rows)}{more}\n\n{count}"
