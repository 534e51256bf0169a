"""The way out of a node that a model chose."""

from dataclasses import dataclass

from dialogs.events import JsonObject
from dialogs.model import Edge


@dataclass(frozen=True, slots=True)
class Chosen:
    """An edge that a model took, with the arguments that it filled in."""

    edge: Edge
    args_filled: JsonObject
