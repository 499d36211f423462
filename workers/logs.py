"""Structured logs (structlog): a constant event name, the data as keywords, ids bound into the context.

Every line, ours or a library's, passes through one formatter: it merges the bound ids (request, user, task, batch, run,
attempt), masks secrets (workers.redaction) and writes a JSON object, or text for a terminal.
"""

import os
import sys
from typing import Any

import structlog

from .redaction import redact

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]
# The libraries whose servers set handlers of their own; theirs are taken away, so that all lines look alike.
_OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "celery", "django", "django.server")
# One line a request, a task or a call is said by our own events, with their ids.
_QUIET = (
    "uvicorn.access",
    "django.server",
    "celery.app.trace",
    "celery.worker.strategy",
    "kombu",
    "amqp",
    "openai",
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "urllib3",
    "asyncio",
    "tornado.access",
)


def configure() -> None:
    """Send structlog's events through the standard library's handlers."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def logging_config(level: str, style: str) -> dict[str, Any]:
    """Return the `dictConfig` that writes `level` and above to standard error, as "json" lines or "console" text."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    # As text before it is masked: a renderer's own traceback would show local variables.
                    structlog.processors.format_exc_info,
                    redact,
                    _renderer(style),
                ],
                "foreign_pre_chain": _SHARED,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "loggers": {
            **{name: _logger("WARNING" if name in _QUIET else "NOTSET") for name in (*_OWN_HANDLERS, *_QUIET)},
            # Its warnings say again what the line of each request says.
            "django.request": _logger("ERROR"),
        },
        "root": {"handlers": ["stderr"], "level": level},
    }


def _logger(level: str) -> dict[str, Any]:
    return {"handlers": [], "propagate": True, "level": level}


def _renderer(style: str) -> Any:
    if style == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty() and "NO_COLOR" not in os.environ,
        exception_formatter=structlog.dev.plain_traceback,
    )
