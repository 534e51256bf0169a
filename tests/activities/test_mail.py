import asyncio
import json
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from pydantic import JsonValue

from activities.egress import EgressGuard
from activities.mail import MailActivities, MailServer
from flows.errors import TaskFailedError
from flows.executors.mail_addresses import checked_address
from flows.executors.send_email import SEND_EMAIL
from flows.parameters import parameter_faults
from runtime.readiness import free_port
from tests.support.calls import a_call, performed
from tests.support.mail import Mailbox, mail_server
from tests.support.names import resolving
from tests.support.tls import Authority

PLAIN: dict[str, JsonValue] = {"recipient": "ada@example.org", "subject": "Hello", "body": "Hi"}


def mail_activities(mailbox: Mailbox | None = None) -> MailActivities:
    """Return activities whose own server is the mailbox; authors' may not be private."""
    if mailbox is None:
        return MailActivities(EgressGuard.of([]), None)
    server = MailServer("127.0.0.1", "flows@perdure.example", mailbox.port, "none")
    return MailActivities(EgressGuard.of([]), server)


async def sent(activities: MailActivities, **parameters: JsonValue) -> dict[str, JsonValue]:
    call = a_call("send_email", **{**PLAIN, **parameters})
    output = await performed(activities.send_email, call)
    assert isinstance(output, dict)
    return output


async def failure(activities: MailActivities, **parameters: JsonValue) -> TaskFailedError:
    with pytest.raises(TaskFailedError) as caught:
        await sent(activities, **parameters)
    return caught.value


async def test_a_message_arrives_as_it_was_written() -> None:
    body = "Grüße,\n.\n..dots\n" + "long " * 400
    async with mail_server() as mailbox:
        output = await sent(
            mail_activities(mailbox),
            subject="Größe: 5 €",
            body=body,
            reply_to="ops@bücher.example",
        )

    message = mailbox.message()
    envelope = mailbox.envelopes[0]
    assert (envelope.mail_from, envelope.rcpt_tos) == ("flows@perdure.example", ["ada@example.org"])
    assert message["From"] == "flows@perdure.example"
    assert message["To"] == "ada@example.org"
    assert message["Subject"] == "Größe: 5 €"
    assert message["Reply-To"] == "ops@xn--bcher-kva.example"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    assert message.get_content().replace("\r\n", "\n").rstrip("\n") == body
    assert output["email_id"] == message["Message-ID"]
    sent_at = datetime.fromisoformat(str(output["sent_at"]))
    assert sent_at.replace(microsecond=0) == parsedate_to_datetime(message["Date"])


async def test_a_body_may_be_html() -> None:
    async with mail_server() as mailbox:
        await sent(mail_activities(mailbox), body="<p>Hi</p>", is_html=True)

    assert mailbox.message().get_content_type() == "text/html"


async def test_a_repeated_attempt_has_the_same_message_id() -> None:
    async with mail_server() as mailbox:
        for _ in range(2):
            await sent(mail_activities(mailbox))

    first, second = (mailbox.message(index)["Message-ID"] for index in range(2))
    assert first == second
    assert first.endswith("@perdure.example>")


@pytest.mark.parametrize(
    "subject",
    ["a\r\nBcc: evil@example.org", "a\nBcc: evil@example.org", "a\r\n\r\nbody", "a\x00\x0b\x85b"],
)
async def test_a_subject_stays_in_its_line(subject: str) -> None:
    async with mail_server() as mailbox:
        await sent(mail_activities(mailbox), subject=subject)

    message = mailbox.message()
    assert message["Bcc"] is None
    assert mailbox.envelopes[0].rcpt_tos == ["ada@example.org"]
    assert message.get_content().strip() == "Hi"
    assert message["Subject"].startswith("a ")


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example\nRCPT TO:<c@d.example>",
        "a@b.example, c@d.example",
        "<a@b.example>",
        "Ada <a@b.example>",
        "a@b.example>",
        "a b@c.example",
        '"a b"@c.example',
        "a@b@c.example",
        "ä@b.example",
        "a..b@c.example",
        "a@b..example",
        "a@-b.example",
        "a@[127.0.0.1]",
        "@b.example",
        "a@",
        "a",
        "",
        "a" * 65 + "@b.example",
        "a@" + "b." * 150 + "example",
        "a@b.example\x00",
        "a\u2028@b.example",
    ],
)
async def test_what_is_no_address_is_refused(address: str) -> None:
    async with mail_server() as mailbox:
        for name in ("recipient", "reply_to"):
            error = await failure(mail_activities(mailbox), **{name: address})
            assert (error.type, error.retryable) == ("InvalidParameters", False)

    assert mailbox.envelopes == []


