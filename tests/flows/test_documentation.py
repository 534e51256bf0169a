"""Every flow in the documentation is one; what the text promises about them holds."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from flows.errors import Fault
from flows.graph import Graph
from flows.inputs import validate_input
from flows.model import MAX_TASK_NAME_CHARS, MAX_TASKS
from flows.parse import accepted, check, read_document
from flows.references import MAX_REFERENCE_CHARS, MAX_RESOLVED_CHARS, resolve, value_at
from flows.values import MAX_VALUE_NESTING

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "flow-language.md"
_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_SOURCE = re.compile(r"docs/flow-language\.md((?:,| and) \"[^\"]+\")+")


def _flows() -> Iterator[tuple[str, str]]:
    """Yield every YAML block of the pages, with page and line."""
    pages = [*_ROOT.glob("docs/*.md"), _ROOT / "README.md"]
    for page in filter(Path.exists, pages):
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            if "tasks:" in match[1]:
                yield f"{page.name}:{text[: match.start()].count(chr(10)) + 1}", match[1]


_FLOWS = dict(_flows())


def _named(name: str) -> str:
    return next(text for text in _FLOWS.values() if text.startswith(f"name: {name}\n"))


def test_the_reference_of_the_language_has_flows() -> None:
    assert sum(place.startswith("flow-language.md") for place in _FLOWS) >= 9


@pytest.mark.parametrize("text", _FLOWS.values(), ids=_FLOWS)
def test_a_documented_flow_has_no_faults(text: str) -> None:
    faults: list[Fault] = check(read_document(text, media="yaml"))[1]

    assert list(map(str, faults)) == []


def _resolved(text: str, task_name: str, outputs: dict[str, JsonValue]) -> JsonValue:
    """Return a task's template once resolved."""
    flow = accepted(read_document(text, media="yaml"))
    task = next(task for task in flow.tasks if task.name == task_name)
    values = {
        reference.text: value_at(outputs[reference.task_name], reference.path)
        for reference in Graph(flow).references[task_name]
    }
    return resolve(task.parameters["template"], values)


def test_the_first_flow_yields_what_the_page_says() -> None:
    input: JsonValue = {"first_name": "Ada", "visits": 3}

    flow = accepted(read_document(_named("Greeting"), media="yaml"))

    assert validate_input(flow, "form", input) == []
    assert _resolved(_named("Greeting"), "greeting", {"form": input}) == {
        "text": "Hello Ada, this is visit 3.",
        "visits": 3,
    }


def test_the_three_spellings_yield_what_the_page_says() -> None:
    form: JsonValue = {"number": 7, "rows": [{"sku": "a", "pieces": 2}, {"sku": "b", "pieces": 1}]}

    assert _resolved(_named("Three spellings, types kept"), "summary", {"order form": form}) == {
        "everything": form,
        "number": 7,
        "same": 7,
        "first": "a",
        "skus": ["a", "b"],
        "text": "Order 7: [2,1]",
    }


def test_the_limits_are_the_documented_ones() -> None:
    page = _PAGE.read_text(encoding="utf-8")

    assert f"{MAX_TASKS:,} tasks" in page
    assert f"{MAX_TASK_NAME_CHARS} characters" in page
    assert f"{MAX_REFERENCE_CHARS:,} characters" in page
    assert f"{MAX_RESOLVED_CHARS // 2**20} Mi characters" in page
    assert f"up to {MAX_VALUE_NESTING} levels" in page.replace("\n", " ")


def test_every_source_line_names_a_section_that_exists() -> None:
    headings = set(_HEADING.findall(_PAGE.read_text(encoding="utf-8")))
    rooms = (
        "activities",
        "api",
        "cli",
        "contracts",
        "flows",
        "operations",
        "runtime",
        "store",
        "workflows",
    )
    modules = [module for room in rooms for module in (_ROOT / room).rglob("*.py")]

    named = {
        section
        for module in modules
        for source in _SOURCE.finditer(module.read_text(encoding="utf-8"))
        for section in re.findall(r'"([^"]+)"', source[0])
    }

    assert named
    assert named <= headings
