"""A real SMTP server on the loopback address."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(slots=True)
class Mailbox:
    """What a server took, and how it answers.

    Attributes:
        envelopes: Accepted messages, in order.
        logins: Accounts that were tried, with their passwords.
        answers: Reply to a recipient (``RCPT``), to the content (``DATA``); accepted if left out.
        refusals: Replies to the next contents, before they are accepted.
        offered: ``Message-ID`` of each content that came, accepted or not.
        password: The only one that the server lets in.
        encrypted: For each envelope, whether it came over TLS.
    """

    port: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    offered: list[str] = field(default_factory=list)
    password: bytes = b"right"
    encrypted: list[bool] = field(default_factory=list)

    def message(self, index: int = 0) -> EmailMessage:
        """Return an accepted message."""
        content = self.envelopes[index].content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=default_policy)
        assert isinstance(message, EmailMessage)
        return message

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept a recipient, or not."""
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Accept a message, or not."""
        assert isinstance(envelope.content, bytes)
        self.offered.append(message_from_bytes(envelope.content)["Message-ID"])
        if self.refusals:
            return self.refusals.pop(0)
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.envelopes.append(envelope)
        assert server.transport is not None
        self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 taken"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        """Let the one password in."""
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == self.password, handled=False)


class _Server(SMTP):
    """Keeps its transports: aiosmtpd forgets those whose handshake fails."""

    def __init__(self, mailbox: Mailbox, **options: Any) -> None:
        """Begin without a connection."""
        super().__init__(mailbox, **options)
        self.transports: list[asyncio.BaseTransport] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, and once more when it is encrypted."""
        self.transports.append(transport)
        super().connection_made(transport)


@asynccontextmanager
async def mail_server(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Mailbox]:
    """Serve on a free port, with TLS from the start, on demand, or not at all."""
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()

    servers: list[_Server] = []

    def connected() -> SMTP:
        server = _Server(
            mailbox,
            hostname="mail.test",
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=mailbox.authenticate,
            auth_require_tls=tls is None,
            loop=loop,
        )
        servers.append(server)
        return server

    listening = await loop.create_server(connected, "127.0.0.1", 0, ssl=tls)
    mailbox.port = listening.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        listening.close()
        for transport in (each for server in servers for each in server.transports):
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
