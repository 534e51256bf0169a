"""The text of PDFs, page by page."""

from contextlib import suppress
from datetime import datetime
from io import BytesIO

from pypdf import PdfReader

from activities.reading.faults import DocumentFault
from activities.reading.texts import plain

_TEXTS = ("title", "author", "subject", "keywords", "creator", "producer")
_INSTANTS = ("creation_date", "modification_date")


def pdf_pages(content: bytes) -> tuple[list[str], dict[str, str]]:
    """Return the text of each page, and what the document says of itself.

    Raises:
        DocumentFault: The document is encrypted, has no pages or shows no text; broken ones raise
            whatever the parser raises.
    """
    reader = PdfReader(BytesIO(content), strict=False)
    # Many documents are encrypted for the sake of their permissions and open without a password.
    if reader.is_encrypted and not reader.decrypt(""):
        raise DocumentFault("EncryptedDocument", "the PDF needs a password")
    pages = [plain(page.extract_text()) for page in reader.pages]
    if not pages:
        raise DocumentFault("EmptyDocument", "the PDF has no pages")
    if not any(page.strip() for page in pages):
        raise DocumentFault(
            "NoText", f"none of the PDF's {len(pages)} pages holds text; it may be a scan"
        )
    return pages, _metadata(reader)


def _metadata(reader: PdfReader) -> dict[str, str]:
    """Return what the document says of itself; what cannot be read is left out."""
    found: dict[str, str] = {}
    for name in (*_TEXTS, *_INSTANTS):
        with suppress(Exception):
            value = getattr(reader.metadata, name, None)
            if isinstance(value, datetime):
                value = value.isoformat()
            if isinstance(value, str) and value.strip():
                found[name] = plain(value.strip())
    return found
