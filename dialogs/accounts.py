"""What calls of models cost, over a turn and over a run.

Source: docs/workflow-language.md, "Models".
"""

from dialogs.events import JsonObject, Latency, LlmUsageInfo, Usage


def count_tokens(total: Usage, model: str, usage: LlmUsageInfo, *, has_own_key: bool) -> None:
    """Add a call's tokens.

    Args:
        has_own_key: Whether the author's key paid for it, and not the operator's.
    """
    spent = {
        "total_input_tokens": usage.prompt_tokens or 0,
        "total_output_tokens": usage.completion_tokens or 0,
        "total_tokens": usage.total_tokens or 0,
        "call_count": 1,
    }
    total.total_input_tokens += spent["total_input_tokens"]
    total.total_output_tokens += spent["total_output_tokens"]
    total.total_tokens += spent["total_tokens"]
    total.call_count += 1
    total.call_count_with_user_keys += has_own_key
    total.call_count_with_fallback_keys += not has_own_key
    held = _entry(total.breakdown_by_models.get(model))
    total.breakdown_by_models[model] = {
        name: _number(held.get(name)) + value for name, value in spent.items()
    }


def count_time(total: Latency, model: str, milliseconds: float) -> None:
    """Add the time that a call took."""
    total.call_count += 1
    total.total_latency_milliseconds += milliseconds
    total.average_latency_milliseconds = total.total_latency_milliseconds / total.call_count
    held = _entry(total.breakdown_by_models.get(model))
    count = _number(held.get("call_count")) + 1
    spent = _number(held.get("total_latency_milliseconds")) + milliseconds
    total.breakdown_by_models[model] = {
        "call_count": count,
        "total_latency_milliseconds": spent,
        "average_latency_milliseconds": spent / count,
    }


def _entry(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int | float:
    return value if isinstance(value, int | float) else 0
