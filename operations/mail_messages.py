"""Reading messages that anybody may have written.

What is costly to read is refused before it is: nesting costs the parser time for each line.

Source: docs/security.md, "Incoming mail".
"""

import codecs
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parseaddr

from flows.errors import InvalidError, TooLargeError
from flows.executors.mail_addresses import checked_address
from operations.files import DEFAULT_CONTENT_TYPE, MAX_FILENAME_CHARS, is_media_type

MAX_PARTS = 100
MAX_NESTING = 20
MAX_MULTIPARTS = 40
MAX_BODY_CHARS = 500_000
MAX_SUBJECT_CHARS = 1_000
MAX_MESSAGE_ID_CHARS = 500

_MULTIPART = re.compile(rb"boundary[*0-9 \t]*=", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NO_TEXT = frozenset({"idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape"})
"""Codecs that are no character sets, some of them slow."""

_NONSENSE = (AttributeError, LookupError, TypeError, ValueError)
"""What the parser of the standard library raises where a header makes no sense to it."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part of a message that is not its text."""

    filename: str
    mime_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class MailMessage:
    """What a flow is told of a message.

    Attributes:
        sender: Bare address of ``From``.
        body: Plain text; HTML where the message has no other.
        message_id: Empty where there is none.
        fingerprint: What tells the message from any other: its ``Message-ID``, or its digest.
    """

    sender: str
    subject: str
    body: str
    attachments: Sequence[Attachment]
    message_id: str
    fingerprint: str


def read_message(raw: bytes) -> MailMessage:
    """Return what a message says.

    Raises:
        InvalidError: It has no one sender, or makes no sense.
        TooLargeError: Too many parts, too deep, or too long a text.
    """
    if sum(1 for _ in _MULTIPART.finditer(raw)) > MAX_MULTIPARTS:
        raise TooLargeError("the message has too many parts")
    try:
        message = message_from_bytes(raw)
        return _read(message, raw)
    except RecursionError:
        raise TooLargeError("the message is nested too deeply") from None
    except _NONSENSE:
        raise InvalidError("the message cannot be read") from None


def _read(message: Message, raw: bytes) -> MailMessage:
    leaves = list(_leaves(message))
    texts = [part for part in leaves if _is_text(part)]
    plain = [part for part in texts if part.get_content_type() == "text/plain"]
    body = "\n".join(_text(part) for part in plain or texts)
    if len(body) > MAX_BODY_CHARS:
        raise TooLargeError("the text of the message is too long")
    message_id = _header(message, "Message-ID")[:MAX_MESSAGE_ID_CHARS]
    return MailMessage(
        sender=_sender(message),
        subject=_header(message, "Subject")[:MAX_SUBJECT_CHARS],
        body=body,
        attachments=[_attachment(part) for part in leaves if not _is_text(part)],
        message_id=message_id,
        fingerprint=message_id or hashlib.sha256(raw).hexdigest(),
    )


def _leaves(message: Message) -> Iterator[Message]:
    """Yield the parts that hold something, in order; a message in a message is one of them."""
    stack: list[tuple[Message, int, bool]] = [(message, 0, True)]
    seen = 0
    while stack:
        part, depth, counts = stack.pop()
        seen += 1
        if seen > MAX_PARTS or depth > MAX_NESTING:
            raise TooLargeError("the message has too many parts")
        is_forwarded = part.get_content_maintype() == "message"
        if counts and (is_forwarded or not part.is_multipart()):
            yield part
        # What is inside a forwarded message is looked at for its depth alone.
        inner = counts and not is_forwarded
        stack.extend((child, depth + 1, inner) for child in reversed(_children(part)))


def _children(part: Message) -> list[Message]:
    payload = part.get_payload() if part.is_multipart() else []
    inner = payload if isinstance(payload, list) else []
    return [child for child in inner if isinstance(child, Message)]


def _is_text(part: Message) -> bool:
    return (
        part.get_content_type() in ("text/plain", "text/html")
        and part.get_content_disposition() != "attachment"
        and part.get_filename() is None
    )


def _text(part: Message) -> str:
    charset = part.get_content_charset("utf-8")
    try:
        name = codecs.lookup(charset).name.replace("-", "_")
        content = _content(part)
        text = content.decode("utf-8" if name in _NO_TEXT else charset, "replace")
    except (LookupError, ValueError):
        text = _content(part).decode("utf-8", "replace")
    return _clean(text.replace("\r\n", "\n"))


def _content(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    if isinstance(content, bytes):
        return content
    return b"".join(forwarded.as_bytes() for forwarded in _children(part)[:1])


def _attachment(part: Message) -> Attachment:
    mime_type = part.get_content_type()
    name = _CONTROL.sub(" ", _decoded(part.get_filename() or "")).replace("\\", "/")
    return Attachment(
        filename=name.rpartition("/")[2].strip()[-MAX_FILENAME_CHARS:] or "attachment",
        mime_type=mime_type if is_media_type(mime_type) else DEFAULT_CONTENT_TYPE,
        content=_content(part),
    )


def _sender(message: Message) -> str:
    """Return the one address in ``From``; two of them could mean two things to two readers."""
    headers = message.get_all("From") or []
    try:
        if len(headers) != 1:
            raise ValueError
        return checked_address(parseaddr(str(headers[0]))[1])
    except ValueError:
        raise InvalidError("the message does not say in one From whom it comes from") from None


def _header(message: Message, name: str) -> str:
    """Return a header on one line; empty if it is missing."""
    return _CONTROL.sub(" ", _decoded(str(message.get(name, "")))).strip()


def _decoded(text: str) -> str:
    """Return a text of a header with its encoded words read, as far as they can be."""
    try:
        return _clean(str(make_header(decode_header(text))))
    except (HeaderParseError, LookupError, ValueError):
        return _clean(text)


def _clean(text: str) -> str:
    """Replace what UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode()
