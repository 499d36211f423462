"""What earlier attempts of a run left of its limits."""

from dataclasses import replace

from agents.spec import AgentSpec
from workers.errors import ErrorCode, WorkError

from .claims import ClaimedRun


def within_limits(spec: AgentSpec, run: ClaimedRun) -> AgentSpec:
    """Return `spec` with what earlier attempts of the run left of its tokens and money.

    Raises WorkError LIMIT_TOKENS or LIMIT_COST where nothing is left.
    """
    limits, used = spec.limits, run.input_tokens + run.output_tokens
    if used and limits.max_tokens is not None:
        if used >= limits.max_tokens:
            raise WorkError(ErrorCode.LIMIT_TOKENS, f"Earlier attempts used {used} tokens of {limits.max_tokens}")
        limits = replace(limits, max_tokens=limits.max_tokens - used)
    if run.cost and limits.max_cost is not None:
        if run.cost >= limits.max_cost:
            spent = f"{run.cost.normalize():f} US dollars of {limits.max_cost.normalize():f}"
            raise WorkError(ErrorCode.LIMIT_COST, f"Earlier attempts spent {spent}")
        limits = replace(limits, max_cost=limits.max_cost - run.cost)
    return spec if limits is spec.limits else replace(spec, limits=limits)
