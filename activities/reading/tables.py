"""From rows of cells to the rows of a table: range, header, names of columns, limits."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from activities.reading.faults import DocumentFault
from activities.reading.sheets import Cell, Row, Workbook, csv_rows, typed

_RANGE = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})?:([A-Z]{1,3})([1-9]\d{0,6})?")


def read_table(content: bytes, request: dict[str, Any]) -> dict[str, object]:
    """Return ``columns``, ``rows``, ``row_count``, ``sheet`` and ``sheets``.

    Raises:
        DocumentFault: As the readers say, and ``SheetNotFound``, ``HeaderNotFound``,
            ``InvalidParameters`` for a range that is none, ``DocumentTooLarge``.
    """
    if request["kind"] == "csv":
        sheets: list[str] = []
        sheet = None
        cells: Iterable[Row] = csv_rows(content, request["charset"], request["delimiter"])
    else:
        workbook = Workbook(content)
        sheets = workbook.names
        sheet = _chosen(sheets, request["sheet"])
        cells = workbook.rows(sheet, fills_merged=request["fill_merged"])
    cells = _clipped(cells, request["range"])
    if request["typed"]:
        cells = map(typed, cells)
    columns, rows = _table(iter(cells), request)
    return {
        "columns": columns,
        "rows": rows,
        "row_count": len(rows),
        "sheet": sheet,
        "sheets": sheets,
    }


def _chosen(sheets: list[str], wanted: str | int | None) -> str:
    """Return the name of the sheet that is meant by a name, or a position counted from 1."""
    if isinstance(wanted, str):
        return wanted
    position = 1 if wanted is None else wanted
    if not 1 <= position <= len(sheets):
        raise DocumentFault("SheetNotFound", f"the workbook has no sheet number {position}")
    return sheets[position - 1]


def _clipped(rows: Iterable[Row], area: str | None) -> Iterator[Row]:
    """Yield the part of the rows that a range such as ``B2:D20`` or ``A:C`` names."""
    if area is None:
        yield from rows
        return
    match = _RANGE.fullmatch(area.upper().replace("$", ""))
    if match is None:
        raise DocumentFault("InvalidParameters", f"{area!r} is no range such as B2:D20 or A:C")
    left, right = sorted((_position(match[1]), _position(match[3])))
    ends = (int(match[2] or 1), int(match[4]) if match[4] else None)
    top, bottom = ends if ends[1] is None or ends[0] <= ends[1] else (ends[1], ends[0])
    for row in islice(rows, top - 1, bottom):
        yield row[left : right + 1]


def _position(letters: str) -> int:
    """Return the position of a column, counted from 0."""
    position = 0
    for letter in letters:
        position = position * 26 + ord(letter) - ord("A") + 1
    return position - 1


def _letters(position: int) -> str:
    """Return the letters of a column at a position counted from 0."""
    letters = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _table(
    cells: Iterator[Row], request: dict[str, Any]
) -> tuple[list[str], list[dict[str, Cell]]]:
    """Return the names of the columns and the rows below them."""
    header: Row = []
    if request["header_row"]:
        found = next(islice(cells, request["header_row"] - 1, None), None)
        if found is None:
            raise DocumentFault("HeaderNotFound", f"there is no row {request['header_row']}")
        header = found
    columns = _names(header)
    rows: list[dict[str, Cell]] = []
    size = counted = 0
    for row in cells:
        if request["skip_empty_rows"] and all(cell is None or cell == "" for cell in row):
            continue
        if request["limit"] is not None and len(rows) >= request["limit"]:
            break
        while len(columns) < len(row):
            columns.append(_unused(_letters(len(columns)), columns))
        rows.append(dict(zip(columns, row, strict=False)))
        counted += len(row)
        size += sum(len(json.dumps(cell)) for cell in row)
        size += sum(len(name) + 4 for name in columns[: len(row)])
        if (
            len(rows) > request["max_rows"]
            or counted > request["max_cells"]
            or size > request["max_bytes"]
        ):
            raise _too_large(request)
    if len(rows) * len(columns) > request["max_cells"]:
        raise _too_large(request)
    # A row that is shorter than the widest one has nothing in the rest.
    empty = dict.fromkeys(columns)
    return columns, [{**empty, **row} for row in rows]


def _too_large(request: dict[str, Any]) -> DocumentFault:
    """Return the fault of a table beyond the limits."""
    return DocumentFault(
        "DocumentTooLarge",
        f"more than {request['max_rows']} rows, {request['max_cells']} cells or "
        f"{request['max_bytes']} bytes; read fewer with limit or range",
    )


def _names(header: Row) -> list[str]:
    """Return the names of columns: as the header says, letters where it is empty, each once."""
    names: list[str] = []
    for position, cell in enumerate(header):
        text = " ".join(str(cell).split()) if cell is not None else ""
        names.append(_unused(text or _letters(position), names))
    return names


def _unused(name: str, taken: list[str]) -> str:
    """Return the name, with a number behind it where it is taken."""
    unused, number = name, 1
    while unused in taken:
        number += 1
        unused = f"{name}_{number}"
    return unused
