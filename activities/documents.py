"""``doc_to_text`` and ``read_sheet``: what documents hold."""

import asyncio

from pydantic import BaseModel, JsonValue
from temporalio import activity

from activities.data_urls import DataUrl
from activities.document_source import DocumentSource
from activities.media_types import DOCX, PDF, XLSX, charset_of, media_type_of
from activities.parameters import parameters_of
from activities.readers import Readers
from activities.time_limits import allowed_seconds
from contracts.messages import TaskCall
from flows.errors import TaskFailedError
from flows.executors.doc_to_text import DOC_TO_TEXT, DocToTextParameters
from flows.executors.read_sheet import (
    MAX_CELLS,
    MAX_ROWS,
    READ_SHEET,
    ReadSheetParameters,
)

MAX_TEXT_BYTES = 4 * 1024 * 1024
MAX_TABLE_BYTES = 8 * 1024 * 1024

_KINDS = {
    PDF: "pdf",
    DOCX: "docx",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/json": "text",
}
_SHEETS = {
    XLSX: "xlsx",
    "application/vnd.ms-excel.sheet.macroenabled.12": "xlsx",
    "text/csv": "csv",
    "application/csv": "csv",
    "text/tab-separated-values": "csv",
    "text/plain": "csv",
}


class _Text(BaseModel):
    """What reading a text yields."""

    pages: list[str]
    metadata: dict[str, str]


class _Table(BaseModel):
    """What reading a table yields."""

    columns: list[str]
    rows: list[dict[str, str | int | float | bool | None]]
    row_count: int
    sheet: str | None
    sheets: list[str]


class DocumentActivities:
    """Turns documents into text and tables."""

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
        self._readers = Readers(max_readers)

    @activity.defn(name=DOC_TO_TEXT.name)
    async def doc_to_text(self, call: TaskCall) -> JsonValue:
        """Return the document's text, page by page, and what it says of itself.

        Raises:
            TaskFailedError: ``EncryptedDocument``, ``BrokenDocument``, ``NoText``,
                ``UnsupportedDocument``, ``DocumentTooLarge``, ``Timeout``,
                ``EmptyDocument``, or what ``DocumentSource.fetch`` says.
        """
        parameters = parameters_of(call, DocToTextParameters)
        document = await self._fetched(call, parameters.url)
        media_type = media_type_of(document, parameters.mime_type)
        kind = _KINDS.get(media_type, "text" if media_type.startswith("text/") else None)
        if kind is None:
            raise _unsupported(media_type)
        reading = await self._readers.read(
            {
                "kind": kind,
                "charset": charset_of(document, parameters.mime_type),
                "max_bytes": MAX_TEXT_BYTES,
            },
            document.content,
            _Text,
            owner=call.context.organization_id,
            seconds=allowed_seconds(DOC_TO_TEXT.default_timeout),
        )
        return {
            "text": "\f".join(reading.pages),
            "pages": [*reading.pages],
            "page_count": len(reading.pages),
            "mime_type": media_type,
            "metadata": {**reading.metadata},
        }

    @activity.defn(name=READ_SHEET.name)
    async def read_sheet(self, call: TaskCall) -> JsonValue:
        """Return the rows of a table, each an object.

        Raises:
            TaskFailedError: As for texts, and ``SheetNotFound``, ``HeaderNotFound``.
        """
        parameters = parameters_of(call, ReadSheetParameters)
        document = await self._fetched(call, parameters.url)
        media_type = media_type_of(document, parameters.mime_type)
        kind = _SHEETS.get(media_type)
        if kind is None:
            raise _unsupported(media_type)
        request = parameters.model_dump(exclude={"document_url", "file_key", "mime_type"})
        reading = await self._readers.read(
            {
                **request,
                "kind": kind,
                "delimiter": _delimiter(parameters, media_type),
                "charset": charset_of(document, parameters.mime_type),
                "max_rows": MAX_ROWS,
                "max_cells": MAX_CELLS,
                "max_bytes": MAX_TABLE_BYTES,
            },
            document.content,
            _Table,
            owner=call.context.organization_id,
            seconds=allowed_seconds(READ_SHEET.default_timeout),
        )
        return await asyncio.to_thread(reading.model_dump)

    async def _fetched(self, call: TaskCall, url: str) -> DataUrl:
        """Return a document that is not empty."""
        document = await self._source.fetch(call.context.organization_id, url)
        if not document.content.strip():
            raise TaskFailedError("the document is empty", type="EmptyDocument")
        return document


def _delimiter(parameters: ReadSheetParameters, media_type: str) -> str | None:
    """Return the delimiter that the author or the media type names."""
    if parameters.delimiter is None and media_type == "text/tab-separated-values":
        return "\t"
    return parameters.delimiter


def _unsupported(media_type: str) -> TaskFailedError:
    """Return the failure of a document that is of no kind we read."""
    return TaskFailedError(f"cannot read {media_type} documents", type="UnsupportedDocument")
