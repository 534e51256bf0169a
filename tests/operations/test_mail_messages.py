"""Messages as they come: well formed, odd and hostile."""

import re
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.errors import InvalidError, TooLargeError
from operations.mail_messages import (
    MAX_BODY_CHARS,
    MAX_MULTIPARTS,
    MAX_NESTING,
    MAX_PARTS,
    read_message,
)
from tests.support.letters import SENDER, a_letter

FROM = b"From: ada@example.org\r\n"


def test_plain_text_is_preferred_and_html_the_fallback() -> None:
    both, html = a_letter(body="plain"), EmailMessage()
    both.add_alternative("<p>rich</p>", subtype="html")
    html["From"] = SENDER
    html.set_content("<p>rich</p>", subtype="html")

    assert read_message(both.as_bytes()).body == "plain\n"
    assert read_message(both.as_bytes()).attachments == []
    assert read_message(html.as_bytes()).body == "<p>rich</p>\n"


def test_headers_are_decoded_and_stay_on_one_line() -> None:
    raw = FROM + b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n from =?utf-8?q?a=0Ab?=\r\n\r\n"

    message = read_message(raw)

    assert message.subject == "Grüße from a b"


def test_a_file_name_is_no_path() -> None:
    letter = a_letter(attachments=[("../../etc\\pass\u00fc.txt", "text/plain", b"x")])

    (attachment,) = read_message(letter.as_bytes()).attachments

    assert (attachment.filename, attachment.content) == ("passü.txt", b"x")


def test_a_forwarded_message_is_one_attachment() -> None:
    inner = a_letter("inner", attachments=[("a.txt", "text/plain", b"a")])
    outer = a_letter("outer", "see below\n")
    outer.add_attachment(inner)

    message = read_message(outer.as_bytes())

    assert message.body == "see below\n"
    assert [part.mime_type for part in message.attachments] == ["message/rfc822"]
    assert read_message(message.attachments[0].content).subject == "inner"


@pytest.mark.parametrize("charset", ["no-such", "punycode", "idna", "hex", "utf-16", "undefined"])
def test_a_charset_that_is_none_loses_no_message(charset: str) -> None:
    raw = FROM + f"Content-Type: text/plain; charset={charset}\r\n\r\nhello you\r\n".encode()

    assert isinstance(read_message(raw).body, str)


@pytest.mark.parametrize(
    "headers",
    [
        b"",
        b"From: \r\n",
        b"From: Ada\r\n",
        FROM + FROM,
        b"From: a@b.c\x00d\r\n",
        b"From: <ada@@example.org>\r\n",
    ],
)
def test_a_message_comes_from_one_address(headers: bytes) -> None:
    with pytest.raises(InvalidError):
        read_message(headers + b"Subject: x\r\n\r\nx\r\n")


def nested(levels: int) -> bytes:
    head = b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (level, level)
        for level in range(levels)
    )
    return FROM + head + b"\r\nx\r\n"


def test_nesting_has_an_end() -> None:
    assert read_message(nested(MAX_NESTING - 1)).body == "x"
    for levels in (MAX_NESTING + 1, MAX_MULTIPARTS + 1):
        with pytest.raises(TooLargeError):
            read_message(nested(levels))


@pytest.mark.parametrize(
    "raw",
    [
        FROM + b"Content-Type: message/rfc822\r\n\r\n" * 5_000,
        FROM
        + b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'
        + b"--x\r\n\r\na\r\n" * (MAX_PARTS + 1),
        FROM + b"\r\n" + b"x" * (MAX_BODY_CHARS + 1),
    ],
)
def test_what_is_too_much_is_refused(raw: bytes) -> None:
    with pytest.raises(TooLargeError):
        read_message(raw)


def test_the_message_id_tells_messages_apart_and_else_the_digest() -> None:
    named = FROM + b"Message-ID: <1@x>\r\n\r\na"

    assert read_message(named).fingerprint == read_message(b"X: y\r\n" + named).fingerprint
    assert read_message(FROM + b"\r\na").fingerprint != read_message(FROM + b"\r\nb").fingerprint


_LINES = st.sampled_from(
    [
        b"Subject: =?utf-8?b?!!!?=",
        b"Subject: =?x?q?=FF?=",
        b"Content-Type: multipart/mixed; boundary=x",
        b"Content-Type: text/plain; charset*=''%FF",
        b"Content-Type: message/rfc822",
        b"Content-Type: text/plain; name*0*=utf-8''%ff; name*2=b",
        b"Content-Disposition: attachment; filename==?utf-8?q?=00?=",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: x-uuencode",
        b"begin 644 x",
        b"--x",
        b"--x--",
        b"",
        b"====",
    ]
)


def test_a_charset_that_is_misspelt_loses_no_message() -> None:
    raw = FROM + b"Content-Type: text/plain; charset*=''%FF\r\n\r\nhello \xff\r\n"

    assert read_message(raw).body.startswith("hello")


@given(lines=st.lists(_LINES | st.binary(max_size=20), max_size=20))
def test_whatever_comes_is_read_or_refused(lines: list[bytes]) -> None:
    try:
        message = read_message(FROM + b"\r\n".join(lines))
    except (InvalidError, TooLargeError):
        return
    for text in (message.subject, message.body, message.message_id):
        text.encode()
    for attachment in message.attachments:
        assert attachment.filename
        assert not re.search(r"[\x00-\x1f/\\]", attachment.filename)
