"""Word documents, web pages and text in every encoding: what is read, and what is refused."""

import base64
import zipfile
from collections.abc import AsyncIterator
from io import BytesIO

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import JsonValue

from activities.document_source import DocumentSource
from activities.documents import MAX_TEXT_BYTES, DocumentActivities
from activities.egress import guarded_client
from activities.media_types import DOCX
from activities.stored_files import StoredFiles
from flows.errors import TaskFailedError
from store.file_contents import GridFSContents
from store.files import FileRepository
from tests.support.calls import a_call, performed
from tests.support.office import a_docx, an_xlsx, encrypted_office_file, rewritten, with_entry
from tests.support.pdfs import a_pdf
from tests.support.web import response, serving

PART = "word/document.xml"


@pytest.fixture
async def documents(database: AsyncIOMotorDatabase) -> AsyncIterator[DocumentActivities]:
    async with guarded_client(["127.0.0.1"]) as client:
        files = StoredFiles(FileRepository(database), GridFSContents(database))
        yield DocumentActivities(DocumentSource(client, files))


def as_url(content: bytes, mime_type: str) -> str:
    return f"data:{mime_type};base64,{base64.b64encode(content).decode()}"


async def read(
    documents: DocumentActivities,
    content: bytes,
    sent_as: str = "application/octet-stream",
    **parameters: JsonValue,
) -> dict[str, JsonValue]:
    url = as_url(content, sent_as)
    call = a_call("doc_to_text", document_url=url, **parameters)
    output = await performed(documents.doc_to_text, call)
    assert isinstance(output, dict)
    return output


async def failure(documents: DocumentActivities, content: bytes, sent_as: str) -> TaskFailedError:
    with pytest.raises(TaskFailedError) as caught:
        await read(documents, content, sent_as)
    assert not caught.value.retryable
    assert len(caught.value.message) < 600
    return caught.value


async def test_a_word_document_is_read_page_by_page(documents: DocumentActivities) -> None:
    table = [["sku", "pieces"], ["a-1", "two\nlines"]]

    output = await read(documents, a_docx(["Zürich", "two\tthree"], ["second"], table=table))

    assert output == {
        "text": "Zürich\ntwo\tthree\fsecond\nsku\tpieces\na-1\ttwo lines",
        "pages": ["Zürich\ntwo\tthree", "second\nsku\tpieces\na-1\ttwo lines"],
        "page_count": 2,
        "mime_type": DOCX,
        "metadata": {
            "title": "A title",
            "author": "An author",
            "creation_date": "2026-01-02T03:04:05+00:00",
        }
        | _modified(output),
    }


def _modified(output: dict[str, JsonValue]) -> dict[str, JsonValue]:
    metadata = output["metadata"]
    assert isinstance(metadata, dict)
    others = ("modification_date", "keywords", "subject")
    return {name: metadata[name] for name in others if name in metadata}


async def test_a_page_end_that_the_program_saw_behind_a_break_counts_once(
    documents: DocumentActivities,
) -> None:
    seen = b"<w:p><w:r><w:lastRenderedPageBreak/><w:t>second</w:t></w:r></w:p>"
    docx = rewritten(
        a_docx(["first"], []),
        PART,
        lambda xml: xml.replace(b"<w:sectPr", seen + seen + b"<w:sectPr", 1),
    )

    assert (await read(documents, docx))["pages"] == ["first", "second", "second"]


HTML = """<!DOCTYPE html><html><head><title>The
 page</title><meta name="Author" content="Ada"><style>p {color: red}</style>
<script>document.write("scripted")</script></head>
<body><h1>Head</h1><p>One <b>bold</b> word.</p><ul><li>first<li>second</ul>
<table><tr><td>a</td><td>b</td></tr></table><!-- comment --><noscript>no script</noscript>
<p>&euro; &lt;tag&gt;</p></body></html>"""


async def test_of_a_web_page_what_a_reader_sees_is_read(documents: DocumentActivities) -> None:
    async with serving(lambda _: response(HTML, content_type="text/html; charset=utf-8")) as web:
        call = a_call("doc_to_text", document_url=web.url)
        output = await performed(documents.doc_to_text, call)

    assert isinstance(output, dict)
    text = str(output["text"])
    assert output["pages"] == [text]
    assert output["mime_type"] == "text/html"
    assert output["metadata"] == {"title": "The page", "author": "Ada"}
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines[:5] == ["The page", "Head", "One bold word.", "first", "second"]
    assert lines[-1] == "€ <tag>"
    for hidden in ("scripted", "color", "comment"):
        assert hidden not in text


