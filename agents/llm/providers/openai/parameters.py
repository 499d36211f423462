"""An agent's parameters in a server's dialect: checked before anything runs, and put into the body of a call."""

from collections.abc import Mapping
from typing import Any

from agents.llm.parameters import ANSWER_LIMITS, CHAT_PARAMETERS, answer_limit, check_fields
from workers.errors import InvalidInput

from .dialect import Dialect, ModelRule


def check_chat_parameters(dialect: Dialect, model: str, parameters: Mapping[str, Any]) -> None:
    """Raise InvalidInput naming the first parameter that is wrong for `model`, and what is allowed."""
    check_fields(dict(parameters), CHAT_PARAMETERS)
    for name in parameters:
        if name in dialect.refused:
            raise InvalidInput(f"parameters.{name} is not a setting of this provider: {dialect.refused[name]}")
    rule = dialect.rule(model)
    _check_effort(rule, model, parameters)
    effort = parameters.get("reasoning_effort", rule.usual_effort)
    refused = [name for name in rule.refused if name in parameters]
    if refused and effort not in rule.refused_but_at:
        where = f" unless reasoning_effort is {' or '.join(rule.refused_but_at)}" if rule.refused_but_at else ""
        raise InvalidInput(f"parameters.{refused[0]}: {model} does not take it{where}; leave it out")


def sent_parameters(dialect: Dialect, model: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return `parameters` as the server takes them, the content of `extra_body` beside the rest."""
    given = dict(parameters)
    body: dict[str, Any] = dict(given.pop("extra_body", {}))
    only_limit = dialect.rule(model).answer_limit or dialect.answer_limit
    if only_limit and (limit := answer_limit(given)) is not None:
        given = {name: value for name, value in given.items() if name not in ANSWER_LIMITS}
        body[only_limit] = limit
    if dialect.keeps_parameters:
        return body | given
    for name, value in given.items():
        if name not in dialect.dropped:
            renamed = dialect.values.get(name, {}).get(value, value) if isinstance(value, str) else value
            _put(body, dialect.renamed.get(name, name), renamed)
    return body


def _check_effort(rule: ModelRule, model: str, parameters: Mapping[str, Any]) -> None:
    effort = parameters.get("reasoning_effort")
    if effort is not None and rule.efforts and effort not in rule.efforts:
        allowed = ", ".join(rule.efforts)
        raise InvalidInput(f"parameters.reasoning_effort must be one of: {allowed} for {model}; not {effort[:50]!r}")


def _put(body: dict[str, Any], path: str, value: Any) -> None:
    """Set the field at `path`, beside what an agent's extra_body has put there."""
    *groups, name = path.split(".")
    for group in groups:
        inner = body.get(group)
        body[group] = body = dict(inner) if isinstance(inner, dict) else {}
    body[name] = value
