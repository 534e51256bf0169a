"""What the Temporal client raises, turned into our errors; and a bound on every call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.service import RPCError, RPCStatusCode

from flows.errors import TemporalUnavailableError

CALL_TIMEOUT = timedelta(seconds=3)


class WorkflowNotFoundError(Exception):
    """No workflow by that id, or it has ended; the gateway alone knows it."""


class RequestRefusedError(Exception):
    """Temporal finds the request wrong; the gateway alone knows it."""


@asynccontextmanager
async def translated(limit: timedelta = CALL_TIMEOUT) -> AsyncIterator[None]:
    """Turn what the client raises into our errors, and bound the whole call.

    The client's own deadline covers neither connecting nor the retries that it makes inside.
    """
    try:
        async with asyncio.timeout(limit.total_seconds()):
            yield
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise WorkflowNotFoundError from error
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise RequestRefusedError from error
        raise TemporalUnavailableError(
            "Temporal does not answer", status=error.status.name
        ) from error
    except TimeoutError as error:
        raise TemporalUnavailableError("Temporal does not answer in time") from error
    except RuntimeError as error:
        if not str(error).startswith("Failed client connect"):
            raise
        raise TemporalUnavailableError("Temporal does not answer") from error
