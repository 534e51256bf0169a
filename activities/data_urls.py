"""``data:`` URLs, by which a document travels inside JSON."""

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from flows.errors import TaskFailedError


@dataclass(frozen=True, slots=True)
class DataUrl:
    """What a ``data:`` URL holds; without a media type it is text. Parameters follow the type."""

    mime_type: str
    content: bytes


def read_data_url(url: str) -> DataUrl:
    """Take a ``data:`` URL apart.

    Raises:
        TaskFailedError: Type ``InvalidDocumentUrl``; there is no comma, or the Base64 is broken.
    """
    head, comma, body = url[len("data:") :].partition(",")
    if not comma:
        raise TaskFailedError("the data: URL has no comma", type="InvalidDocumentUrl")
    *_, last = parts = [part.strip() for part in head.split(";")]
    is_base64 = len(parts) > 1 and last.lower() == "base64"
    content = unquote_to_bytes(body)
    if is_base64:
        try:
            content = base64.b64decode(b"".join(content.split()), validate=True)
        except binascii.Error as error:
            raise TaskFailedError(
                f"the data: URL is not valid Base64: {error}", type="InvalidDocumentUrl"
            ) from None
    named = parts[:-1] if is_base64 else parts
    return DataUrl(";".join([named[0].lower() or "text/plain", *named[1:]]), content)
