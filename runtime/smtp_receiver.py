"""An SMTP server that hands messages to whoever wants them; it keeps none.

Source: docs/configuration.md, "Incoming mail"; docs/decisions/0028-mail-that-starts-flows.md.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Protocol

from aiosmtpd.smtp import SMTP, Envelope, Session

from flows.errors import (
    ConflictError,
    EngineError,
    IdempotencyConflictError,
    InvalidError,
    NotFoundError,
    StartUpError,
    TooLargeError,
)

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 20
MAX_RECIPIENTS = 100
PATIENCE = timedelta(seconds=60)
"""For one command; for a message with all that it takes to record it."""

_LATER = "451 4.3.0 Try again later"
_UNKNOWN = "550 5.1.1 Nobody receives messages there"


class Intake(Protocol):
    """Who messages are for."""

    async def receives(self, address: str) -> bool:
        """Return whether an address is known."""

    async def take(self, address: str, raw: bytes) -> object:
        """Take the responsibility for a message to one address, or raise why not."""


@asynccontextmanager
async def receiving_mail(
    intake: Intake, host: str, port: int, *, max_bytes: int, patience: timedelta = PATIENCE
) -> AsyncIterator[int]:
    """Receive messages for a while, and yield the port.

    Args:
        patience: How long a connection waits for its next command, or a message to come whole.

    Raises:
        StartUpError: The port cannot be listened on.
    """
    loop = asyncio.get_running_loop()
    sessions: set[asyncio.Transport] = set()

    def connected() -> SMTP:
        return _Receiver(
            _Handler(intake),
            sessions,
            hostname="perdure",
            ident="ESMTP",
            data_size_limit=max_bytes,
            timeout=patience.total_seconds(),
            loop=loop,
        )

    try:
        server = await loop.create_server(connected, host, port)
    except OSError as error:
        raise StartUpError(f"mail cannot be received on {host}:{port}: {error}") from error
    actual = int(server.sockets[0].getsockname()[1])
    logger.info("receiving mail", extra={"port": actual})
    try:
        yield actual
    finally:
        # A message that is not answered yet comes again: its sender still has it.
        server.close()
        for transport in [*sessions]:
            transport.abort()


class _Receiver(SMTP):
    """One connection, of not too many."""

    def __init__(self, handler: Any, sessions: set[asyncio.Transport], **options: Any) -> None:
        self._sessions = sessions
        self._connection: asyncio.Transport | None = None
        super().__init__(handler, **options)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve the connection, unless there are too many."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - this is TCP
        if len(self._sessions) >= MAX_CONNECTIONS:
            transport.write(b"421 4.3.2 Too many connections, try again later\r\n")
            transport.close()
            return
        self._connection = transport
        self._sessions.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Make room for another one."""
        if self._connection is not None:
            self._sessions.discard(self._connection)
            super().connection_lost(error)


class _Handler:
    """Answers for what the intake says."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept a recipient that is known."""
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        try:
            is_known = await self._intake.receives(address)
        except EngineError as error:
            return _answer(error)
        if not is_known:
            return _UNKNOWN
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Accept a message once it is recorded for everybody who takes it.

        There is one answer for all recipients. So the whole message is wanted again as soon as one
        of them may take it later; who has taken it already does not take it twice.
        """
        assert isinstance(envelope.content, bytes)  # noqa: S101 - nothing is decoded
        answers: list[str] = []
        for address in dict.fromkeys(each.lower() for each in envelope.rcpt_tos):
            try:
                await self._intake.take(address, envelope.content)
                answers.append("250 2.0.0 Recorded")
            except EngineError as error:
                facts = {"reason": error.message}
                logger.info("a message was not taken", extra=facts)
                answers.append(_answer(error))
        later = [answer for answer in answers if answer.startswith("4")]
        return min(later or answers)

    async def handle_exception(self, error: Exception) -> str:
        """Let the sender try again after what nobody foresaw, and say nothing of it."""
        logger.error("receiving a message failed", exc_info=error)
        return _LATER


def _answer(error: EngineError) -> str:
    """Return what a sender is told, who need not know more than what to do."""
    if isinstance(error, NotFoundError):
        return _UNKNOWN
    if isinstance(error, TooLargeError):
        return "552 5.3.4 The message is too large"
    if isinstance(error, IdempotencyConflictError):
        return "554 5.6.0 Another message had this Message-ID"
    if isinstance(error, ConflictError):
        return "451 4.3.5 The flow cannot run as it is; try again later"
    if isinstance(error, InvalidError):
        return "554 5.7.1 The message is not taken"
    return _LATER