@pytest.mark.parametrize(
    ("content", "mime_type"),
    [
        ("<p>Größe €</p>".encode("cp1252"), "text/html; charset=windows-1252"),
        (
            '<html><meta charset="iso-8859-15"><p>Größe €</p>'.encode("iso-8859-15"),
            "text/html",
        ),
        ("<p>Größe €</p>".encode("utf-16"), "text/html"),
        ("<p>Größe €</p>".encode("utf-8-sig"), "text/html;charset=latin-1"),
        (
            '<?xml version="1.0" encoding="utf-8"?><html><p>Größe €</p></html>'.encode(),
            "application/xhtml+xml",
        ),
    ],
)
async def test_a_web_page_says_its_encoding(
    documents: DocumentActivities, content: bytes, mime_type: str
) -> None:
    assert (await read(documents, content, mime_type))["text"] == "Größe €"


TEXT = "Größe: 5 €\r\nzwei Wörter, außerdem übliche Sätze über Straßen und Bäume"


@pytest.mark.parametrize(
    ("encoding", "mime_type"),
    [
        ("utf-8", "text/plain"),
        ("utf-8-sig", "text/plain"),
        ("utf-16", "text/plain"),
        ("utf-32", "text/plain"),
        ("utf-16-be", "text/plain;charset=UTF-16BE"),
        ("cp1252", "text/plain; charset=windows-1252"),
        ("iso-8859-15", 'text/csv; header=present; charset="iso-8859-15"'),
        ("cp1252", "text/plain; charset=no-such-thing"),
        ("cp1252", "text/plain"),
    ],
)
async def test_text_is_read_in_the_encoding_that_it_has(
    documents: DocumentActivities, encoding: str, mime_type: str
) -> None:
    content = TEXT.encode(encoding)
    if encoding == "utf-16-be":
        assert not content.startswith(b"\xfe\xff")

    assert (await read(documents, content, mime_type))["text"] == TEXT


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("café crème à la carte, déjà vu", "cp1252"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy", "cp1250"),
        ("Съешь ещё этих мягких французских булок", "cp1251"),
        ("Съешь ещё этих мягких французских булок", "koi8_r"),
        ("日本語のテキストです。これは試験です。", "shift_jis"),
        ("这是一个测试文件。中文文本。", "gb18030"),
    ],
)
async def test_an_encoding_that_nobody_names_is_recognized(
    documents: DocumentActivities, text: str, encoding: str
) -> None:
    assert (await read(documents, text.encode(encoding), "text/plain"))["text"] == text


@pytest.mark.parametrize(
    ("content", "sent_as", "declared", "expected"),
    [
        (a_pdf("a pdf"), "text/plain", None, "application/pdf"),
        (a_docx(["a docx"]), "application/zip", None, DOCX),
        (a_docx(["a docx"]), "application/octet-stream", None, DOCX),
        (HTML.encode(), "text/plain", None, "text/html"),
        (HTML.encode(), "text/plain", "text/plain", "text/plain"),
        (b"a,b", "application/octet-stream", "text/csv", "text/csv"),
        (b"plain", "application/octet-stream", None, "text/plain"),
        (b'{"a": 1}', "application/json", None, "application/json"),
    ],
)
async def test_bytes_count_more_than_a_vague_sender_and_less_than_the_author(
    documents: DocumentActivities,
    content: bytes,
    sent_as: str,
    declared: str | None,
    expected: str,
) -> None:
    output = await read(documents, content, sent_as, mime_type=declared)

    assert output["mime_type"] == expected


_LAUGHS = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">%s]>' % b"".join(
    b'<!ENTITY %c "&%c;&%c;&%c;&%c;&%c;&%c;&%c;&%c;&%c;&%c;">' % (name, *[name - 1] * 10)
    for name in range(ord("b"), ord("n"))
)


def _with_doctype(doctype: bytes, text: bytes) -> bytes:
    def change(xml: bytes) -> bytes:
        body = xml.partition(b"?>")[2]
        return doctype + body.replace(b"harmless", text)

    return rewritten(a_docx(["harmless"]), PART, change)


async def test_entities_of_a_word_document_are_not_expanded(documents: DocumentActivities) -> None:
    bomb = _with_doctype(_LAUGHS, b"before &m; after")
    external = _with_doctype(
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY m SYSTEM "file:///etc/passwd">]>', b"x &m; y"
    )

    for hostile in (bomb, external):
        try:
            text = str((await read(documents, hostile))["text"])
        except TaskFailedError as error:
            text = f"{error.type}: {error.message}"
        assert text.startswith(("x", "before", "BrokenDocument", "NoText"))
        assert "root:" not in text
        assert len(text) < 1_000


