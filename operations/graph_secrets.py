"""Keys of models in graphs: sealed where they are stored, masked where they are shown.

A mask that comes back means "as it was": the key at the same place of the same node, edge or
configuration, found by its logical id.

Source: docs/workflows-api.md, "Keys of models"; docs/secrets.md.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pydantic import JsonValue

from dialogs.placeholders import Placeholder, pieces
from flows.errors import InvalidGraphError
from flows.secrets import MASK, sealed_ids, sealed_in, sealed_reference
from operations.vault import Vault
from store.secrets import StoredSecret
from store.workflows import GraphDocument

KEY = "api_key"
OWNER = "sealed_for"
CATEGORY = "Invalid model key"

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class SealedGraph:
    """A graph as it is stored, and the secrets that come with it."""

    graph: GraphDocument
    secrets: list[StoredSecret] = field(default_factory=list)


def seal_keys(
    vault: Vault,
    organization_id: str,
    workflow_id: str,
    graph: GraphDocument,
    previous: GraphDocument | None,
) -> SealedGraph:
    """Return a graph whose keys are sealed, and whose masks are what they stand for.

    Raises:
        InvalidGraphError: A mask stands for nothing, or somebody wrote a reference by hand.
        EncryptionKeyMissingError: There are keys, and no key to seal them with is configured.
    """
    held = dict(_keys(previous)) if previous is not None else {}
    secrets: list[StoredSecret] = []

    def sealed(place: Place, text: str) -> str:
        where = ".".join(map(str, place))
        if text == MASK:
            if place not in held:
                raise InvalidGraphError(CATEGORY, f"the mask at '{where}' stands for no stored key")
            return held[place]
        if next(sealed_ids(text), None) is not None:
            raise InvalidGraphError(CATEGORY, f"'{where}' refers to a stored secret by hand")
        if not text or _is_variable(text):
            return text
        secret = vault.seal_parameter(organization_id, workflow_id, text)
        secrets.append(secret)
        return sealed_reference(secret.id)

    return SealedGraph(_with_keys(graph, sealed), secrets)


async def move_keys(
    vault: Vault, organization_id: str, source_id: str, target_id: str, graph: GraphDocument
) -> SealedGraph:
    """Return a graph for another workflow, with its keys sealed for that one."""
    references = {text for _, text in _keys(graph) if next(sealed_ids(text), None) is not None}
    bare = {text: text.removeprefix("{{").removesuffix("}}") for text in references}
    opened = await vault.open(organization_id, source_id, set(bare.values()))
    secrets: list[StoredSecret] = []

    def moved(place: Place, text: str) -> str:
        if text not in bare:
            return text
        secret = vault.seal_parameter(organization_id, target_id, opened[bare[text]])
        secrets.append(secret)
        return sealed_reference(secret.id)

    return SealedGraph(_with_keys(graph, moved), secrets)


def mask_keys(graph: GraphDocument) -> GraphDocument:
    """Return a graph as it is shown."""

    def masked(place: Place, text: str) -> str:
        return MASK if next(sealed_ids(text), None) is not None else text

    return _with_keys(graph, masked)


def with_owner(graph: GraphDocument, workflow_id: str) -> GraphDocument:
    """Return a graph whose sealed keys say which workflow they were sealed for.

    So they open inside the graph of another workflow, which embeds this one.
    """
    result = copy.deepcopy(graph)
    _name_owner(result, workflow_id)
    return result


def _name_owner(value: JsonValue, workflow_id: str) -> None:
    if isinstance(value, list):
        for each in value:
            _name_owner(each, workflow_id)
    elif isinstance(value, dict):
        key = value.get(KEY)
        if isinstance(key, str) and next(sealed_ids(key), None) is not None:
            value[OWNER] = workflow_id
        for each in value.values():
            _name_owner(each, workflow_id)


def _is_variable(text: str) -> bool:
    found = [*pieces(text)]
    is_placeholder = len(found) == 1 and isinstance(found[0], Placeholder)
    return is_placeholder and sealed_in(text.strip("{}")) is None


def _keys(graph: GraphDocument) -> Iterator[tuple[Place, str]]:
    found: list[tuple[Place, str]] = []

    def note(place: Place, text: str) -> str:
        found.append((place, text))
        return text

    _with_keys(graph, note)
    yield from found


def _with_keys(graph: GraphDocument, change: Callable[[Place, str], str]) -> GraphDocument:
    """Return a copy in which every key is what ``change`` makes of it."""
    result = copy.deepcopy(graph)
    _walk(result, (), change)
    return result


def _walk(value: JsonValue, place: Place, change: Callable[[Place, str], str]) -> None:
    if isinstance(value, dict):
        for name, each in value.items():
            if name == KEY and isinstance(each, str):
                value[name] = change((*place, name), each)
            else:
                _walk(each, (*place, name), change)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            logical_id = each.get("logical_id") if isinstance(each, dict) else None
            step = logical_id if isinstance(logical_id, str) else index
            _walk(each, (*place, step), change)
