"""Reads one PDF from standard input; runs as a script, in a process of its own.

A document comes from outside: reading it may take for ever, all the memory there is, or the
process. So it happens here, where it can be killed. Answers one JSON object on standard output:
``pages`` and ``metadata``, or ``fault`` with a ``type`` and a ``message``. Imports nothing of
ours, because it has to start fast.
"""

import json
import logging
import resource
import sys
import warnings
from contextlib import suppress
from datetime import datetime
from io import BytesIO

from pypdf import PdfReader
from pypdf.errors import PdfReadError, PyPdfError

_MAX_MEMORY_BYTES = 2 * 1024 * 1024 * 1024
_TEXTS = ("title", "author", "subject", "keywords", "creator", "producer")
_INSTANTS = ("creation_date", "modification_date")


class DocumentFault(Exception):
    """The document cannot be read as text."""

    def __init__(self, kind: str, message: str) -> None:
        """Name the kind of fault, as ``error.type`` will show it."""
        super().__init__(message)
        self.kind = kind


def read(content: bytes) -> dict[str, object]:
    """Return ``pages`` and ``metadata`` of a PDF."""
    reader = PdfReader(BytesIO(content), strict=False)
    # Many documents are encrypted for the sake of their permissions and open without a password.
    if reader.is_encrypted and not reader.decrypt(""):
        raise DocumentFault("EncryptedDocument", "the PDF needs a password")
    pages = [_plain(page.extract_text()) for page in reader.pages]
    if not pages:
        raise DocumentFault("EmptyDocument", "the PDF has no pages")
    if not any(page.strip() for page in pages):
        raise DocumentFault(
            "NoText", f"none of the PDF's {len(pages)} pages holds text; it may be a scan"
        )
    return {"pages": pages, "metadata": _metadata(reader)}


def _metadata(reader: PdfReader) -> dict[str, str]:
    """Return what the document says of itself; what cannot be read is left out."""
    found: dict[str, str] = {}
    for name in (*_TEXTS, *_INSTANTS):
        with suppress(Exception):
            value = getattr(reader.metadata, name, None)
            if isinstance(value, datetime):
                value = value.isoformat()
            if isinstance(value, str) and value.strip():
                found[name] = _plain(value.strip())
    return found


def _plain(text: str) -> str:
    """Replace what JSON and databases refuse: halves of surrogate pairs, and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def main() -> None:
    """Read standard input, answer on standard output; the argument limits seconds of CPU time."""
    seconds = int(sys.argv[1])
    # Whoever waits for the answer kills sooner; this is for when nobody waits any more.
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable()
    warnings.simplefilter("ignore")
    answer: dict[str, object]
    try:
        answer = read(sys.stdin.buffer.read())
    except DocumentFault as fault:
        answer = {"fault": {"type": fault.kind, "message": str(fault)}}
    except MemoryError:
        answer = {"fault": {"type": "DocumentTooLarge", "message": "reading needs too much memory"}}
    except (PdfReadError, PyPdfError, ValueError, RecursionError) as error:
        answer = {"fault": {"type": "BrokenDocument", "message": f"the PDF is broken: {error}"}}
    except Exception as error:  # a broken file can make the parser raise anything
        message = f"the PDF is broken: {type(error).__name__}: {error}"
        answer = {"fault": {"type": "BrokenDocument", "message": message}}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
