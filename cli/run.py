"""``perdure run``: registers a flow, starts it, follows it, and prints what it yields."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue
from rich.console import Console

from cli.client import Client, ClientError, JsonObject
from cli.documents import flow_input
from cli.following import Execution, cancel, follow, outputs, start
from cli.live import Lines, LiveTree, Silent, View
from cli.progress import Snapshot
from cli.registration import registered

FOLLOWING_PATIENCE_SECONDS = 120.0
INTERRUPTED = 130


def run(
    flow: Annotated[
        str, typer.Argument(help="Path of a definition (YAML or JSON), or a flow's id or name.")
    ],
    input_file: Annotated[
        Path | None,
        typer.Option(
            "--input",
            metavar="FILE",
            help="JSON or YAML: the flow's input. Any other file: a document to hand in.",
        ),
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option("--metadata", metavar="KEY=VALUE", help="Goes into the input's metadata."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and nothing else.")
    ] = False,
) -> None:
    """Register a flow, run it on an input, and show how it goes.

    Exits 0 if it completed, 1 if it did not, 130 after Ctrl-C. Calls the API at PERDURE_URL with
    PERDURE_API_KEY.
    """
    console = Console(stderr=as_json)
    try:
        extra = _pairs(metadata or [])
        with Client.from_environment() as client:
            prepared = registered(client, flow)
            execution = start(client, prepared, flow_input(input_file, extra))
            code = follow_to_end(client, execution, console, as_json=as_json)
    except ClientError as error:
        report(error, as_json=as_json)
        code = 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    raise typer.Exit(code)


def follow_to_end(
    client: Client,
    execution: Execution,
    console: Console,
    *,
    as_json: bool = False,
    may_ask: bool = True,
) -> int:
    """Follow an execution, print what it yields, and return the exit status.

    Args:
        may_ask: Whether Ctrl-C asks about cancelling; otherwise the execution just goes on.
    """
    view = _view(console, execution.heading, as_json)
    client.patience_seconds = FOLLOWING_PATIENCE_SECONDS
    client.on_wait = lambda reason: view.note(f"{reason}; the flow goes on, trying again")
    interrupted = False
    try:
        with view:
            final = follow(client, execution, view)
    except KeyboardInterrupt:
        interrupted = True
        stopped = _interrupted(client, execution, view) if may_ask else None
        if stopped is None:
            return INTERRUPTED
        final = stopped
    except ClientError as error:
        raise ClientError(
            f"{error} (execution {execution.id} may still be running)",
            faults=error.faults,
            code=error.code,
            status=error.status,
        ) from error
    results = outputs(client, execution, final)
    if as_json:
        print_json(summary(execution, final, results))
    else:
        print_result(console, execution, final, results)
    if interrupted:
        return INTERRUPTED
    return 0 if final.status == "completed" else 1


def _interrupted(client: Client, execution: Execution, view: View) -> Snapshot | None:
    """Ask whether to cancel; if so, wait until it has. None leaves the execution running."""
    try:
        wanted = sys.stdin.isatty() and typer.confirm(
            f"\nCancel execution {execution.id}?", default=False, err=True
        )
        if not wanted:
            Console(stderr=True).print(
                f"execution {execution.id} goes on without this command", highlight=False
            )
            return None
        cancel(client, execution)
        with view:
            return follow(client, execution, view)
    except (KeyboardInterrupt, typer.Abort):
        return None


def summary(execution: Execution, final: Snapshot, results: JsonObject) -> JsonObject:
    """Return what ``--json`` prints."""
    return {
        "flow_id": execution.flow.id,
        "flow_version": execution.flow.version,
        "flow_execution_id": execution.id,
        "run_number": execution.run_number,
        "status": final.status,
        "outputs": results,
        "error": final.execution.get("error"),
        "tasks": [
            {
                "name": task.name,
                "status": task.status,
                "attempts": task.attempts,
                "items": task.items_total,
                "duration_seconds": (
                    (task.ended_at - task.started_at).total_seconds()
                    if task.started_at is not None and task.ended_at is not None
                    else None
                ),
            }
            for task in final.tasks
        ],
    }


def print_result(
    console: Console, execution: Execution, final: Snapshot, results: JsonObject
) -> None:
    """Print the outputs, or why there are none."""
    if final.status == "completed":
        console.print_json(json.dumps(results), ensure_ascii=False)
        return
    error: JsonValue = final.execution.get("error")
    known = error if isinstance(error, dict) else {}
    where = f" in task {known['task_name']!r}" if known.get("task_name") else ""
    said = f": {known['message']}" if known.get("message") else ""
    traceback = known.get("traceback")
    console.print(
        f"execution {execution.id} {final.status}{where}{said}",
        style="red" if final.status == "failed" else "yellow",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if isinstance(traceback, str) and traceback:
        console.print(traceback, markup=False, highlight=False, soft_wrap=True)


def report(error: ClientError, *, as_json: bool) -> None:
    """Print what went wrong: the message, then every fault on a line of its own."""
    lines = [f"perdure: {error}", *(f"  {fault}" for fault in error.faults)]
    typer.echo("\n".join(lines), err=True)
    if as_json:
        faults: list[JsonValue] = [*error.faults]
        print_json({"error": {"message": str(error), "code": error.code, "faults": faults}})


def print_json(value: JsonObject) -> None:
    """Print one JSON object on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def _view(console: Console, heading: str, as_json: bool) -> View:
    """Return how progress is shown on this console."""
    if as_json:
        return Silent()
    return LiveTree(console, heading) if console.is_terminal else Lines(console, heading)


def _pairs(options: list[str]) -> dict[str, str]:
    """Return ``KEY=VALUE`` options as a mapping."""
    pairs: dict[str, str] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not key or not equals:
            raise ClientError(f"--metadata {option!r} is not KEY=VALUE")
        pairs[key] = value
    return pairs
