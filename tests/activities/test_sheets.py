"""``read_sheet``: rows of CSV files and workbooks."""

import base64
import re
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time
from io import BytesIO

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase
from pydantic import JsonValue

from activities.document_source import DocumentSource
from activities.documents import DocumentActivities
from activities.egress import guarded_client
from activities.media_types import XLSX
from activities.stored_files import StoredFiles
from flows.errors import TaskFailedError
from flows.executors.read_sheet import MAX_CELLS, MAX_ROWS
from store.file_contents import GridFSContents
from store.files import FileRepository
from tests.support.calls import a_call, performed
from tests.support.office import a_docx, an_xlsx, encrypted_office_file, rewritten, with_entry
from tests.support.web import response, serving

SHEET = "xl/worksheets/sheet1.xml"


@pytest.fixture
async def documents(database: AsyncIOMotorDatabase) -> AsyncIterator[DocumentActivities]:
    async with guarded_client(["127.0.0.1"]) as client:
        files = StoredFiles(FileRepository(database), GridFSContents(database))
        yield DocumentActivities(DocumentSource(client, files))


async def read(
    documents: DocumentActivities,
    content: bytes | str,
    sent_as: str = "text/csv",
    **parameters: JsonValue,
) -> dict[str, JsonValue]:
    body = base64.b64encode(content.encode() if isinstance(content, str) else content).decode()
    call = a_call("read_sheet", document_url=f"data:{sent_as};base64,{body}", **parameters)
    output = await performed(documents.read_sheet, call)
    assert isinstance(output, dict)
    return output


async def rows(
    documents: DocumentActivities,
    content: bytes | str,
    sent_as: str = "text/csv",
    **parameters: JsonValue,
) -> JsonValue:
    return (await read(documents, content, sent_as, **parameters))["rows"]


async def failure(
    documents: DocumentActivities,
    content: bytes | str,
    sent_as: str = "text/csv",
    **parameters: JsonValue,
) -> TaskFailedError:
    with pytest.raises(TaskFailedError) as caught:
        await read(documents, content, sent_as, **parameters)
    assert not caught.value.retryable
    assert len(caught.value.message) < 600
    return caught.value


async def test_a_csv_file_is_rows_of_text(documents: DocumentActivities) -> None:
    text = 'sku,count,note\r\n007,1.50,"two\r\nlines, ""quoted"""\r\n\r\nb,,\r\n'

    assert await read(documents, text) == {
        "columns": ["sku", "count", "note"],
        "rows": [
            {"sku": "007", "count": "1.50", "note": 'two\r\nlines, "quoted"'},
            {"sku": "b", "count": "", "note": ""},
        ],
        "row_count": 2,
        "sheet": None,
        "sheets": [],
    }


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("a;b\n1,5;2\n3;4,7\n", {"a": "1,5", "b": "2"}),
        ("a\tb\n1\t2", {"a": "1", "b": "2"}),
        ("a|b\n1|2", {"a": "1", "b": "2"}),
        ("only\nx\n", {"only": "x"}),
        ('a,b\n"x;y;z",2\n', {"a": "x;y;z", "b": "2"}),
    ],
)
async def test_the_delimiter_is_found_out(
    documents: DocumentActivities, text: str, first: JsonValue
) -> None:
    found = await rows(documents, text)
    assert isinstance(found, list)
    assert found[0] == first