async def test_a_page_reads_no_files_and_expands_no_entities(documents: DocumentActivities) -> None:
    page = _LAUGHS + b"<html><body><p>seen &m;</p></body></html>"
    other = (
        b'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY m SYSTEM "file:///etc/passwd">]>'
        b"<html><p>seen &m;</p></html>"
    )

    for hostile in (page, other):
        text = str((await read(documents, hostile, "text/html"))["text"])
        assert "seen" in text
        assert "root:" not in text
        assert len(text) < 5_000


UNPACKED_BYTES = 300 * 1024 * 1024

REFUSED = {
    "cut off": (a_docx(["x"])[:-200], DOCX, "BrokenDocument"),
    "no archive": (b"PK\x03\x04 nonsense", DOCX, "BrokenDocument"),
    "another archive": (an_xlsx({"s": [["x"]]}), DOCX, "BrokenDocument"),
    "no XML": (rewritten(a_docx(["x"]), PART, lambda _: b"<w:docu"), DOCX, "BrokenDocument"),
    "empty XML": (rewritten(a_docx(["x"]), PART, lambda _: b""), DOCX, "BrokenDocument"),
    "no text": (a_docx([]), DOCX, "NoText"),
    "encrypted": (encrypted_office_file(), DOCX, "EncryptedDocument"),
    "of an older format": (
        encrypted_office_file()[:500] + b"\0" * 500,
        DOCX,
        "UnsupportedDocument",
    ),
    "an older format, sniffed": (
        encrypted_office_file(),
        "application/octet-stream",
        "UnsupportedDocument",
    ),
    "an unknown archive": (b"PK\x03\x04...", "application/zip", "UnsupportedDocument"),
    "a picture": (b"\x89PNG", "image/png", "UnsupportedDocument"),
    "a page without text": (b"<html><script>x</script></html>", "text/html", "NoText"),
    "only white": (b"\xef\xbb\xbf  ", "text/html", "EmptyDocument"),
    "bytes": (b"\x00\x01\x02\xff\xfe\x00" * 9, "text/plain", "BrokenDocument"),
    "not what it declares": (b"\xff\xfe\xfd", "text/plain;charset=utf-8", "BrokenDocument"),
    "half of UTF-16": (b"\xff\xfea\x00b", "text/plain", "BrokenDocument"),
    "too much text": (b"x" * (MAX_TEXT_BYTES + 1), "text/plain", "DocumentTooLarge"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_document_that_cannot_be_read_says_why(
    documents: DocumentActivities, name: str
) -> None:
    content, mime_type, kind = REFUSED[name]

    assert (await failure(documents, content, mime_type)).type == kind


async def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(
    documents: DocumentActivities,
) -> None:
    zeros = b"0" * UNPACKED_BYTES
    bomb = with_entry(with_entry(a_docx(["x"]), "a.xml", zeros), "b.xml", zeros)
    del zeros
    assert len(bomb) < 2_000_000

    assert (await failure(documents, bomb, DOCX)).type == "DocumentTooLarge"


async def test_an_archive_of_too_many_parts_is_refused(documents: DocumentActivities) -> None:
    target = BytesIO(a_docx(["x"]))
    with zipfile.ZipFile(target, "a") as archive:
        for number in range(10_001):
            archive.writestr(f"x{number}", b"")

    assert (await failure(documents, target.getvalue(), DOCX)).type == "DocumentTooLarge"


async def test_a_bomb_inside_the_main_part_fails_the_task_only(
    documents: DocumentActivities,
) -> None:
    nested = b"<w:p>" * 200_000
    bomb = rewritten(
        a_docx(["x"]), PART, lambda xml: xml.replace(b"<w:sectPr", nested + b"<w:sectPr", 1)
    )

    assert (await failure(documents, bomb, DOCX)).type in {"BrokenDocument", "DocumentTooLarge"}


async def test_a_deeply_nested_page_is_read_or_refused(documents: DocumentActivities) -> None:
    page = b"<html><p>seen" + b"<div>" * 300_000

    try:
        outcome = str((await read(documents, page, "text/html"))["text"]).strip()
    except TaskFailedError as error:
        outcome = error.type
    assert outcome in {"seen", "BrokenDocument", "DocumentTooLarge"}


@pytest.mark.parametrize("tenth", range(10))
async def test_damage_anywhere_never_breaks_more_than_the_task(
    documents: DocumentActivities, tenth: int
) -> None:
    damaged = bytearray(a_docx(["some text"]))
    position = tenth * len(damaged) // 10
    damaged[position : position + 8] = b"\xff\x00<<PK\x03\x04"

    try:
        outcome = (await read(documents, bytes(damaged), DOCX))["page_count"]
    except TaskFailedError as error:
        outcome = error.type

    assert outcome in {1, "BrokenDocument", "NoText", "EncryptedDocument", "DocumentTooLarge"}
