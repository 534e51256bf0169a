"""Definitions in files: good ones are accepted, bad ones give exactly the faults beside them."""

from pathlib import Path

import pytest

from flows.errors import Fault
from flows.parse import check, read_document

_HERE = Path(__file__).parent
_VALID = sorted((_HERE / "valid").glob("*.yaml"))
_INVALID = sorted((_HERE / "invalid").glob("*.yaml"))


def _name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", _VALID, ids=_name)
def test_a_good_definition_has_no_faults(path: Path) -> None:
    _, faults = check(read_document(path.read_text(encoding="utf-8"), media="yaml"))

    assert list(map(str, faults)) == []


@pytest.mark.parametrize("path", _INVALID, ids=_name)
def test_a_bad_definition_gives_all_its_faults(path: Path) -> None:
    expected = path.with_suffix(".faults").read_text(encoding="utf-8").splitlines()

    _, faults = check(read_document(path.read_text(encoding="utf-8"), media="yaml"))

    assert [_line(fault) for fault in faults] == expected


def test_every_file_of_faults_belongs_to_a_definition() -> None:
    assert {path.stem for path in (_HERE / "invalid").glob("*.faults")} == set(map(_name, _INVALID))


def _line(fault: Fault) -> str:
    """Return a fault as the files show it: does it reject, its type, its place, its reason."""
    return f"{'rejects' if fault.rejects else 'draft':7} {fault.type} @ {fault}"
