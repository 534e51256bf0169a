"""What a completed flow hands back through Temporal."""

from collections.abc import Mapping

from pydantic import JsonValue

from contracts.messages import FlowExecutionResult
from flows.canonical import canonical_bytes

MAX_RESULT_BYTES = 1_000_000


def result_of(outputs: Mapping[str, JsonValue]) -> FlowExecutionResult:
    """Return the outputs that fit into one payload, in order; the read model has them all."""
    kept: dict[str, JsonValue] = {}
    omitted: list[str] = []
    size_bytes = 0
    for name, output in outputs.items():
        output_bytes = len(canonical_bytes(output))
        if size_bytes + output_bytes > MAX_RESULT_BYTES:
            omitted.append(name)
            continue
        size_bytes += output_bytes
        kept[name] = output
    return FlowExecutionResult.model_construct(status="completed", outputs=kept, omitted=omitted)
