"""Finds interactive workflows by what the command line calls them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from cli.client import Client, ClientError, JsonObject

WORKFLOWS = "/v1/workflows"
RUNS = "/v1/workflow-runs"
_ID = re.compile(r"[0-9a-f]{24}")
_PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class RegisteredWorkflow:
    """A workflow that the API knows.

    Attributes:
        active: Number of the version that new runs take.
    """

    id: str
    name: str
    active: int

    @property
    def path(self) -> str:
        """Return where the API has it."""
        return f"{WORKFLOWS}/{self.id}"

    @classmethod
    def of(cls, document: JsonObject) -> "RegisteredWorkflow":
        """Return the workflow that a document describes."""
        config, active = document.get("workflow_config"), document.get("active_version_number")
        name = config.get("name") if isinstance(config, dict) else None
        return cls(str(document["_id"]), str(name), active if isinstance(active, int) else 0)


def existing(client: Client, workflow: str) -> RegisteredWorkflow:
    """Return the workflow of this id, or of this name.

    Raises:
        ClientError: There is none, or several have the name.
    """
    if _ID.fullmatch(workflow):
        try:
            answer = as_object(client.get(f"{WORKFLOWS}/{workflow}"))
        except ClientError as error:
            if error.status != 404:
                raise
        else:
            return RegisteredWorkflow.of(as_object(answer["workflow"]))
    found = named(client, workflow)
    if found is None:
        raise ClientError(f"no workflow has the id or name {workflow!r}")
    return found


def named(client: Client, name: str) -> RegisteredWorkflow | None:
    """Return the workflow of this name.

    Raises:
        ClientError: Several have it.
    """
    listed = rows(client, WORKFLOWS, "workflows", search=name)
    found = [each for each in map(RegisteredWorkflow.of, listed) if each.name == name]
    if len(found) > 1:
        ids = ", ".join(each.id for each in found)
        raise ClientError(f"several workflows are called {name!r}; say which by its id: {ids}")
    return found[0] if found else None


def graph_of(client: Client, workflow: RegisteredWorkflow) -> JsonObject:
    """Return the whole graph of a workflow's active version."""
    answer = as_object(client.get(workflow.path, fully_hydrate=True))
    return as_object(as_object(answer["workflow"])["workflow_config"])


def rows(client: Client, path: str, plural: str, **query: str) -> Iterator[JsonObject]:
    """Yield the rows of a list, page by page."""
    page = 1
    while True:
        answer = as_object(client.get(path, page=page, size=_PAGE_SIZE, **query))
        listed = answer.get(plural)
        found = [as_object(each) for each in listed] if isinstance(listed, list) else []
        yield from found
        if len(found) < _PAGE_SIZE:
            return
        page += 1


def as_object(answer: JsonValue) -> JsonObject:
    """Return an answer that must be an object."""
    if not isinstance(answer, dict):
        raise ClientError("the API answered with something that is not an object")
    return answer
