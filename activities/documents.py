"""``doc_to_text``: fetches a document and takes its text out."""

import asyncio
import math
import sys
from pathlib import Path

from pydantic import BaseModel, JsonValue, ValidationError
from temporalio import activity

from activities import pdf_reader
from activities.data_urls import DataUrl
from activities.document_source import DocumentSource
from activities.parameters import parameters_of
from activities.time_limits import allowed_seconds
from contracts.messages import TaskCall
from flows.errors import TaskFailedError
from flows.executors.doc_to_text import DOC_TO_TEXT, DocToTextParameters

MAX_TEXT_BYTES = 4 * 1024 * 1024

_PDF = "application/pdf"
_ANYTHING = frozenset({"", "application/octet-stream", "binary/octet-stream"})


class _Fault(BaseModel):
    type: str
    message: str


class _Reading(BaseModel):
    """What the reading process answers."""

    pages: list[str] = []
    metadata: dict[str, str] = {}
    fault: _Fault | None = None


class DocumentActivities:
    """Turns documents into text."""

    def __init__(
        self,
        source: DocumentSource,
        *,
        max_readers: int = 2,
    ) -> None:
        """Borrow where documents come from.

        Args:
            max_readers: How many documents are read at once, each in a process of its own.
        """
        self._source = source
        self._readers = asyncio.Semaphore(max_readers)

    @activity.defn(name=DOC_TO_TEXT.name)
    async def doc_to_text(self, call: TaskCall) -> JsonValue:
        """Return the document's text, page by page, and what it says of itself.

        Raises:
            TaskFailedError: ``EncryptedDocument``, ``BrokenDocument``, ``EmptyDocument``,
                ``NoText``, ``UnsupportedDocument``, ``DocumentTooLarge``, or what
                ``DocumentSource.fetch`` says.
        """
        parameters = parameters_of(call, DocToTextParameters)
        document = await self._source.fetch(call.context.organization_id, parameters.url)
        if not document.content.strip():
            raise TaskFailedError("the document is empty", type="EmptyDocument")
        mime_type = _media_type(parameters.mime_type, document)
        if mime_type == _PDF:
            reading = await self._read(document.content)
        else:
            reading = _Reading(pages=_text_pages(mime_type, document.content))
        return _output(mime_type, reading)

    async def _read(self, content: bytes) -> _Reading:
        """Read a PDF, in its turn and in time."""
        seconds = allowed_seconds(DOC_TO_TEXT.default_timeout)
        try:
            async with asyncio.timeout(seconds), self._readers:
                return await _read_pdf(content, seconds)
        except TimeoutError:
            raise TaskFailedError(
                f"the PDF was not read within {seconds:g} s", type="Timeout", retryable=True
            ) from None


def _media_type(declared: str | None, document: DataUrl) -> str:
    """Return the media type: what the author says, else the URL, else what the bytes look like."""
    for candidate in (declared or "", document.mime_type):
        media_type = candidate.partition(";")[0].strip().lower()
        if media_type not in _ANYTHING:
            return media_type
    return _PDF if b"%PDF-" in document.content[:1024] else "text/plain"


def _text_pages(mime_type: str, content: bytes) -> list[str]:
    """Return the pages of a text document, which form feeds separate."""
    is_text = mime_type.startswith("text/") and mime_type != "text/html"
    if not is_text and mime_type != "application/json":
        raise TaskFailedError(f"cannot read {mime_type} documents", type="UnsupportedDocument")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TaskFailedError("the document is not UTF-8 text", type="BrokenDocument") from None
    return text.replace("\x00", "").split("\f")


async def _read_pdf(content: bytes, seconds: float) -> _Reading:
    """Read a PDF in a process of its own, which never outlives the task."""
    # By path, because as a module it would need this process's search path; -P keeps the script's
    # folder off the child's path, where our modules would hide those of the standard library.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(Path(pdf_reader.__file__)),
        str(math.ceil(seconds) + 1),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        answer, _ = await process.communicate(content)
    finally:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
    if process.returncode != 0:
        raise TaskFailedError(
            f"reading the PDF ended with exit status {process.returncode}", type="BrokenDocument"
        )
    try:
        reading = _Reading.model_validate_json(answer)
    except ValidationError:
        raise TaskFailedError("reading the PDF gave no answer", type="BrokenDocument") from None
    if reading.fault is not None:
        raise TaskFailedError(reading.fault.message, type=reading.fault.type)
    return reading


def _output(mime_type: str, reading: _Reading) -> JsonValue:
    """Return what the task yields, unless it is too much to pass on."""
    text = "\f".join(reading.pages)
    size = len(text.encode())
    if size > MAX_TEXT_BYTES:
        raise TaskFailedError(
            f"the document has {size} bytes of text, more than the {MAX_TEXT_BYTES} allowed",
            type="DocumentTooLarge",
        )
    return {
        "text": text,
        "pages": [*reading.pages],
        "page_count": len(reading.pages),
        "mime_type": mime_type,
        "metadata": {**reading.metadata},
    }
