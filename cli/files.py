"""``perdure files``: documents of flows, uploaded and downloaded over the HTTP API.

Source: docs/command-line.md.
"""

import mimetypes
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from cli.client import Client, ClientError, JsonObject
from cli.registration import existing
from cli.run import print_json, report
from cli.transfers import download, upload

app = typer.Typer(
    name="files", help="Documents that flows work on.", no_args_is_help=True, add_completion=False
)

FlowArgument = Annotated[str, typer.Argument(help="A flow's id or name.")]
FileArgument = Annotated[str, typer.Argument(metavar="KEY", help="A file key, or file: and one.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.command("upload")
def upload_file(
    flow: FlowArgument,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to upload.")],
    content_type: Annotated[
        str | None,
        typer.Option("--content-type", help="Media type; told from the name unless given."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Upload a file for a flow, and print its key, which the flow's tasks take."""
    try:
        if not path.is_file():
            raise ClientError(f"there is no file {path}")
        kind = content_type or mimetypes.guess_type(path.name)[0]
        with Client.from_environment() as client:
            flow_id = existing(client, flow).id
            query = {"filename": path.name} | ({} if kind is None else {"content_type": kind})
            link = _object(client.post(f"/api/flows/{flow_id}/upload-url", query=query))
        stored = upload(str(link["upload_url"]), path, kind)
    except ClientError as error:
        report(error, as_json=as_json)
        raise typer.Exit(1) from error
    if as_json:
        print_json(stored)
    else:
        typer.echo(str(stored["file_key"]))


@app.command("list")
def list_files(flow: FlowArgument, as_json: JsonOption = False) -> None:
    """List the files that were uploaded for a flow, newest first: key, bytes, type, name."""
    try:
        with Client.from_environment() as client:
            answer = client.get(f"/api/flows/{existing(client, flow).id}/files")
    except ClientError as error:
        report(error, as_json=as_json)
        raise typer.Exit(1) from error
    files = [_object(each) for each in answer] if isinstance(answer, list) else []
    if as_json:
        print_json({"files": [*files]})
        return
    for file in files:
        said = f"{file['file_key']}  {file['size']:>10}  {file['content_type']}  {_name(file)}"
        typer.echo(said.rstrip())


@app.command("download")
def download_file(
    key: FileArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to; the name that it was uploaded under unless given.",
        ),
    ] = None,
) -> None:
    """Download a file, and print where it is. Only --output replaces a file that exists."""

    def place(name: str) -> Path:
        if output is not None:
            return output
        target = Path(name or key.rpartition("/")[2].rpartition(":")[2])
        if target.exists():
            raise ClientError(f"{target} exists; say where to with --output")
        return target

    try:
        with Client.from_environment() as client:
            link = _resolved(client, key)
        path = download(str(link["download_url"]), place)
    except ClientError as error:
        report(error, as_json=False)
        raise typer.Exit(1) from error
    typer.echo(str(path))


@app.command("resolve")
def resolve(key: FileArgument, as_json: JsonOption = False) -> None:
    """Print a URL that gives the file to whoever has it, for an hour."""
    try:
        with Client.from_environment() as client:
            link = _resolved(client, key)
    except ClientError as error:
        report(error, as_json=as_json)
        raise typer.Exit(1) from error
    if as_json:
        print_json(link)
    else:
        typer.echo(str(link["download_url"]))


def _resolved(client: Client, key: str) -> JsonObject:
    """Return the link to a file."""
    return _object(client.post("/api/files/resolve", {"uri": key}))


def _name(file: JsonObject) -> str:
    """Return the name of a file, for a terminal: whoever uploaded it chose it."""
    name = str(file["filename"] or "")
    return "".join(char if char.isprintable() else "?" for char in name)


def _object(answer: JsonValue) -> JsonObject:
    """Return an answer that is an object.

    Raises:
        ClientError: It is something else.
    """
    if not isinstance(answer, dict):
        raise ClientError("the API answered with something that is not expected")
    return answer
