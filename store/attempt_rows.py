"""Rows of attempts, from the calls that they are about."""

from contracts.messages import TaskCall
from store.models import ProcessingStatus
from store.output_index import Shape
from store.pending_reports import Reports
from store.rows import RowWrite
from store.values import Document


def of_run(reports: Reports, run_id: str | None) -> Reports:
    """Return the reports of one run."""
    rows = {key: row for key, row in reports.rows.items() if row.fields["run_id"] == run_id}
    return Reports(reports.context, rows, reports.shapes)


def shape_of(row: RowWrite) -> Shape:
    """Return what the row says about its task as a whole."""
    return Shape(row.task_name, row.item is not None, row.item_count)


def row_of(
    call: TaskCall, attempt: int, rank: int, status: ProcessingStatus, fields: Document
) -> RowWrite:
    """Return the write for one attempt of a call."""
    return RowWrite(
        context=call.context,
        task_name=call.task_name,
        item=call.item,
        item_count=None if call.item is None else call.item_count,
        attempt=attempt,
        rank=rank,
        status=status,
        fields=fields,
    )
