"""``read_sheet``: the rows of a CSV file or of a sheet in a workbook."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import Field as Describe
from pydantic import JsonValue

from flows.executors.document import DocumentParameters
from flows.executors.spec import JsonSchema, Kind, TaskExecutor

MAX_ROWS = 50_000
MAX_CELLS = 1_000_000

Position = Annotated[int, Describe(ge=1)]


class ReadSheetParameters(DocumentParameters):
    """The table to read."""

    sheet: str | Position | None = Describe(
        default=None,
        description="Name of the sheet, or its position counted from 1; the first if left out.",
    )
    range: str | None = Describe(
        default=None,
        description="Part of the sheet to read, such as B2:D20 or A:C; all of it if left out.",
    )
    header_row: int = Describe(
        default=1,
        ge=0,
        le=MAX_ROWS,
        description="Row, counted from 1 within the range, that names the columns; rows above it "
        "are left out. 0 if none does: columns are then named A, B, C.",
    )
    limit: int | None = Describe(
        default=None, ge=1, le=MAX_ROWS, description="How many rows to read at most."
    )
    skip_empty_rows: bool = Describe(
        default=True, description="Whether rows without any value are left out."
    )
    typed: bool = Describe(
        default=False,
        description="Whether text that looks like a number or a truth value becomes one.",
    )
    fill_merged: bool = Describe(
        default=False,
        description="Whether every cell of a merged range has its value, not the first alone.",
    )
    delimiter: str | None = Describe(
        default=None,
        min_length=1,
        max_length=1,
        pattern=r"^[^\r\n\"]$",
        description="What separates the cells of a CSV file; found out if left out.",
    )


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the schema of a table."""
    return {
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "rows": {
                "type": "array",
                "description": "Each row by the names of its columns.",
                "items": {
                    "type": "object",
                    "additionalProperties": {
                        "type": ["string", "number", "boolean", "null"],
                    },
                },
            },
            "row_count": {"type": "integer", "minimum": 0},
            "sheet": {
                "type": ["string", "null"],
                "description": "Name of the sheet that was read.",
            },
            "sheets": {
                "type": "array",
                "description": "Names of all sheets; none for CSV.",
                "items": {"type": "string"},
            },
        },
        "required": ["columns", "rows", "row_count", "sheet", "sheets"],
        "additionalProperties": False,
    }


READ_SHEET = TaskExecutor(
    name="read_sheet",
    description="Reads the rows of a CSV file or of a sheet in an XLSX workbook.",
    agent_prompt=(
        "Use after receive_file for tables: pass its document_url. `rows` is a list of objects by "
        "column name; refer to it from a parameter that takes one object to run once for each row."
    ),
    kind=Kind.EFFECT,
    parameters=ReadSheetParameters,
    output_schema=_output,
    is_pure=True,
    default_timeout=timedelta(minutes=5),
    is_schedulable=True,
)
