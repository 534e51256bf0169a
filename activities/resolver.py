"""Names and their addresses, from the system's resolver."""

import asyncio
import ipaddress
import socket
import threading
from contextlib import suppress

from activities.addresses import Address
from flows.errors import TaskFailedError

LOOK_UP_SECONDS = 15.0

_MAX_LOOK_UPS = 256

_Found = list[Address]


class Resolver:
    """Looks names up, each in a thread of its own.

    In a pool, a few names whose servers never answer would keep everybody's waiting, and a worker
    that is told to stop would wait for them.
    """

    def __init__(self) -> None:
        """Begin with nothing under way."""
        # Released when a look-up ends, which is later than when its caller gives up.
        self._under_way = threading.BoundedSemaphore(_MAX_LOOK_UPS)

    async def look_up(self, host: str, port: int) -> list[Address]:
        """Return the host's addresses, each once; a literal address is its own.

        Raises:
            TaskFailedError: ``HostNotFound``, worth a retry.
        """
        with suppress(ValueError):
            return [ipaddress.ip_address(host)]
        if not self._under_way.acquire(blocking=False):
            raise TaskFailedError(
                "too many names are being looked up", type="HostNotFound", retryable=True
            )
        answer: asyncio.Future[_Found] = asyncio.get_running_loop().create_future()
        threading.Thread(
            target=self._ask, args=(answer, host, port), name="look-up", daemon=True
        ).start()
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return await answer
        except (OSError, ValueError):  # a time-out is an OSError, a bad name a ValueError
            raise TaskFailedError(
                f"{host} has no address", type="HostNotFound", retryable=True
            ) from None

    def _ask(self, answer: "asyncio.Future[_Found]", host: str, port: int) -> None:
        """Ask the system's resolver, and hand the answer to the loop that waits for it."""
        found: _Found = []
        fault: Exception | None = None
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in entries)
            found = [ipaddress.ip_address(text) for text in texts]
        except (OSError, ValueError) as error:
            fault = error
        finally:
            self._under_way.release()

        def settle() -> None:
            if answer.done():
                return
            if fault is not None:
                answer.set_exception(fault)
            else:
                answer.set_result(found)

        with suppress(RuntimeError):  # the loop may be gone by now
            answer.get_loop().call_soon_threadsafe(settle)
