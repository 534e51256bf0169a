"""``python_code``: an author's Python, run in a sandbox."""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field as Describe
from pydantic import JsonValue

from flows.executors.spec import JsonSchema, Kind, Parameters, TaskExecutor


class PythonCodeParameters(Parameters):
    """The code and what it works on."""

    code: str = Describe(
        min_length=1,
        max_length=256 * 1024,
        description="Reads `input_data` and assigns `result`, which becomes the output.",
    )
    input_data: JsonValue = Describe(default=None, description="Any JSON, with references.")


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the schema of a result: any JSON."""
    return {}


PYTHON_CODE = TaskExecutor(
    name="python_code",
    description="Runs Python code on the outputs of earlier tasks, in a sandbox.",
    agent_prompt=(
        "Use for what templates cannot do. The code reads `input_data` and assigns `result`. "
        "A subset of Python with re, json, math and datetime; no files, network, environment or "
        "third-party modules; time and memory are limited."
    ),
    kind=Kind.EFFECT,
    parameters=PythonCodeParameters,
    output_schema=_output,
    is_pure=True,
    default_timeout=timedelta(minutes=1),
    is_schedulable=True,
)
