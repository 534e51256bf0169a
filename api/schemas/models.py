"""Language models as callers see them."""

from collections.abc import Sequence

from typing_extensions import TypedDict


class ModelResponse(TypedDict):
    """A model, by the name that tasks use."""

    name: str
    is_default: bool


def models_view(names: Sequence[str]) -> list[ModelResponse]:
    """Return the models in the operator's order; the first is the default."""
    return [{"name": name, "is_default": name == names[0]} for name in names]
