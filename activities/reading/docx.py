"""The text of Word documents, page by page as far as the document says where pages end."""

import re
from collections.abc import Iterator
from io import BytesIO

from docx import Document
from docx.oxml.ns import qn
from docx.table import Table
from docx.text.paragraph import Paragraph

from activities.reading.archives import check_archive
from activities.reading.faults import DocumentFault
from activities.reading.texts import plain

_PART = "word/document.xml"
_PAGE = "\f"
_SEEN_PAGE = "\v"
_BREAK = re.compile(rf"{_PAGE}\s*{_SEEN_PAGE}|{_SEEN_PAGE}")
_TEXTS = ("title", "author", "subject", "keywords")
_INSTANTS = {"created": "creation_date", "modified": "modification_date"}


def docx_pages(content: bytes) -> tuple[list[str], dict[str, str]]:
    """Return the text of each page, and what the document says of itself.

    Pages end at page breaks, and where the program that wrote the document last saw them end.
    Tables are lines of cells that tabs separate. Headers, footers and comments are left out.

    Raises:
        DocumentFault: The document is broken, encrypted, too large or shows no text.
    """
    check_archive(content, _PART, "DOCX")
    document = Document(BytesIO(content))
    blocks = document.iter_inner_content()
    text = plain("\n".join(line for block in blocks for line in _lines(block)))
    # Behind a break that somebody made, the program saw the same page end.
    pages = [page.strip("\n") for page in _BREAK.sub(_PAGE, text).split(_PAGE)]
    if not any(page.strip() for page in pages):
        raise DocumentFault("NoText", "the document holds no text")
    return pages, _metadata(document.core_properties)


def _lines(block: Paragraph | Table) -> Iterator[str]:
    """Yield the lines of a paragraph or a table."""
    if isinstance(block, Paragraph):
        yield "".join(_runs(block))
        return
    for row in block.rows:
        seen: list[object] = []
        cells: list[str] = []
        for cell in row.cells:
            if cell._tc in seen:  # merged cells are listed once for each column they span
                continue
            seen.append(cell._tc)
            cells.append(cell.text.replace("\n", " ").replace(_PAGE, " "))
        yield "\t".join(cells)


def _runs(paragraph: Paragraph) -> Iterator[str]:
    """Yield a paragraph's text in pieces, form feeds where a page ends."""
    for element in paragraph._p.iter(
        qn("w:t"), qn("w:tab"), qn("w:br"), qn("w:cr"), qn("w:lastRenderedPageBreak")
    ):
        if element.tag == qn("w:t"):
            yield (element.text or "").replace(_PAGE, " ")
        elif element.tag == qn("w:tab"):
            # Tab stops of the paragraph's format bear the same name.
            parent = element.getparent()
            if parent is not None and parent.tag == qn("w:r"):
                yield "\t"
        elif element.tag == qn("w:lastRenderedPageBreak"):
            yield _SEEN_PAGE
        elif element.get(qn("w:type")) == "page":
            yield _PAGE
        else:
            yield "\n"


def _metadata(properties: object) -> dict[str, str]:
    """Return what the document says of itself."""
    found: dict[str, str] = {}
    for name in _TEXTS:
        value = getattr(properties, name, None)
        if isinstance(value, str) and value.strip():
            found[name] = plain(value.strip())
    for name, shown in _INSTANTS.items():
        value = getattr(properties, name, None)
        if value is not None:
            found[shown] = value.isoformat()
    return found
