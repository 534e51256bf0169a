"""Every task executor that this installation knows.

Source: docs/task-executors.md.
"""

from collections.abc import Mapping
from types import MappingProxyType

from flows.errors import StartUpError
from flows.executors.activity import ACTIVITY
from flows.executors.branch import BRANCH
from flows.executors.classify import CLASSIFY_DOCUMENT, CLASSIFY_TEXT
from flows.executors.custom_form_input import CUSTOM_FORM_INPUT
from flows.executors.doc_to_structured import DOC_TO_STRUCTURED
from flows.executors.doc_to_text import DOC_TO_TEXT
from flows.executors.external_db import EXTERNAL_DB
from flows.executors.format_data import FORMAT_DATA
from flows.executors.http_request import HTTP_REQUEST
from flows.executors.human_review import HUMAN_REVIEW
from flows.executors.python_code import PYTHON_CODE
from flows.executors.read_sheet import READ_SHEET
from flows.executors.receive_email import RECEIVE_EMAIL
from flows.executors.receive_file import RECEIVE_FILE
from flows.executors.scheduled_trigger import SCHEDULED_TRIGGER
from flows.executors.send_email import SEND_EMAIL
from flows.executors.spec import TaskExecutor
from flows.executors.validation import VALIDATION
from flows.executors.wait import WAIT
from flows.executors.webhook_notification import WEBHOOK_NOTIFICATION
from flows.executors.webhook_receive import WEBHOOK_RECEIVE
from flows.executors.webhook_receiver import WEBHOOK_RECEIVER

_executors: dict[str, TaskExecutor] = {
    executor.name: executor
    for executor in (
        RECEIVE_FILE,
        CUSTOM_FORM_INPUT,
        WEBHOOK_RECEIVE,
        RECEIVE_EMAIL,
        SCHEDULED_TRIGGER,
        DOC_TO_TEXT,
        READ_SHEET,
        DOC_TO_STRUCTURED,
        CLASSIFY_DOCUMENT,
        CLASSIFY_TEXT,
        FORMAT_DATA,
        PYTHON_CODE,
        HTTP_REQUEST,
        EXTERNAL_DB,
        WEBHOOK_NOTIFICATION,
        SEND_EMAIL,
        BRANCH,
        VALIDATION,
        HUMAN_REVIEW,
        WAIT,
        WEBHOOK_RECEIVER,
        ACTIVITY,
    )
}

EXECUTORS: Mapping[str, TaskExecutor] = MappingProxyType(_executors)
"""By name, in the order in which they are listed to people."""

_name_by_alias = {
    alias: executor.name for executor in EXECUTORS.values() for alias in executor.aliases
}


def register(executor: TaskExecutor) -> None:
    """Add an executor that does not ship with the platform; again changes nothing.

    Every process that reads definitions or runs them needs it, before it begins.

    Raises:
        StartUpError: Its name, or an alias, means another executor.
    """
    for name in (executor.name, *executor.aliases):
        if executor_named(name) not in (None, executor):
            raise StartUpError(f"two task executors are called {name}")
    _executors[executor.name] = executor
    _name_by_alias.update(dict.fromkeys(executor.aliases, executor.name))


def unregister(executor: TaskExecutor) -> None:
    """Take an executor out that was registered; unknown ones change nothing."""
    if _executors.pop(executor.name, None) is not None:
        for alias in executor.aliases:
            del _name_by_alias[alias]


def executor_named(name: str) -> TaskExecutor | None:
    """Return the executor that a definition means by a name or an alias; None if unknown."""
    return EXECUTORS.get(_name_by_alias.get(name, name))


def executor_names() -> list[str]:
    """Return every name and alias that a definition may use."""
    return [*EXECUTORS, *_name_by_alias]