async def test_a_delimiter_can_be_named(documents: DocumentActivities) -> None:
    assert await rows(documents, "a,b;c\n1,2;3", delimiter=";") == [{"a,b": "1,2", "c": "3"}]
    assert await rows(documents, "a,b\tc\n1,2\t3", "text/tab-separated-values") == [
        {"a,b": "1,2", "c": "3"}
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
async def test_a_csv_file_is_read_in_its_encoding(
    documents: DocumentActivities, encoding: str
) -> None:
    content = "Größe;Preis\nMüller;5 €\n".encode(encoding)

    assert await rows(documents, content) == [{"Größe": "Müller", "Preis": "5 €"}]


async def test_types_of_csv_cells_are_taken_on_request(documents: DocumentActivities) -> None:
    cells = "1 -2.5 0 0.5 007 1e5 1,5 +1 .5 5. TRUE false 12345678901234567890 ٣ NaN"

    found = await rows(documents, "\n".join(["a", *cells.split()]), delimiter=";", typed=True)

    assert isinstance(found, list)
    assert [row["a"] for row in found if isinstance(row, dict)] == [
        *(1, -2.5, 0, 0.5, "007", "1e5", "1,5", "+1", ".5", "5.", True, False),
        *("12345678901234567890", "٣", "NaN"),
    ]


async def test_columns_without_a_name_of_their_own_get_one(documents: DocumentActivities) -> None:
    text = "a,,a,a_2, spaced  out \n1,2,3,4,5,6\n7\n"

    assert await read(documents, text) == {
        "columns": ["a", "B", "a_2", "a_2_2", "spaced out", "F"],
        "rows": [
            {"a": "1", "B": "2", "a_2": "3", "a_2_2": "4", "spaced out": "5", "F": "6"},
            {"a": "7", "B": None, "a_2": None, "a_2_2": None, "spaced out": None, "F": None},
        ],
        "row_count": 2,
        "sheet": None,
        "sheets": [],
    }


GRID = "t,,\nx,y,z\n1,2,3\n,,\n4,5,6\n7,8,9\n"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"header_row": 2, "limit": 1}, [{"x": "1", "y": "2", "z": "3"}]),
        (
            {"header_row": 2, "range": "B1:C5"},
            [{"y": "2", "z": "3"}, {"y": "5", "z": "6"}],
        ),
        ({"range": "$A$2:$A$3"}, [{"x": "1"}]),
        ({"range": "c:b", "header_row": 2, "limit": 1}, [{"y": "2", "z": "3"}]),
        ({"range": "A5:A6", "header_row": 0}, [{"A": "4"}, {"A": "7"}]),
        (
            {"range": "A3:A5", "header_row": 0, "skip_empty_rows": False},
            [{"A": "1"}, {"A": ""}, {"A": "4"}],
        ),
        ({"range": "X1:Z9", "header_row": 0}, []),
        ({"range": "A2:C2"}, []),
    ],
)
async def test_a_part_of_a_sheet(
    documents: DocumentActivities, parameters: dict[str, JsonValue], expected: JsonValue
) -> None:
    assert await rows(documents, GRID, "text/csv", **parameters) == expected


async def test_a_workbook_keeps_its_types(documents: DocumentActivities) -> None:
    workbook = an_xlsx(
        {
            "First": [
                ["text", "whole", "part", "truth", "day", "moment", "clock", "nothing"],
                [
                    *("007", 3, 2.5, True, date(2026, 2, 28)),
                    *(datetime(2026, 2, 28, 13, 45, 1, tzinfo=UTC).replace(tzinfo=None),),
                    *(time(13, 45), None),
                ],
            ],
            "Second": [["a"], [1]],
        }
    )

    assert await read(documents, workbook, XLSX) == {
        "columns": ["text", "whole", "part", "truth", "day", "moment", "clock", "nothing"],
        "rows": [
            {
                "text": "007",
                "whole": 3,
                "part": 2.5,
                "truth": True,
                "day": "2026-02-28",
                "moment": "2026-02-28T13:45:01",
                "clock": "13:45:00",
                "nothing": None,
            }
        ],
        "row_count": 1,
        "sheet": "First",
        "sheets": ["First", "Second"],
    }


@pytest.mark.parametrize("sheet", ["Second", 2])
async def test_a_sheet_is_chosen_by_name_or_position(
    documents: DocumentActivities, sheet: JsonValue
) -> None:
    workbook = an_xlsx({"First": [["a"]], "Second": [["b"], [1]]})

    output = await read(documents, workbook, "application/octet-stream", sheet=sheet)

    assert (output["sheet"], output["rows"]) == ("Second", [{"b": 1}])


async def test_of_formulas_the_values_that_were_stored_are_read(
    documents: DocumentActivities,
) -> None:
    workbook = rewritten(
        an_xlsx({"s": [["sum", "never computed"], ["=1+2", "=1+3"]]}),
        SHEET,
        lambda xml: re.sub(rb"(<f>1\+2</f>)<v ?/?>(</v>)?", rb"\1<v>3</v>", xml),
    )

    assert await rows(documents, workbook, XLSX, skip_empty_rows=False) == [
        {"sum": 3, "never computed": None}
    ]


async def test_merged_cells(documents: DocumentActivities) -> None:
    workbook = an_xlsx({"s": [["a", "b", "c"], ["x", None, 1], [None, None, 2]]}, {"s": "A2:B3"})

    assert await rows(documents, workbook, XLSX) == [
        {"a": "x", "b": None, "c": 1},
        {"a": None, "b": None, "c": 2},
    ]
    assert await rows(documents, workbook, XLSX, fill_merged=True) == [
        {"a": "x", "b": "x", "c": 1},
        {"a": "x", "b": "x", "c": 2},
    ]


async def test_a_sheet_that_begins_far_from_its_corner_is_not_moved(
    documents: DocumentActivities,
) -> None:
    workbook = an_xlsx({"s": [[], [], [None, "a"], [None, 1]]})

    assert await rows(documents, workbook, XLSX, range="B3:B4") == [{"a": 1}]


