import asyncio
import base64
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import JsonValue

from activities.document_source import DocumentSource
from activities.documents import DocumentActivities
from activities.egress import guarded_client
from activities.stored_files import StoredFiles
from examples.document_intake import DOCUMENT
from flows.errors import TaskFailedError
from store.file_contents import GridFSContents
from store.files import FileRepository
from tests.support.calls import a_call, performed
from tests.support.children import children_named, descendants_named, is_alive
from tests.support.eventually import eventually
from tests.support.pdfs import a_pdf, a_tiresome_pdf, encrypted, without_pages
from tests.support.web import Request, response, serving


@pytest.fixture
async def files(database: AsyncIOMotorDatabase) -> StoredFiles:
    return StoredFiles(FileRepository(database), GridFSContents(database))


@pytest.fixture
async def documents(files: StoredFiles) -> AsyncIterator[DocumentActivities]:
    async with guarded_client(["127.0.0.1"]) as client:
        yield DocumentActivities(DocumentSource(client, files))


def as_url(content: bytes, mime_type: str = "application/pdf") -> str:
    return f"data:{mime_type};base64,{base64.b64encode(content).decode()}"


async def read(documents: DocumentActivities, **parameters: JsonValue) -> dict[str, JsonValue]:
    output = await performed(documents.doc_to_text, a_call("doc_to_text", **parameters))
    assert isinstance(output, dict)
    return output


async def failure(documents: DocumentActivities, **parameters: JsonValue) -> TaskFailedError:
    with pytest.raises(TaskFailedError) as caught:
        await read(documents, **parameters)
    return caught.value


