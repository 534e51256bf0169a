"""``perdure apply``, ``export`` and ``diff``: flows as files, over the HTTP API.

Source: docs/command-line.md.
"""

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import JsonValue

from cli.client import Client, ClientError, JsonObject
from cli.documents import definition_name, read_definition
from cli.registration import RegisteredFlow, as_flow, existing, named
from cli.run import report
from flows.yaml_writing import write_yaml

SAME, DIFFERENT, FAILED = 0, 1, 2

Outcome = Literal["created", "changed", "unchanged"]


@dataclass(frozen=True, slots=True)
class FlowFile:
    """A definition in a file, and the display name of the flow that it stands for."""

    path: Path
    name: str
    definition: JsonObject

    @classmethod
    def read(cls, path: Path) -> "FlowFile":
        """Read a file.

        Raises:
            ClientError: It holds no definition.
        """
        definition = read_definition(path)
        return cls(path, definition_name(definition, path), definition)

    def says_the_same_as(self, flow: RegisteredFlow) -> bool:
        """Return whether a flow's latest version is what the file says, its name included."""
        return _with_name(self.definition, self.name) == _with_name(flow.definition, flow.name)


def apply(
    files: Annotated[list[Path], typer.Argument(help="Definitions, in YAML or JSON.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and what is wrong; no more.")
    ] = False,
) -> None:
    """Create the flows that the files define, or give those that differ a new version.

    Prints created, changed or unchanged for each. Exits 1 if a file cannot be read, in which case
    nothing is done, or if the API refuses one; the others are applied all the same.
    """
    try:
        known = _all_read(files)
        with Client.from_environment() as client:
            refused = [file for file in known if not _is_applied(client, file, dry_run=dry_run)]
    except ClientError as error:
        report(error, as_json=False)
        raise typer.Exit(1) from error
    raise typer.Exit(1 if refused else 0)


def export(
    flow: Annotated[str, typer.Argument(help="A flow's id or name.")],
    version: Annotated[
        int | None, typer.Option(min=1, help="Which version; the latest unless given.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to; JSON if it ends in .json."),
    ] = None,
) -> None:
    """Print a flow's definition as YAML, or write it to a file, so that apply takes it."""
    try:
        with Client.from_environment() as client:
            found = existing(client, flow)
            if version is not None:
                found = as_flow(client.get(f"/api/flows/{found.id}/versions/{version}"))
        definition = _exported(found)
        if output is None:
            typer.echo(write_yaml(definition), nl=False)
        else:
            _write(output, definition)
    except ClientError as error:
        report(error, as_json=False)
        raise typer.Exit(1) from error


def diff(
    file: Annotated[Path, typer.Argument(help="A definition, in YAML or JSON.")],
) -> None:
    """Show how a file differs from its flow's latest version: what apply would change.

    Exits 0 if it does not, 1 if it does, 2 if that cannot be told. The order of keys does not
    matter, and is not shown.
    """
    try:
        local = FlowFile.read(file)
        with Client.from_environment() as client:
            found = named(client, local.name)
    except ClientError as error:
        report(error, as_json=False)
        raise typer.Exit(FAILED) from error
    if found is not None and local.says_the_same_as(found):
        raise typer.Exit(SAME)
    lines = difflib.unified_diff(
        [] if found is None else _lines(_with_name(found.definition, found.name)),
        _lines(_with_name(local.definition, local.name)),
        "/dev/null" if found is None else f"{found.name} v{found.version}",
        str(file),
    )
    typer.echo("".join(lines), nl=False)
    raise typer.Exit(DIFFERENT)


def _all_read(paths: list[Path]) -> list[FlowFile]:
    """Return every file, before anything is done.

    Raises:
        ClientError: One cannot be read, or two define the same flow.
    """
    files = [FlowFile.read(path) for path in dict.fromkeys(paths)]
    by_name: dict[str, FlowFile] = {}
    for file in files:
        other = by_name.setdefault(file.name, file)
        if other is not file:
            raise ClientError(f"{other.path} and {file.path} both define the flow {file.name!r}")
    return files


