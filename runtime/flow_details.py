"""What Temporal's Web UI tells about a flow execution, beside its history."""

import json
import re

from contracts.messages import FlowExecutionStart
from flows.model import Task

MAX_BYTES = 16_000
"""Temporal takes 20,000 bytes, counted after encoding."""

_MAX_TITLE_CHARS = 80
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")


def flow_details(start: FlowExecutionStart) -> str:
    """Return Markdown that names the execution and lists the flow's tasks in document order."""
    lines = [
        f"Execution `{start.flow_execution_id}`, generation {start.generation}, "
        f"starting at {_plain(start.input_task_name)}",
        "",
    ]
    tasks = start.definition.tasks
    size = 0
    for position, task in enumerate(tasks):
        line = f"1. {_shown(task)}"
        size += len(json.dumps(line, ensure_ascii=False).encode())
        if size > MAX_BYTES:
            lines += ["", f"and {len(tasks) - position} more"]
            break
        lines.append(line)
    return "\n".join(lines)


def _shown(task: Task) -> str:
    """Return one task's line: what people call it, and what runs."""
    name = "" if task.title is None else f" ({_plain(task.name)})"
    return f"**{_plain(task.title or task.name)}**{name}: `{task.executor}`"


def _plain(text: str) -> str:
    """Return authored text in one line that Markdown shows as it is."""
    line = " ".join(text.split())
    cut = line if len(line) <= _MAX_TITLE_CHARS else f"{line[:_MAX_TITLE_CHARS]}…"
    return _MARKUP.sub(r"\\\1", cut)
