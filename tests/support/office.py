"""Word documents and workbooks made for tests, sound and broken."""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO

from docx import Document
from docx.enum.text import WD_BREAK
from openpyxl import Workbook

CONTENT_TYPES = "[Content_Types].xml"


def a_docx(*pages: Sequence[str], table: Sequence[Sequence[str]] = ()) -> bytes:
    """Return a document with these paragraphs on each page, and a table on the last."""
    document = Document()
    document.core_properties.title = "A title"
    document.core_properties.author = "An author"
    document.core_properties.created = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for number, paragraphs in enumerate(pages):
        if number:
            document.paragraphs[-1].add_run().add_break(WD_BREAK.PAGE)
        for text in paragraphs:
            document.add_paragraph(text)
    if table:
        made = document.add_table(rows=len(table), cols=len(table[0]))
        for row, texts in zip(made.rows, table, strict=True):
            for cell, text in zip(row.cells, texts, strict=True):
                cell.text = text
    target = BytesIO()
    document.save(target)
    return target.getvalue()


def an_xlsx(
    sheets: Mapping[str, Sequence[Sequence[object]]], merged: Mapping[str, str] | None = None
) -> bytes:
    """Return a workbook of these rows by sheet; ``merged`` names a range for each sheet."""
    workbook = Workbook()
    assert workbook.active is not None
    workbook.remove(workbook.active)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
        if merged and name in merged:
            sheet.merge_cells(merged[name])
    target = BytesIO()
    workbook.save(target)
    return target.getvalue()


def rewritten(archive: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return the archive with one part changed."""
    target = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(archive)) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy,
    ):
        for entry in source.infolist():
            content = source.read(entry)
            copy.writestr(entry.filename, change(content) if entry.filename == part else content)
    return target.getvalue()


def with_entry(archive: bytes, name: str, content: bytes) -> bytes:
    """Return the archive with one more part, compressed as far as it goes."""
    target = BytesIO(archive)
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as copy:
        copy.writestr(name, content)
    return target.getvalue()


def encrypted_office_file() -> bytes:
    """Return what the beginning and the directory of an encrypted office file look like."""
    return (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504 + "EncryptedPackage".encode("utf-16-le")
    )