def _is_applied(client: Client, file: FlowFile, *, dry_run: bool) -> bool:
    """Apply a file and say what became of it; a refusal is said, too."""
    try:
        found = named(client, file.name)
        outcome = _outcome(file, found)
        faults: list[str] = []
        if dry_run:
            _refuse_published(found, outcome)
            faults = [] if outcome == "unchanged" else _faults(client, file, found)
        else:
            found = _stored(client, file, found, outcome)
    except ClientError as error:
        told = ClientError(f"{file.path}: {error}", faults=error.faults)
        report(told, as_json=False)
        return False
    version = "" if found is None else f" v{found.version}"
    typer.echo(f"{outcome:<9} {file.name}{version}{' (dry run)' if dry_run else ''}")
    for fault in faults:
        typer.echo(f"  {fault}")
    return True


def _outcome(file: FlowFile, found: RegisteredFlow | None) -> Outcome:
    """Return what applying a file comes to."""
    if found is None:
        return "created"
    return "unchanged" if file.says_the_same_as(found) else "changed"


def _stored(
    client: Client, file: FlowFile, found: RegisteredFlow | None, outcome: Outcome
) -> RegisteredFlow:
    """Store what has to be, and return the flow as it is then."""
    if found is None:
        body: JsonObject = {"display_name": file.name, "definition": file.definition}
        return as_flow(client.post("/api/flows", body))
    if outcome == "unchanged":
        return found
    body = {"definition": file.definition}
    return as_flow(client.put(f"/api/flows/{found.id}/definition", body))


def _refuse_published(found: RegisteredFlow | None, outcome: Outcome) -> None:
    """Say of a published flow what the API would say.

    Raises:
        ClientError: It would have to change.
    """
    if found is not None and outcome == "changed" and not found.is_draft:
        raise ClientError("only drafts can be changed")


def _faults(client: Client, file: FlowFile, found: RegisteredFlow | None) -> list[str]:
    """Return everything that is wrong with a definition, as the API sees it."""
    if found is None:
        body: JsonObject = {"flow_definition": file.definition}
        answer = client.post("/api/task-data?full_validation=true", body)
    else:
        answer = client.post(f"/api/flows/{found.id}/validate", {"definition": file.definition})
    errors = answer.get("validation_errors") if isinstance(answer, dict) else None
    return [_fault(error) for error in errors] if isinstance(errors, list) else []


def _fault(error: JsonValue) -> str:
    """Return one of the API's faults as a line."""
    if not isinstance(error, dict):
        return str(error)
    location = error.get("loc")
    where = ".".join(map(str, location)) if isinstance(location, list) else ""
    return f"{where}: {error.get('msg')}" if where else str(error.get("msg"))


def _exported(flow: RegisteredFlow) -> JsonObject:
    """Return a definition that says its flow's name, in the file or anywhere else."""
    if definition_name(flow.definition, Path()) == flow.name:
        return flow.definition
    return _with_name(flow.definition, flow.name)


def _with_name(definition: JsonObject, name: str) -> JsonObject:
    """Return a definition with its flow's name, first."""
    return {"name": name, **{key: value for key, value in definition.items() if key != "name"}}


def _write(path: Path, definition: JsonObject) -> None:
    """Write a definition in the format that a file's name stands for."""
    is_json = path.suffix.lower() == ".json"
    as_json = json.dumps(definition, indent=2, ensure_ascii=False) + "\n"
    try:
        path.write_text(as_json if is_json else write_yaml(definition), encoding="utf-8")
    except OSError as error:
        raise ClientError(f"cannot write {path}: {error.strerror or error}") from error


def _lines(definition: JsonObject) -> list[str]:
    """Return the lines of a definition, its keys in one order wherever they stood."""
    return write_yaml(_in_order(definition)).splitlines(keepends=True)


def _in_order(value: JsonValue) -> JsonValue:
    """Return a value whose keys are sorted, names first."""
    match value:
        case dict():
            keys = sorted(value, key=lambda key: (key != "name", key))
            return {key: _in_order(value[key]) for key in keys}
        case list():
            return [_in_order(item) for item in value]
        case _:
            return value
