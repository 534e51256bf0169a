"""Messages as people send them, and the sending of them."""

import asyncio
import smtplib
from collections.abc import Sequence
from email import policy
from email.message import EmailMessage
from email.utils import make_msgid

SENDER = "ada@example.org"


def a_letter(
    subject: str = "Note 4711",
    body: str = "Please find it attached.\n",
    *,
    sender: str = f"Ada Lovelace <{SENDER}>",
    attachments: Sequence[tuple[str, str, bytes]] = (),
    message_id: str | None = None,
) -> EmailMessage:
    """Return a message; attachments are file name, media type and content."""
    letter = EmailMessage()
    letter["From"] = sender
    letter["Subject"] = subject
    letter["Message-ID"] = message_id or make_msgid(domain="example.org")
    letter.set_content(body)
    for filename, mime_type, content in attachments:
        main, _, sub = mime_type.partition("/")
        letter.add_attachment(content, maintype=main, subtype=sub, filename=filename)
    return letter


async def post(port: int, raw: bytes | EmailMessage, *recipients: str) -> tuple[int, str]:
    """Send a message over SMTP and return what the server answers in the end."""
    content = raw if isinstance(raw, bytes) else raw.as_bytes(policy=policy.SMTP)

    def send() -> tuple[int, str]:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            client.ehlo("sender.test")
            code, answer = client.mail(SENDER)
            assert code == 250, answer
            for recipient in recipients:
                code, answer = client.rcpt(recipient)
                if code != 250:
                    return code, answer.decode()
            code, answer = client.data(content)
            return code, answer.decode()

    return await asyncio.to_thread(send)
