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


def a_tiresome_pdf(instructions: int = 2_000_000) -> bytes:
    """Return a PDF of one page that takes very long to read."""
    content = b"BT /F 9 Tf (a) Tj ET " * instructions
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R"
        b"/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    body = b"".join(b"%d 0 obj%s endobj\n" % numbered for numbered in enumerate(objects, 1))
    return b"%PDF-1.7\n" + body + b"trailer<</Root 1 0 R>>"
