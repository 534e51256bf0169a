"""PDFs made for tests, sound and broken."""

from io import BytesIO

from pypdf import PdfReader, PdfWriter
from reportlab.pdfgen.canvas import Canvas


def a_pdf(*pages: str, title: str = "A title", author: str = "An author") -> bytes:
    """Return a PDF with one line of text on each page; an empty text leaves its page blank."""
    target = BytesIO()
    canvas = Canvas(target)
    canvas.setTitle(title)
    canvas.setAuthor(author)
    for text in pages:
        if text:
            canvas.drawString(72, 720, text)
        else:
            canvas.rect(72, 72, 200, 200, fill=1)
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def encrypted(pdf: bytes, user_password: str, algorithm: str = "AES-256") -> bytes:
    """Return the PDF encrypted; an empty user password only guards its permissions."""
    writer = PdfWriter(clone_from=PdfReader(BytesIO(pdf)))
    writer.encrypt(user_password, "owner", algorithm=algorithm)
    target = BytesIO()
    writer.write(target)
    return target.getvalue()


def without_pages() -> bytes:
    """Return a PDF that is sound and has no page."""
    target = BytesIO()
    PdfWriter().write(target)
    return target.getvalue()
