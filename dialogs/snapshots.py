"""Super nodes that carry a copy of the graph that they stand for, held against the original.

Source: docs/workflows-api.md, "Super nodes".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

Document = dict[str, JsonValue]
Load = Callable[[str, int | None], Document | None]
SnapshotStatus = Literal["live", "current", "outdated", "missing", "detached"]

_PARTS = ("node_configs", "edge_configs", "dynamic_variables", "runtime_variables")
_CALLED = frozenset({"name", "description", "category"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperNode:
    """A node that stands for a graph.

    Attributes:
        workflow_id: The workflow that it names; None if it only carries a graph.
        version_number: The version that it names; None for whichever is active.
        copy: The graph that it carries; None if it is taken when a run begins.
    """

    logical_id: str
    name: str | None
    workflow_id: str | None
    version_number: int | None
    copy: Document | None

    def status(self, load: Load) -> SnapshotStatus:
        """Return how its graph stands to the one that it names."""
        if self.workflow_id is None:
            return "detached"
        original = load(self.workflow_id, self.version_number)
        if original is None:
            return "missing"
        if self.copy is None:
            return "live"
        return "current" if _parts(self.copy) == _parts(original) else "outdated"


def super_nodes(document: Document) -> Iterator[SuperNode]:
    """Yield the super nodes of a graph, not those inside the graphs that they carry."""
    nodes = document.get("node_configs")
    for node in nodes if isinstance(nodes, list) else ():
        if not isinstance(node, dict) or node.get("type") != "super_node":
            continue
        name, named = node.get("name"), node.get("super_workflow_id")
        version = node.get("super_workflow_version_number")
        carried = node.get("encapsulated_workflow_config")
        yield SuperNode(
            logical_id=str(node.get("logical_id")),
            name=name if isinstance(name, str) else None,
            workflow_id=named if isinstance(named, str) and named else None,
            version_number=version if isinstance(version, int) else None,
            copy=carried if isinstance(carried, dict) else None,
        )


def _parts(graph: Document) -> list[JsonValue]:
    """Return what a graph consists of; what is empty may as well be left out.

    What the workflow is called is none of it: that is shown beside the graph, and in it.
    """
    config = graph.get("workflow_config")
    own = config if isinstance(config, dict) else {}
    bare: Document = {name: each for name, each in own.items() if name not in _CALLED}
    return [bare, *(graph.get(part) or None for part in _PARTS)]
