"""What the driver says when MongoDB does not answer, told apart from every other mistake."""

import functools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from flows.errors import StoreUnavailableError

P = ParamSpec("P")
R = TypeVar("R")

DUPLICATE_KEY = 11_000

_NOT_NOW = frozenset(
    {
        6,  # host unreachable
        7,  # host not found
        50,  # time limit exceeded
        64,  # write concern not satisfied in time
        89,  # network timeout
        91,  # shutting down
        134,  # majority snapshot not available
        189,  # primary stepped down
        262,  # exceeded time limit
        9001,  # socket closed
        10107,  # not the primary
        11600,  # interrupted by shutdown
        11602,  # interrupted by a change of replica set state
        13435,  # not the primary, and no reads from others
        13436,  # recovering
        14031,  # disk full
    }
)


@contextmanager
def store_faults() -> Iterator[None]:
    """Turn what means "MongoDB does not answer" into our own error; let the rest through.

    Raises:
        StoreUnavailableError: No primary, a broken or slow connection, a write that was not
            acknowledged by a majority, a full disk.
    """
    try:
        yield
    except PyMongoError as error:
        if is_unavailable(error):
            raise StoreUnavailableError("the store does not answer") from error
        raise


def guarded(method: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Decorate a repository's method with ``store_faults``."""

    @functools.wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with store_faults():
            return await method(*args, **kwargs)

    return call


def is_unavailable(error: PyMongoError) -> bool:
    """Return whether trying the same again later could work."""
    if isinstance(error, ConnectionFailure | ExecutionTimeout | WTimeoutError) or error.timeout:
        return True
    if isinstance(error, BulkWriteError):
        details = error.details
        if details.get("writeConcernErrors"):
            return True
        return any(fault.get("code") in _NOT_NOW for fault in details.get("writeErrors", ()))
    return isinstance(error, OperationFailure) and error.code in _NOT_NOW
