"""Tables: rows of cells from CSV and from workbooks."""

import csv
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from io import BytesIO, StringIO

from python_calamine import (
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    WorksheetNotFound,
)

from activities.reading.archives import check_archive
from activities.reading.faults import DocumentFault
from activities.reading.texts import decoded, plain

Cell = str | int | float | bool | None
Row = list[Cell]

_PART = "xl/workbook.xml"
_DELIMITERS = ",;\t|"
_SNIFFED_CHARS = 64 * 1024
_MAX_CELL_CHARS = 1024 * 1024
_EXACT = 2**53


def csv_rows(content: bytes, declared: str | None, delimiter: str | None) -> Iterator[Row]:
    """Yield the rows of a CSV file; each cell is text, as it stands there.

    Args:
        declared: The encoding that the sender names, if any.
        delimiter: Left out, it is the one of comma, semicolon, tab and bar that fits.

    Raises:
        DocumentFault: ``BrokenDocument``; it is not text, or no CSV.
    """
    text = decoded(content, declared)
    csv.field_size_limit(_MAX_CELL_CHARS)
    lines = StringIO(text, newline="")
    try:
        for row in csv.reader(lines, delimiter=delimiter or _delimiter(text), strict=True):
            yield [*row]
    except csv.Error as error:
        raise DocumentFault("BrokenDocument", f"the CSV is broken: {error}") from None


def _delimiter(text: str) -> str:
    """Return the delimiter of a CSV text: the one that splits its beginning most evenly."""
    beginning = text[:_SNIFFED_CHARS]
    if len(text) > _SNIFFED_CHARS:
        beginning = beginning[: beginning.rfind("\n") + 1] or beginning
    best, best_score = ",", (0, 0)
    for candidate in _DELIMITERS:
        try:
            widths = [
                len(row) for row in csv.reader(StringIO(beginning, newline=""), delimiter=candidate)
            ]
        except csv.Error:
            continue
        common = max(set(widths), key=lambda width: (widths.count(width), width), default=1)
        score = (widths.count(common), common) if common > 1 else (0, 0)
        if score > best_score:
            best, best_score = candidate, score
    return best


class Workbook:
    """An XLSX file."""

    def __init__(self, content: bytes) -> None:
        """Open it.

        Raises:
            DocumentFault: It is broken, encrypted or too large.
        """
        check_archive(content, _PART, "XLSX")
        try:
            self._workbook = CalamineWorkbook.from_filelike(BytesIO(content))
        except PasswordError:
            raise DocumentFault("EncryptedDocument", "the XLSX file needs a password") from None

    @property
    def names(self) -> list[str]:
        """Names of its sheets that hold cells, in the workbook's order."""
        return [
            each.name
            for each in self._workbook.sheets_metadata
            if each.typ is SheetTypeEnum.WorkSheet
        ]

    def rows(self, name: str, *, fills_merged: bool) -> Iterator[Row]:
        """Yield the rows of a sheet, from its first row and column on.

        Args:
            fills_merged: Whether each cell of a merged range has its value, not the first alone.
        """
        try:
            sheet = self._workbook.get_sheet_by_name(name)
        except WorksheetNotFound:
            raise DocumentFault("SheetNotFound", f"the workbook has no sheet {name!r}") from None
        rows = ([_cell(value) for value in row] for row in sheet.to_python(skip_empty_area=False))
        return _filled(rows, sheet) if fills_merged else rows


def _filled(rows: Iterator[Row], sheet: CalamineSheet) -> Iterator[Row]:
    """Yield rows whose merged ranges have their value in every cell."""
    whole = [*rows]
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or []:
        if top >= len(whole) or left >= len(whole[top]):
            continue
        value = whole[top][left]
        for row in whole[top : bottom + 1]:
            width = len(row[left : right + 1])
            row[left : left + width] = [value] * width
    yield from whole


def _cell(value: object) -> Cell:
    """Return a cell's value as JSON: whole numbers as such, instants in ISO 8601, empty as null."""
    match value:
        case "" | None:
            return None
        case bool() | int():
            return value
        case float():
            return int(value) if value.is_integer() and abs(value) <= _EXACT else value
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case _:
            return plain(str(value))


def typed(row: Sequence[Cell]) -> Row:
    """Return a row of text with JSON's numbers, ``true``, ``false`` and nothing taken for such."""
    return [_typed(cell) if isinstance(cell, str) else cell for cell in row]


def _typed(text: str) -> Cell:
    """Return what a text means to a spreadsheet: a number without leading zeros, a truth value."""
    bare = text.strip()
    if not bare:
        return None
    if bare.lower() in {"true", "false"}:
        return bare.lower() == "true"
    digits = bare.removeprefix("-")
    is_number = digits.replace(".", "", 1).isdecimal() and digits.isascii()
    if not is_number or not (digits[0] != "0" or digits == "0" or digits.startswith("0.")):
        return text
    if "." not in digits:
        return int(bare) if len(digits) <= 15 else text
    if digits.startswith(".") or digits.endswith(".") or len(digits) > 16:
        return text
    return float(bare)
