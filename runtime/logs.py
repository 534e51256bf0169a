"""One log format for everything that a process says."""

import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TextIO

from temporalio import activity, workflow

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "color_message",
    "temporal_log",
}
_SERVER_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.asgi")
_OWN = (
    *("activities", "api", "cli", "contracts", "dialogs", "flows"),
    *("operations", "runtime", "store", "worker", "workflows"),
)
_URL_LOGGERS = ("uvicorn.access", "httpx", "httpcore")
_SMTP_LOGGER = "mail.log"
_SDK = "temporalio"
_NOTHING: Mapping[str, object] = MappingProxyType({})

_served: ContextVar[Mapping[str, object]] = ContextVar("served", default=_NOTHING)


@contextmanager
def logging_facts(**facts: object) -> Iterator[MutableMapping[str, object]]:
    """Put facts into every line that is said while somebody is served.

    Whatever fails meanwhile may hold what callers sent us, so its text is left out of the log: see
    ``JsonFormatter``.

    Yields:
        The facts, to which more can be added.
    """
    known = {**_served.get(), **facts}
    token = _served.set(known)
    try:
        yield known
    finally:
        _served.reset(token)


def _instant(record: logging.LogRecord) -> str:
    """Return when it was said, in UTC with milliseconds."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _facts(record: logging.LogRecord) -> dict[str, object]:
    """Return whom the process was serving, and what the caller put into ``extra``."""
    given = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    return {**_served.get(), **given}


def _exception(record: logging.LogRecord) -> str | None:
    """Return the traceback; without the texts of exceptions while somebody is served."""
    if not record.exc_info or record.exc_info[1] is None:
        return None
    if not _served.get() and not record.name.startswith(_SDK):
        return logging.Formatter().formatException(record.exc_info)
    return "".join(_without_texts(record.exc_info[1])).rstrip("\n")


def _without_texts(error: BaseException) -> Iterator[str]:
    """Yield where an exception and its causes come from, and their types."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _without_texts(cause)
        yield "which led to\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}\n"


_passes: ContextVar[Callable[[str], str] | None] = ContextVar("what log lines pass", default=None)


@contextmanager
def lines_pass(through: Callable[[str], str]) -> Iterator[None]:
    """Send every line that is logged meanwhile, from here, through a function."""
    token = _passes.set(through)
    try:
        yield
    finally:
        _passes.reset(token)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, then the facts.

    What flows work on and what callers send is never part of a line: messages are constant, facts
    are ids and names, and the text of an exception, which may quote anything, is only written where
    nobody is served.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; what JSON cannot hold is written as text."""
        line: dict[str, object] = {
            "time": _instant(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in _facts(record).items() if key not in line}
        if exception := _exception(record):
            line["exception"] = exception
        return passed(json.dumps(line, default=str, ensure_ascii=False))


class ConsoleFormatter(logging.Formatter):
    """For people: time, level, logger, message and ``key=value`` facts."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with a traceback below it where there is one."""
        facts = "".join(f" {key}={value}" for key, value in _facts(record).items())
        line = (
            f"{_instant(record)} {record.levelname:<7} {record.name}: {record.getMessage()}{facts}"
        )
        if exception := _exception(record):
            line += "\n" + exception
        return passed(line)


def passed(line: str) -> str:
    """Return a line, or what a trace says, as whoever is at work wants it told."""
    through = _passes.get()
    return line if through is None else through(line)


def configure_logs(log_format: str, level: str, stream: TextIO | None = None) -> None:
    """Send every line of this process, the servers' own included, to one stream in one format.

    Args:
        log_format: ``json`` or ``console``.
        level: Least level that is written; of libraries never less than ``INFO``.
        stream: Where to; standard error by default.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # What libraries say below this may hold whatever they were given: bodies, statements, prompts.
    root.setLevel(max(logging.INFO, logging.getLevelName(level)))
    for name in _OWN:
        logging.getLogger(name).setLevel(level)
    for name in _SERVER_LOGGERS:
        server = logging.getLogger(name)
        if server.handlers:  # without any it passes on already, or was switched off
            server.handlers.clear()
            server.propagate = True
    # Each of these lines would hold a whole URL, and a query string may hold a signature.
    for name in _URL_LOGGERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).setLevel(logging.WARNING)
    # The SMTP server says every command: senders, recipients, and whatever else strangers type.
    logging.getLogger(_SMTP_LOGGER).setLevel(logging.ERROR)
    logging.getLogger("pymongo").setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.captureWarnings(capture=True)
    # The ids stay in ``extra``; repeating them in the text would make every message unique.
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False
