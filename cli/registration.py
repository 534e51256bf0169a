"""Finds the flow that the command line names, or registers the definition that it points to."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pydantic import JsonValue

from cli.client import Client, ClientError, JsonObject
from cli.documents import definition_name, read_definition

_PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class RegisteredFlow:
    """The version of a flow that an execution started now would run."""

    id: str
    name: str
    version: int
    definition: JsonObject
    is_draft: bool = True


def registered(client: Client, flow: str) -> RegisteredFlow:
    """Return the flow that ``flow`` means: a definition's path, a flow's id, or its name.

    A path registers: it creates a flow of the definition's name, or gives the flow of that name a
    new version if its definition differs.

    Raises:
        ClientError: No such file or flow, or the definition is refused; its faults are all listed.
    """
    path = Path(flow)
    if path.is_file():
        return _register(client, path)
    found = looked_up(client, flow)
    if found is None:
        raise ClientError(f"{flow!r} is no file, and no flow has this id or name")
    return found


def looked_up(client: Client, flow: str) -> RegisteredFlow | None:
    """Return the flow that has this id, or this name."""
    try:
        return as_flow(client.get(f"/api/flows/{UUID(flow)}"))
    except ValueError:
        return named(client, flow)


def existing(client: Client, flow: str) -> RegisteredFlow:
    """Return a flow by its id or name.

    Raises:
        ClientError: There is none.
    """
    found = looked_up(client, flow)
    if found is None:
        raise ClientError(f"no flow has the id or name {flow!r}")
    return found


def _register(client: Client, path: Path) -> RegisteredFlow:
    """Make the flow of the definition's name hold this definition."""
    definition = read_definition(path)
    name = definition_name(definition, path)
    found = named(client, name)
    try:
        if found is None:
            body: JsonObject = {"display_name": name, "definition": definition}
            return as_flow(client.post("/api/flows", body))
        if found.definition == definition:
            return found
        return as_flow(client.put(f"/api/flows/{found.id}/definition", {"definition": definition}))
    except ClientError as error:
        if error.code != "invalid_dsl_input":
            raise
        raise ClientError(
            f"{path} is not a valid flow: {error}",
            faults=error.faults,
            code=error.code,
            status=error.status,
        ) from error


def named(client: Client, name: str) -> RegisteredFlow | None:
    """Return the flow with exactly this display name."""
    page = 1
    while True:
        answer = client.get("/api/flows", search=name, page=page, page_size=_PAGE_SIZE)
        flows = answer.get("flows") if isinstance(answer, dict) else None
        if not isinstance(flows, list) or not flows:
            return None
        for flow in flows:
            if isinstance(flow, dict) and flow.get("display_name") == name:
                return as_flow(flow)
        page += 1


def as_flow(answer: JsonValue) -> RegisteredFlow:
    """Return the flow in an answer of the API."""
    if not isinstance(answer, dict) or not isinstance(answer.get("definition"), dict):
        raise ClientError("the API answered with something that is not a flow")
    definition = answer["definition"]
    return RegisteredFlow(
        id=str(answer["id"]),
        name=str(answer["display_name"]),
        version=int(str(answer["version"])),
        definition=definition if isinstance(definition, dict) else {},
        is_draft=answer.get("status") == "draft",
    )