async def test_a_real_document_is_read_page_by_page(documents: DocumentActivities) -> None:
    output = await read(documents, document_url=as_url(DOCUMENT.read_bytes()))

    pages = output["pages"]
    assert isinstance(pages, list)
    assert output["page_count"] == len(pages) == 18
    assert "Pub. L. No. 105-304, 112 Stat. 2860 (Oct. 28, 1998)" in str(pages[0])
    assert "TITLE I:  WIPO TREATY IMPLEMENTATION" in str(pages[1])
    assert output["text"] == "\f".join(map(str, pages))
    assert output["mime_type"] == "application/pdf"
    metadata = output["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["title"] == "The Digital Millennium Copyright Act of 1998"
    assert metadata["author"] == "United States Copyright Office - jmf"
    assert "creation_date" not in metadata  # the document's own is no date


async def test_a_document_is_fetched_over_http(documents: DocumentActivities) -> None:
    def answer(request: Request) -> bytes:
        if request.target == "/moved":
            return response(status=302, Location="/document")
        return response(a_pdf("one", "two"), content_type="application/octet-stream")

    async with serving(answer) as web:
        output = await read(documents, document_url=f"{web.url}/moved", worker="some-model")

    assert output["mime_type"] == "application/pdf"
    pages = output["pages"]
    assert isinstance(pages, list)
    assert [str(page).strip() for page in pages] == ["one", "two"]


async def test_a_redirect_does_not_lead_into_a_private_network(
    documents: DocumentActivities,
) -> None:
    def answer(_: Request) -> bytes:
        return response(status=302, Location="http://169.254.169.254/latest")

    async with serving(answer) as web:
        error = await failure(documents, document_url=web.url)

    assert (error.type, error.retryable) == ("HostRefused", False)


@pytest.mark.parametrize(("status", "retryable"), [(404, False), (403, False), (503, True)])
async def test_a_document_that_is_not_there(
    documents: DocumentActivities, status: int, retryable: bool
) -> None:
    async with serving(lambda _: response("gone", status=status)) as web:
        error = await failure(documents, document_url=web.url)

    assert (error.type, error.retryable) == ("DocumentUnavailable", retryable)


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256"])
async def test_encryption_without_a_password_is_no_obstacle(
    documents: DocumentActivities, algorithm: str
) -> None:
    pdf = encrypted(a_pdf("readable"), "", algorithm)

    output = await read(documents, document_url=as_url(pdf))

    assert "readable" in str(output["text"])


BROKEN = {
    "needs a password": (encrypted(a_pdf("x"), "a word"), "EncryptedDocument"),
    "no PDF at all": (b"<html>not a PDF</html>", "BrokenDocument"),
    "cut off": (a_pdf("x", "y")[:300], "BrokenDocument"),
    "only a header": (b"%PDF-1.7\n", "BrokenDocument"),
    "no pages": (without_pages(), "EmptyDocument"),
    "nothing": (b"", "EmptyDocument"),
    "only pictures": (a_pdf("", ""), "NoText"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_document_that_cannot_be_read_says_why(
    documents: DocumentActivities, name: str
) -> None:
    content, kind = BROKEN[name]

    error = await failure(documents, document_url=as_url(content))

    assert (error.type, error.retryable) == (kind, False)
    assert error.message
    assert "Traceback" not in error.message


@pytest.mark.parametrize("twelfth", range(12))
async def test_damage_anywhere_never_breaks_more_than_the_task(
    documents: DocumentActivities, twelfth: int
) -> None:
    damaged = bytearray(a_pdf("some text"))
    position = twelfth * len(damaged) // 12
    damaged[position : position + 4] = b"\xff\x00<<"

    try:
        outcome = (await read(documents, document_url=as_url(bytes(damaged))))["page_count"]
    except TaskFailedError as error:
        outcome = error.type

    assert outcome in {1, "BrokenDocument", "EmptyDocument", "NoText", "EncryptedDocument"}


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("data:application/pdf;base64,$$$$", "InvalidDocumentUrl"),
        ("data:application/pdf;base64", "InvalidDocumentUrl"),
        ("ftp://host/file.pdf", "InvalidDocumentUrl"),
        ("file:///etc/passwd", "InvalidDocumentUrl"),
        ("nonsense", "InvalidDocumentUrl"),
        ("data:image/png;base64,AAAA", "UnsupportedDocument"),
        ("data:text/plain;base64,AP8A/w==", "BrokenDocument"),
    ],
)
async def test_a_url_that_leads_to_no_document(
    documents: DocumentActivities, url: str, kind: str
) -> None:
    error = await failure(documents, document_url=url)

    assert (error.type, error.retryable) == (kind, False)


async def test_a_missing_url_is_a_parameter_that_does_not_fit(
    documents: DocumentActivities,
) -> None:
    assert (await failure(documents, document_url=None)).type == "InvalidParameters"


@pytest.mark.parametrize(
    ("url", "pages", "mime_type"),
    [
        ("data:,hello%20world", ["hello world"], "text/plain"),
        ("data:text/csv;charset=utf-8,a,b%0Fc", ["a,b\x0fc"], "text/csv"),
        ("data:text/plain;base64,b25lDHR3bw==", ["one", "two"], "text/plain"),
        ('data:application/json,{"a":1}', ['{"a":1}'], "application/json"),
    ],
)
async def test_text_documents_are_read_as_they_are(
    documents: DocumentActivities, url: str, pages: list[str], mime_type: str
) -> None:
    output = await read(documents, document_url=url)

    assert output["pages"] == pages
    assert output["mime_type"] == mime_type


async def test_a_document_beyond_the_limit_is_refused(files: StoredFiles) -> None:
    async with guarded_client(["127.0.0.1"]) as client, serving(lambda _: response("x" * 9)) as web:
        source = DocumentSource(client, files, max_document_bytes=8)
        error = await failure(DocumentActivities(source), document_url=web.url)

    assert error.type == "ResponseTooLarge"


def readers() -> list[int]:
    return children_named("activities.reading.process")


async def test_a_cancelled_task_takes_its_process_along(documents: DocumentActivities) -> None:
    pdf = a_tiresome_pdf()
    task = asyncio.create_task(read(documents, document_url=as_url(pdf)))
    await eventually(readers, saying="the document is being read")

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert readers() == []


async def test_a_document_that_takes_too_long_says_so(documents: DocumentActivities) -> None:
    pdf = a_tiresome_pdf()
    call = a_call("doc_to_text", document_url=as_url(pdf))

    with pytest.raises(TaskFailedError) as caught:
        await performed(documents.doc_to_text, call, allowed=timedelta(seconds=0.5))

    assert (caught.value.type, caught.value.retryable) == ("Timeout", True)
    assert readers() == []


_A_WORKER = """
import asyncio, sys
from activities.readers import Readers
from pydantic import BaseModel

asyncio.run(Readers(1).read(
    {"kind": "pdf", "max_bytes": 9}, sys.stdin.buffer.read(), BaseModel, owner="o", seconds=SECONDS
))
"""


async def a_worker_that_reads(pdf: bytes, seconds: int) -> asyncio.subprocess.Process:
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _A_WORKER.replace("SECONDS", str(seconds))),
        cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert worker.stdin is not None
    worker.stdin.write(pdf)
    worker.stdin.close()
    return worker


async def test_nothing_outlives_a_worker_that_dies() -> None:
    worker = await a_worker_that_reads(a_tiresome_pdf(), 300)
    (reader,) = await eventually(
        lambda: descendants_named("activities.reading.process", of=worker.pid),
        30,
        saying="the document is being read",
    )

    worker.kill()

    await worker.wait()
    await eventually(lambda: not is_alive(reader), saying="the reader is gone")


async def test_the_loop_stays_free_while_a_document_is_read(documents: DocumentActivities) -> None:
    pdf = a_pdf(*[f"page {number}" for number in range(400)])
    task = asyncio.create_task(read(documents, document_url=as_url(pdf)))
    turns_meanwhile = 0
    while not task.done():
        await asyncio.wait([task], timeout=0.01)
        turns_meanwhile += 1

    assert (await task)["page_count"] == 400
    assert turns_meanwhile > 5
