"""JSON Schemas of runs and their turns, as they are read.

Source: docs/workflows-api.md, "Runs".
"""

from functools import cache

from pydantic import JsonValue, TypeAdapter
from typing_extensions import TypedDict

from api.schemas.runs import JsonObject, RunState
from dialogs.events import AnyEvent
from dialogs.state import RunInput


class RunOutput(TypedDict):
    """What a turn came to: everything that it told, and the output of each node by thread."""

    events: list[AnyEvent]
    thread_to_node_outputs: dict[str, list[JsonObject]]


class InputOutputPair(TypedDict):
    """What is kept of a turn."""

    run_input: RunInput
    run_output: RunOutput
    evaluation: JsonValue
    iteration_end_state_miscellaneous: JsonObject
    comments: list[JsonValue]
    ratings: list[JsonValue]


class RunSchemasResponse(TypedDict):
    """JSON Schemas of a run and its parts."""

    run_schema: JsonObject
    run_input_schema: JsonObject
    run_output_schema: JsonObject
    run_input_output_pair_schema: JsonObject


@cache
def run_schemas() -> RunSchemasResponse:
    """Return the schemas."""
    return {
        "run_schema": TypeAdapter(RunState).json_schema(),
        "run_input_schema": RunInput.model_json_schema(),
        "run_output_schema": TypeAdapter(RunOutput).json_schema(),
        "run_input_output_pair_schema": TypeAdapter(InputOutputPair).json_schema(),
    }
