"""Log lines: one JSON object each, or plain text on a terminal."""

from __future__ import annotations

import logging
import sys

import orjson

from pulltrace.pulls.formatting import rfc3339
from pulltrace.pulls.lease_format.values import clean

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


class JsonFormatter(logging.Formatter):
    """Write JSON, so that foreign text (image names, registry messages) cannot forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


class PlainFormatter(logging.Formatter):
    """Write plain text for a terminal; foreign text cannot start a line or move the cursor."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        record.message = clean(record.message)
        return super().formatMessage(record)


def set_up_logging(level: str) -> None:
    """Log to standard error. `level` is one of `settings.values.LOG_LEVELS`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter() if sys.stderr.isatty() else JsonFormatter())
    logging.basicConfig(level=_LEVELS[level], handlers=[handler], force=True)
