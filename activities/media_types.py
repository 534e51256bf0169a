"""What kind of document something is: what is said of it, against what its bytes look like."""

from activities.data_urls import DataUrl

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PDF = "application/pdf"

_ANYTHING = frozenset(
    {"", "application/octet-stream", "binary/octet-stream", "application/x-download"}
)
# What servers say of files that they do not know; the bytes know better.
_VAGUE = frozenset({"text/plain", "application/zip", "application/x-zip-compressed"})
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SNIFFED_BYTES = 1024


def media_type_of(document: DataUrl, declared: str | None) -> str:
    """Return the media type: as the author says, else the sender, else as the bytes look.

    A sender that is vague is not believed where the bytes say more.
    """
    author = _bare(declared or "")
    if author not in _ANYTHING:
        return author
    sender = _bare(document.mime_type)
    if sender not in _ANYTHING and sender not in _VAGUE:
        return sender
    return _sniffed(document.content) or (sender if sender in _VAGUE else "text/plain")


def charset_of(document: DataUrl, declared: str | None) -> str | None:
    """Return the encoding that the author or the sender names, if one does."""
    for candidate in (declared or "", document.mime_type):
        for parameter in candidate.split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset" and value.strip():
                return value.strip().strip("\"'")
    return None


def _bare(media_type: str) -> str:
    """Return a media type without its parameters."""
    return media_type.partition(";")[0].strip().lower()


def _sniffed(content: bytes) -> str | None:
    """Return the media type that the first bytes leave no doubt of."""
    beginning = content[:_SNIFFED_BYTES]
    if b"%PDF-" in beginning:
        return PDF
    if content.startswith(b"PK\x03\x04"):
        if b"word/document.xml" in content:
            return DOCX
        return XLSX if b"xl/workbook.xml" in content else "application/zip"
    if content.startswith(_OLE):
        return "application/x-ole-storage"
    text = beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return "text/html" if text.startswith((b"<!doctype html", b"<html")) else None
