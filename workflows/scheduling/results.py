"""What a completed flow hands back through Temporal."""

from collections.abc import Mapping

from pydantic import JsonValue

from contracts.messages import FlowExecutionResult
from workflows.scheduling.outcome import Outcome

MAX_RESULT_BYTES = 1_000_000


def result_of(outcomes: Mapping[str, Outcome]) -> FlowExecutionResult:
    """Return the outputs that fit into one payload, in order; the read model has them all."""
    kept: dict[str, JsonValue] = {}
    omitted: list[str] = []
    size_bytes = 0
    for name, outcome in outcomes.items():
        if size_bytes + outcome.output_bytes > MAX_RESULT_BYTES:
            omitted.append(name)
            continue
        size_bytes += outcome.output_bytes
        kept[name] = outcome.output
    return FlowExecutionResult.model_construct(status="completed", outputs=kept, omitted=omitted)
