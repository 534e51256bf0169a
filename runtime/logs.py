"""One log format for everything that a process says."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from temporalio import activity, workflow

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "color_message",
}
_SERVER_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")


def _instant(record: logging.LogRecord) -> str:
    """Return when it was said, in UTC with milliseconds."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _facts(record: logging.LogRecord) -> dict[str, object]:
    """Return what the caller put into ``extra``."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, then the facts."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; what JSON cannot hold is written as text."""
        line: dict[str, object] = {
            "time": _instant(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in _facts(record).items() if key not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class ConsoleFormatter(logging.Formatter):
    """For people: time, level, logger, message and ``key=value`` facts."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with a traceback below it where there is one."""
        facts = "".join(f" {key}={value}" for key, value in _facts(record).items())
        line = (
            f"{_instant(record)} {record.levelname:<7} {record.name}: {record.getMessage()}{facts}"
        )
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def configure_logs(log_format: str, level: str, stream: TextIO | None = None) -> None:
    """Send every line of this process, the servers' own included, to one stream in one format.

    Args:
        log_format: ``json`` or ``console``.
        level: Least level that is written.
        stream: Where to; standard error by default.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _SERVER_LOGGERS:
        server = logging.getLogger(name)
        if server.handlers:  # without any it passes on already, or was switched off
            server.handlers.clear()
            server.propagate = True
    for name in ("httpx", "httpcore", "pymongo"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.captureWarnings(capture=True)
    # The ids stay in ``extra``; repeating them in the text would make every message unique.
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False
