"""``perdure workflows``: interactive workflows and their runs, over the HTTP API.

Source: docs/command-line.md, "perdure workflows".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client, ClientError, JsonObject
from cli.documents import read_graph
from cli.registered_workflows import (
    RUNS,
    WORKFLOWS,
    RegisteredWorkflow,
    as_object,
    existing,
    graph_of,
    named,
    rows,
)
from cli.run import print_json, report
from flows.yaml_writing import write_yaml

app = typer.Typer(
    name="workflows",
    help="Interactive workflows and their runs.",
    no_args_is_help=True,
    add_completion=False,
)

Named = Annotated[str, typer.Argument(metavar="WORKFLOW", help="A workflow's id or name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@contextmanager
def _calling() -> Iterator[Client]:
    """Give a client; what the API refuses is said, and ends the command with 1."""
    try:
        with Client.from_environment() as client:
            yield client
    except ClientError as error:
        report(error, as_json=False)
        raise typer.Exit(1) from error


@app.command("list")
def list_workflows(
    search: Annotated[str, typer.Option(help="A part of name or description.")] = "",
    as_json: AsJson = False,
) -> None:
    """List workflows, newest first: id, active version, name."""
    with _calling() as client:
        query = {"search": search} if search else {}
        found = list(rows(client, WORKFLOWS, "workflows", **query))
    if as_json:
        print_json({"workflows": [*found]})
        return
    for each in map(RegisteredWorkflow.of, found):
        typer.echo(f"{each.id}  v{each.active:<4} {each.name}")


@app.command()
def show(workflow: Named, as_json: AsJson = False) -> None:
    """Print the graph of the active version, as YAML that apply takes."""
    with _calling() as client:
        graph = graph_of(client, existing(client, workflow))
    if as_json:
        print_json(graph)
    else:
        typer.echo(write_yaml(graph), nl=False)


@app.command()
def apply(
    files: Annotated[list[Path], typer.Argument(help="Graphs, in YAML or JSON.")],
) -> None:
    """Create the workflows that the files define, or give them a new version, which is active then.

    A file stands for the workflow of its name. Exits 1 if a file cannot be read, in which case
    nothing is done, or if the API refuses one.
    """
    with _calling() as client:
        graphs = [(path, read_graph(path)) for path in dict.fromkeys(files)]
        refused = [path for path, graph in graphs if not _is_applied(client, path, graph)]
    raise typer.Exit(1 if refused else 0)


@app.command()
def versions(workflow: Named, as_json: AsJson = False) -> None:
    """List the versions of a workflow; a star marks the active one."""
    with _calling() as client:
        answer = as_object(client.get(f"{existing(client, workflow).path}/versions"))
    if as_json:
        print_json(answer)
        return
    listed = answer.get("versions")
    for version in map(as_object, listed if isinstance(listed, list) else []):
        mark = "*" if version.get("is_active") else " "
        typer.echo(f"{mark} v{version['version_number']:<4} {version.get('version_name') or ''}")


@app.command()
def activate(
    workflow: Named, version: Annotated[int, typer.Argument(min=0, help="Number of a version.")]
) -> None:
    """Let new runs take another version."""
    with _calling() as client:
        found = existing(client, workflow)
        client.post(f"{found.path}/versions/{version}/activate")
    typer.echo(f"active    {found.name} v{version}")


@app.command()
def runs(
    workflow: Annotated[
        str | None, typer.Argument(metavar="[WORKFLOW]", help="Only of this one: its id or name.")
    ] = None,
    status: Annotated[str | None, typer.Option(help="Only with this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the latest runs: id, status, version, when it began."""
    with _calling() as client:
        query = {} if status is None else {"status": status}
        if workflow is not None:
            query["workflow_id"] = existing(client, workflow).id
        answer = as_object(client.get(RUNS, size=limit, **query))
    if as_json:
        print_json(answer)
        return
    listed = answer.get("workflow_runs")
    for run in map(as_object, listed if isinstance(listed, list) else []):
        state = as_object(run["workflow_run"])
        typer.echo(
            f"{run['_id']}  {state['status']:<22}  v{state['version_number']:<4} "
            f"{run['created_at']}"
        )


@app.command()
def delete(
    workflow: Named,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a workflow with its versions and runs; runs that go on are stopped."""
    with _calling() as client:
        found = existing(client, workflow)
        if not is_sure:
            typer.confirm(f"Delete {found.name} with all its runs?", abort=True, err=True)
        client.delete(found.path)
    typer.echo(f"deleted   {found.name}")


def _is_applied(client: Client, path: Path, graph: JsonObject) -> bool:
    """Apply a file and say what became of it; a refusal is said, too."""
    name = _name_of(graph, path)
    try:
        found = named(client, name)
        if found is None:
            made = as_object(client.post(WORKFLOWS, {**graph, "name": name}))
            outcome, found = "created", RegisteredWorkflow.of(as_object(made["workflow"]))
        elif _says_the_same(graph, graph_of(client, found)):
            outcome = "unchanged"
        else:
            outcome, found = "changed", _with_version(client, found, graph)
    except ClientError as error:
        report(ClientError(f"{path}: {error}", faults=error.faults), as_json=False)
        return False
    typer.echo(f"{outcome:<9} {found.name} v{found.active}")
    return True


def _with_version(
    client: Client, workflow: RegisteredWorkflow, graph: JsonObject
) -> RegisteredWorkflow:
    """Give a workflow a version with this graph; it becomes active once it has it."""
    place = f"{workflow.path}/versions"
    version = as_object(as_object(client.post(place, {}))["version"])
    number = version["version_number"]
    config = {name: graph[name] for name in graph if name not in ("name", "description")}
    try:
        client.patch(f"{place}/{number}/config", {"config": config})
    except ClientError:
        client.delete(f"{place}/{number}")
        raise
    activated = as_object(client.post(f"{place}/{number}/activate"))
    return RegisteredWorkflow.of(as_object(activated["workflow"]))


def _name_of(graph: JsonObject, path: Path) -> str:
    """Return the workflow's name: what the graph says, else the file's name."""
    config = graph.get("workflow_config")
    for holder in (graph, config if isinstance(config, dict) else {}):
        name = holder.get("name")
        if isinstance(name, str) and name.strip():
            return name.strip()
    return path.stem


def _says_the_same(written: JsonObject, stored: JsonObject) -> bool:
    """Return whether a stored graph is what a file says, but for what the API itself keeps."""
    return _comparable(written) == _comparable(stored)


def _comparable(graph: JsonObject) -> JsonObject:
    """Return a graph without what the API adds to it or keeps beside it."""
    config = graph.get("workflow_config")
    kept = config if isinstance(config, dict) else {}
    return {
        "workflow_config": {name: kept[name] for name in kept if name not in _NOT_OF_A_GRAPH},
        **{name: graph.get(name) or empty for name, empty in _PARTS.items()},
    }


_NOT_OF_A_GRAPH = frozenset({"name", "description", "category", "nodes", "edges"})
_PARTS: JsonObject = {
    "node_configs": [],
    "edge_configs": [],
    "dynamic_variables": {},
    "runtime_variables": {},
}