@pytest.mark.parametrize(
    ("address", "bare"),
    [
        (" ada@example.org ", "ada@example.org"),
        ("a.b+tag@sub.example.org", "a.b+tag@sub.example.org"),
        ("o'neill@example.org", "o'neill@example.org"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
    ],
)
def test_addresses_are_made_bare(address: str, bare: str) -> None:
    assert checked_address(address) == bare


@pytest.mark.parametrize(
    ("stage", "answer", "type", "retryable"),
    [
        ("RCPT", "550 5.1.1 no such user", "MailRefused", False),
        ("RCPT", "450 4.2.1 mailbox busy", "MailDeferred", True),
        ("DATA", "554 5.7.1 looks like spam", "MailRefused", False),
        ("DATA", "452 4.3.1 disk full", "MailDeferred", True),
    ],
)
async def test_what_a_server_refuses_is_final_and_what_it_puts_off_is_not(
    stage: str, answer: str, type: str, retryable: bool
) -> None:
    async with mail_server() as mailbox:
        mailbox.answers[stage] = answer
        error = await failure(mail_activities(mailbox))

    assert (error.type, error.retryable) == (type, retryable)
    assert answer in error.message


async def test_without_a_server_the_failure_says_what_to_set() -> None:
    error = await failure(mail_activities())

    assert (error.type, error.retryable) == ("MailNotConfigured", False)
    assert "PERDURE_SMTP_HOST" in error.message


# ------------------------------------------------------------------------------- authors' servers


def own(mailbox: Mailbox, **parameters: JsonValue) -> dict[str, JsonValue]:
    """Return parameters that name the mailbox as a server of the author's."""
    return {
        "smtp_host": "mail.example",
        "smtp_port": mailbox.port,
        "sender": "me@author.example",
        "smtp_username": "me",
        "smtp_password": "right",
        **parameters,
    }


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that is trusted, and a name for the server."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate_file))
    resolving(monkeypatch, {"mail.example": ["127.0.0.1"]})
    return authority


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_an_author_uses_a_server_of_their_own(authority: Authority, security: str) -> None:
    context = authority.server_context("mail.example")
    server = mail_server(starttls=context) if security == "starttls" else mail_server(tls=context)
    activities = MailActivities(EgressGuard.of(["127.0.0.1"]), None)
    async with server as mailbox:
        output = await sent(activities, **own(mailbox, smtp_security=security))

    assert mailbox.logins == [(b"me", b"right")]
    assert mailbox.encrypted == [True]
    assert mailbox.message()["From"] == "me@author.example"
    assert str(output["email_id"]).endswith("@author.example>")


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_of_another_name_gets_no_password(
    authority: Authority, security: str
) -> None:
    context = authority.server_context("other.example", "127.0.0.1")
    server = mail_server(starttls=context) if security == "starttls" else mail_server(tls=context)
    activities = MailActivities(EgressGuard.of(["127.0.0.1"]), None)
    async with server as mailbox:
        error = await failure(activities, **own(mailbox, smtp_security=security))

    assert (error.type, error.retryable) == ("ConnectionFailed", True)
    assert "mail.example" in error.message
    assert (mailbox.logins, mailbox.envelopes) == ([], [])


async def test_a_server_without_encryption_gets_neither_password_nor_message(
    authority: Authority,
) -> None:
    async with mail_server() as mailbox:
        error = await failure(MailActivities(EgressGuard.of(["127.0.0.1"]), None), **own(mailbox))

    assert (error.type, error.retryable) == ("MailNotEncrypted", False)
    assert (mailbox.logins, mailbox.envelopes) == ([], [])


async def test_a_wrong_password_is_final_and_in_no_message(authority: Authority) -> None:
    async with mail_server(starttls=authority.server_context("mail.example")) as mailbox:
        error = await failure(
            MailActivities(EgressGuard.of(["127.0.0.1"]), None),
            **own(mailbox, smtp_password="s3cret"),
        )

    assert (error.type, error.retryable) == ("MailAuthenticationFailed", False)
    assert "s3cret" not in error.message
    assert mailbox.logins[0] == (b"me", b"s3cret")
    assert mailbox.envelopes == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "mail.example", "2130706433"])