async def test_a_sheet_is_fetched_over_http(documents: DocumentActivities) -> None:
    async with serving(lambda _: response("a;b\n1;2", content_type="text/plain")) as web:
        call = a_call("read_sheet", document_url=f"{web.url}/export")
        output = await performed(documents.read_sheet, call)

    assert isinstance(output, dict)
    assert output["rows"] == [{"a": "1", "b": "2"}]


def _far_cell(xml: bytes) -> bytes:
    cell = b'<row r="1048576"><c r="XFD1048576" t="n"><v>1</v></c></row>'
    return xml.replace(b"</sheetData>", cell + b"</sheetData>")


_ONE = an_xlsx({"s": [["a"], [1]]})
_XXE = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">'
    b'<!ENTITY b "&a;&a;"><!ENTITY c "&b;&b;&b;">]>'
)

REFUSED: dict[str, tuple[bytes | str, str, dict[str, JsonValue], str]] = {
    "a cell in the last corner": (
        rewritten(_ONE, SHEET, _far_cell),
        XLSX,
        {},
        "DocumentTooLarge",
    ),
    "cut off": (_ONE[:-99], XLSX, {}, "BrokenDocument"),
    "broken XML": (rewritten(_ONE, SHEET, lambda xml: xml[:-50]), XLSX, {}, "BrokenDocument"),
    "another archive": (a_docx(["x"]), XLSX, {}, "BrokenDocument"),
    "encrypted": (encrypted_office_file(), XLSX, {}, "EncryptedDocument"),
    "a bomb": (
        with_entry(_ONE, "xl/media.xml", b"0" * (513 * 1024 * 1024)),
        XLSX,
        {},
        "DocumentTooLarge",
    ),
    "a document": (a_docx(["x"]), "application/octet-stream", {}, "UnsupportedDocument"),
    "a picture": (b"\x89PNG", "image/png", {}, "UnsupportedDocument"),
    "no such sheet": (_ONE, XLSX, {"sheet": "t"}, "SheetNotFound"),
    "no such position": (_ONE, XLSX, {"sheet": 2}, "SheetNotFound"),
    "no such header": (_ONE, XLSX, {"header_row": 9}, "HeaderNotFound"),
    "no range": (_ONE, XLSX, {"range": "A1"}, "InvalidParameters"),
    "no delimiter": ("a,b", "text/csv", {"delimiter": "ab"}, "InvalidParameters"),
    "a position below 1": (_ONE, XLSX, {"sheet": 0}, "InvalidParameters"),
    "bytes": (b"\x00\xff\x00" * 9, "text/csv", {}, "BrokenDocument"),
    "quotes that never close": ('a,b\n"x,y\n', "text/csv", {}, "BrokenDocument"),
    "a huge cell": ("a\n" + "x" * 2_000_000, "text/csv", {}, "BrokenDocument"),
    "too many rows": ("a\n" + "1\n" * (MAX_ROWS + 1), "text/csv", {}, "DocumentTooLarge"),
    "too many cells": (
        ("," * 99 + "\n") * (MAX_CELLS // 100 + 2),
        "text/csv",
        {"skip_empty_rows": False},
        "DocumentTooLarge",
    ),
    "too many bytes": ("a\n" + ("x" * 1000 + "\n") * 9_000, "text/csv", {}, "DocumentTooLarge"),
    "one wide row and many narrow": (
        "," * 2_000 + "\n" + "1\n" * 40_000,
        "text/csv",
        {},
        "DocumentTooLarge",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_sheet_that_cannot_be_read_says_why(
    documents: DocumentActivities, name: str
) -> None:
    content, sent_as, parameters, kind = REFUSED[name]

    error = await failure(documents, content, sent_as, **parameters)

    assert error.type == kind, error.message


async def test_entities_of_a_workbook_reach_no_file(documents: DocumentActivities) -> None:
    def change(xml: bytes) -> bytes:
        return _XXE + xml.removeprefix(b'<?xml version="1.0"?>').replace(b"harmless", b"x&c;")

    hostile = rewritten(an_xlsx({"s": [["a"], ["harmless"]]}), SHEET, change)
    assert b"x&c;" in zipfile.ZipFile(BytesIO(hostile)).read(SHEET)

    try:
        outcome = str(await rows(documents, hostile, XLSX))
    except TaskFailedError as error:
        outcome = error.type

    assert outcome in {"BrokenDocument", "[{'a': 'x'}]", "[{'a': 'x&c;'}]"}


async def test_many_rows_within_the_limits_are_read(documents: DocumentActivities) -> None:
    output = await read(documents, "n,m\n" + "".join(f"{n},x\n" for n in range(MAX_ROWS)))

    assert output["row_count"] == MAX_ROWS
    assert isinstance(output["rows"], list)
    assert output["rows"][-1] == {"n": str(MAX_ROWS - 1), "m": "x"}
