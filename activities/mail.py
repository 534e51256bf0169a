"""``send_email``: hands one message to a mail server per attempt."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import cast

import aiosmtplib
from pydantic import JsonValue
from temporalio import activity

from activities.egress import EgressGuard
from activities.parameters import parameters_of
from activities.time_limits import allowed_seconds
from contracts.messages import TaskCall
from flows.errors import TaskFailedError
from flows.executors.send_email import SEND_EMAIL, Security, SendEmailParameters

_PORT_BY_SECURITY: dict[Security, int] = {"starttls": 587, "tls": 465, "none": 25}
_QUIT_SECONDS = 2.0
_SHOWN_CHARS = 300
# Long lines and 8-bit text are encoded by us: not every server takes them as they are.
_POLICY = SMTP_POLICY.clone(cte_type="7bit")


@dataclass(frozen=True, slots=True)
class MailServer:
    """A server that takes messages, and who sends by it.

    Attributes:
        port: None for the one that is usual for the kind of encryption.
        sender: Bare address that stands in ``From``, and that refusals go to.
    """

    host: str
    sender: str
    port: int | None = None
    security: Security = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def connection_port(self) -> int:
        """Return the port to connect to."""
        return self.port or _PORT_BY_SECURITY[self.security]


class MailActivities:
    """Sends messages."""

    def __init__(self, guard: EgressGuard, server: MailServer | None) -> None:
        """Keep the guard for authors' servers, and the platform's own server.

        Args:
            server: Chosen by the operator, so it may be anywhere. None if there is none.
        """
        self._guard = guard
        self._own_guard = EgressGuard.of(["*"])
        self._server = server
        self._tls = ssl.create_default_context()

    @activity.defn(name=SEND_EMAIL.name)
    async def send_email(self, call: TaskCall) -> JsonValue:
        """Send the message; every attempt gives it the same ``Message-ID``.

        Raises:
            TaskFailedError: ``MailRefused``, ``MailAuthenticationFailed``, ``MailNotEncrypted``,
                ``MailNotConfigured``, ``InvalidMessage`` and ``HostRefused`` are final;
                ``MailDeferred``, ``ConnectionFailed``, ``HostNotFound`` and ``Timeout`` are worth
                a retry.
        """
        parameters = parameters_of(call, SendEmailParameters)
        guard, server = self._route(parameters)
        sent_at = datetime.now(UTC)
        email_id = _message_id(call.effect_key, server.sender)
        content = _content(parameters, server.sender, email_id, sent_at)
        seconds = allowed_seconds(SEND_EMAIL.default_timeout)
        try:
            async with asyncio.timeout(seconds), self._connected(guard, server) as client:
                await client.sendmail(server.sender, [parameters.recipient], content)
        except TimeoutError:
            raise TaskFailedError(
                f"{server.host} did not take the message within {seconds:g} s",
                type="Timeout",
                retryable=True,
            ) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _failure(server, error) from None
        return {"email_id": email_id, "sent_at": sent_at.isoformat()}

    def _route(self, parameters: SendEmailParameters) -> tuple[EgressGuard, MailServer]:
        """Return the server and who guards the way; credentials belong to one server only."""
        if parameters.smtp_host is not None and parameters.sender is not None:
            return self._guard, MailServer(
                host=parameters.smtp_host,
                sender=parameters.sender,
                port=parameters.smtp_port,
                security=parameters.smtp_security,
                username=parameters.smtp_username,
                password=parameters.smtp_password,
            )
        if self._server is None:
            raise TaskFailedError(
                "no mail server: set PERDURE_SMTP_HOST, or give the task an smtp_host",
                type="MailNotConfigured",
            )
        return self._own_guard, self._server

    @asynccontextmanager
    async def _connected(
        self, guard: EgressGuard, server: MailServer
    ) -> AsyncIterator[aiosmtplib.SMTP]:
        """Connect to a checked address, encrypt, and log in where there is an account."""
        opened = await guard.connect(server.host, server.connection_port)
        client = aiosmtplib.SMTP(
            # With a socket the name is for certificates only; it is not looked up again.
            hostname=server.host,
            sock=opened,
            timeout=None,
            local_hostname=server.sender.rpartition("@")[2],
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=self._tls,
        )
        try:
            await client.connect()
            if server.username is not None and server.password is not None:
                await client.login(server.username, server.password)
            yield client
            # The message is accepted by now: a server that does not say goodbye changes nothing.
            with suppress(aiosmtplib.SMTPException, OSError):
                async with asyncio.timeout(_QUIT_SECONDS):
                    await client.quit()
        finally:
            # Not closed but aborted: nobody waits until a server has read what is left for it.
            # (By type it may be any transport: those of uvloop do not derive from asyncio's.)
            transport = cast("asyncio.WriteTransport | None", client.transport)
            if transport is not None:
                transport.abort()
            client.close()


def _message_id(effect_key: str, sender: str) -> str:
    """Return an id that all attempts of one effect share, by which a repetition is recognised."""
    digest = hashlib.sha256(effect_key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"<{digest[:32]}@{sender.rpartition('@')[2]}>"


def _content(
    parameters: SendEmailParameters, sender: str, message_id: str, sent_at: datetime
) -> bytes:
    """Return the message as it travels; the library refuses line breaks in headers, we make none.

    Raises:
        TaskFailedError: ``InvalidMessage``; a text cannot be written in UTF-8.
    """
    message = EmailMessage(_POLICY)
    try:
        message["From"] = sender
        message["To"] = parameters.recipient
        if parameters.reply_to is not None:
            message["Reply-To"] = parameters.reply_to
        message["Subject"] = _one_line(parameters.subject)
        message["Date"] = format_datetime(sent_at)
        message["Message-ID"] = message_id
        message["Auto-Submitted"] = "auto-generated"
        parameters.body.encode()
        message.set_content(parameters.body, subtype="html" if parameters.is_html else "plain")
        return message.as_bytes()
    except ValueError as error:
        raise TaskFailedError(
            f"the message cannot be written: {error}", type="InvalidMessage"
        ) from None


def _one_line(text: str) -> str:
    """Return the text without line breaks and control characters."""
    text.encode()
    return " ".join("".join(each if each.isprintable() else " " for each in text).split()) or " "


def _failure(server: MailServer, error: Exception) -> TaskFailedError:
    """Return what went wrong; nothing of the account is in it."""
    host = server.host
    refusal = error
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
        refusal = error.recipients[0]
    match refusal:
        case aiosmtplib.SMTPAuthenticationError(code=code) if code >= 500:
            # What a server says about a failed login may repeat the account.
            return TaskFailedError(
                f"{host} refused the account with {code}", type="MailAuthenticationFailed"
            )
        case aiosmtplib.SMTPResponseException(code=code, message=said) if 400 <= code < 600:
            is_final = code >= 500
            shown = " ".join(said.split())[:_SHOWN_CHARS]
            return TaskFailedError(
                f"{host} {'refused the message' if is_final else 'answered'} with {code} {shown}",
                type="MailRefused" if is_final else "MailDeferred",
                retryable=not is_final,
                smtp_code=code,
            )
        case (
            aiosmtplib.SMTPServerDisconnected()
            | aiosmtplib.SMTPResponseException()
            | aiosmtplib.SMTPConnectError()
            | OSError()
        ):
            return TaskFailedError(
                f"the connection to {host} failed: {_reason(refusal)}",
                type="ConnectionFailed",
                retryable=True,
            )
        case _ if "STARTTLS" in str(refusal):
            return TaskFailedError(f"{host} offers no STARTTLS", type="MailNotEncrypted")
        case _:
            return TaskFailedError(f"{host} cannot be used: {refusal}", type="MailRefused")


def _reason(error: Exception) -> str:
    """Return the reason of a broken connection, that of a certificate first."""
    cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
    return str(cause) or type(cause).__name__