async def test_an_author_reaches_no_private_server(authority: Authority, host: str) -> None:
    async with mail_server() as mailbox:
        error = await failure(mail_activities(mailbox), **own(mailbox, smtp_host=host))

    assert (error.type, error.retryable) == ("HostRefused", False)
    assert mailbox.envelopes == []


# ------------------------------------------------------------------------------ broken connections


async def test_nobody_listening_is_worth_a_retry() -> None:
    error = await failure(mail_activities(Mailbox(port=free_port())))

    assert (error.type, error.retryable) == ("ConnectionFailed", True)


async def _failure_of(lines: list[bytes], *, hangs: bool) -> TaskFailedError:
    """Return how sending fails at a server that says this, one line an answer."""
    closing = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            for line in lines:
                writer.write(line)
                await writer.drain()
                await reader.readline()
            if hangs:
                await closing.wait()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        mailbox = Mailbox(port=server.sockets[0].getsockname()[1])
        call = a_call("send_email", **PLAIN)
        with pytest.raises(TaskFailedError) as caught:
            await performed(mail_activities(mailbox).send_email, call, allowed=timedelta(seconds=1))
        closing.set()
    return caught.value


@pytest.mark.parametrize(
    ("lines", "hangs", "type", "retryable"),
    [
        ([], True, "Timeout", True),
        ([], False, "ConnectionFailed", True),
        ([b"220 mail.test\r\n"], False, "ConnectionFailed", True),
        ([b"220 mail.test\r\n"], True, "Timeout", True),
        ([b"421 4.3.2 busy\r\n"], False, "MailDeferred", True),
        ([b"554 5.7.1 go away\r\n"], False, "MailRefused", False),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], False, "ConnectionFailed", True),
    ],
)
async def test_a_connection_that_breaks_is_worth_a_retry(
    lines: list[bytes], hangs: bool, type: str, retryable: bool
) -> None:
    error = await _failure_of(lines, hangs=hangs)

    assert (error.type, error.retryable) == (type, retryable)


# ------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("parameters", "types"),
    [
        ({}, []),
        ({"recipient": "{{form.output.email}}", "subject": "For {{form.output.name}}"}, []),
        ({"recipient": "nobody"}, ["value_error"]),
        ({"subject": "x" * 201}, ["string_too_long"]),
        ({"smtp_host": "mail.example"}, ["missing_parameter"]),
        ({"sender": "a@b.example"}, ["missing_parameter"]),
    ],
)
def test_mistakes_are_found_in_definitions(
    parameters: dict[str, JsonValue], types: list[str]
) -> None:
    faults = parameter_faults(SEND_EMAIL, {**PLAIN, **parameters})

    assert [fault.type for fault in faults] == types


async def test_a_password_is_never_sent_in_the_clear() -> None:
    async with mail_server() as mailbox:
        error = await failure(
            mail_activities(mailbox), **own(mailbox, smtp_security="none", smtp_password="s3cret")
        )

    assert error.type == "InvalidParameters"
    assert "s3cret" not in json.dumps([error.message, error.facts])
