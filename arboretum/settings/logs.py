"""Structured logs: one JSON object a line, or coloured text on a terminal in development."""

from workers.logs import configure, logging_config

from .environment import IS_PRODUCTION, env

LOG_LEVEL: str = env.one_of("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), "INFO")
LOG_FORMAT: str = env.one_of("LOG_FORMAT", ("json", "console"), "json" if IS_PRODUCTION else "console")
LOGGING = logging_config(LOG_LEVEL, LOG_FORMAT)
configure()
