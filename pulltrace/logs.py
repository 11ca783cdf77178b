"""Log lines: one JSON object each when nobody looks, plain text on a terminal."""

from __future__ import annotations

import logging
import sys

import orjson

from pulltrace.pulls.quantities import rfc3339

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


class JsonFormatter(logging.Formatter):
    """Foreign text (image names, registry messages) cannot break out of a JSON string: no forged lines."""

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


def set_up_logging(level: str) -> None:
    """Sends everything to standard error. `level` is one of `setting_values.LOG_LEVELS`."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
    handler.setFormatter(plain if sys.stderr.isatty() else JsonFormatter())
    logging.basicConfig(level=_LEVELS[level], handlers=[handler], force=True)
