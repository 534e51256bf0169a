"""Every error that we raise on purpose is documented, and drawn in its module's tree."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import flows.error_categories
import flows.errors
from flows.errors import EngineError

ROOT = Path(__file__).parents[2]


def classes(base: type[EngineError] = EngineError) -> Iterator[type[EngineError]]:
    yield base
    for child in base.__subclasses__():
        yield from classes(child)


MODULES = {flows.errors.__name__, flows.error_categories.__name__}
OURS = [each for each in classes() if each.__module__ in MODULES]


@pytest.mark.parametrize("error", OURS, ids=lambda error: error.__name__)
def test_an_error_class_has_a_section_in_the_documentation(error: type[EngineError]) -> None:
    headings = re.findall(r"^#+ (\w+)$", (ROOT / "docs/errors.md").read_text(), re.MULTILINE)

    assert headings.count(error.__name__) == 1


@pytest.mark.parametrize("error", OURS, ids=lambda error: error.__name__)
def test_an_error_class_stands_in_the_tree_of_its_module(error: type[EngineError]) -> None:
    assert re.search(rf"\b{error.__name__}\b", flows.errors.__doc__ or "")


def test_no_section_describes_an_error_that_does_not_exist() -> None:
    text = (ROOT / "docs/errors.md").read_text()
    headings = set(re.findall(r"^#+ (\w+Error)$", text, re.MULTILINE))

    assert headings == {error.__name__ for error in OURS}


def test_one_tree_in_one_module() -> None:
    definition = re.compile(r"^class \w+\((\w*Error)\):", re.MULTILINE)
    names = {error.__name__ for error in OURS}
    elsewhere = {
        str(path.relative_to(ROOT)): found
        for package in ("activities", "api", "cli", "operations", "runtime", "store", "workflows")
        for path in (ROOT / package).rglob("*.py")
        if (found := names.intersection(definition.findall(path.read_text())))
    }

    assert elsewhere == {}
