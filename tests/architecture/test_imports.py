"""Rules about who imports what that import-linter cannot express."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "activities",
    "api",
    "cli",
    "composition",
    "contracts",
    "dialogs",
    "flows",
    "operations",
    "runtime",
    "store",
    "workflows",
)
CLIENT_USERS = {"api/app.py", "worker.py"}


def modules() -> Iterator[Path]:
    yield ROOT / "worker.py"
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run(  # noqa: S603 - our own tool
        [str(linter), "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout


def test_only_runtime_and_composition_roots_use_the_temporal_client() -> None:
    users = {name_of(path) for path in modules() if "temporalio.client" in set(imported(path))}

    assert {name for name in users if not name.startswith("runtime/")} <= CLIENT_USERS


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_nothing_in_its_init_or_re_exports_by_name(package: str) -> None:
    for path in (ROOT / package).rglob("__init__.py"):
        tree = ast.parse(path.read_text())
        allowed = (ast.Expr, ast.ImportFrom, ast.Import, ast.Assign, ast.AnnAssign)
        assert all(isinstance(node, allowed) for node in tree.body), name_of(path)


def test_modules_stay_short() -> None:
    long = {
        name_of(path): lines
        for path in modules()
        if (lines := len(path.read_text().splitlines())) > 400
    }

    assert long == {}


def test_the_list_of_banned_calls_is_on_where_workflows_run() -> None:
    offence = (
        '"""Read the clock."""\n\nfrom datetime import UTC, datetime\n\nNOW = datetime.now(UTC)\n'
    )
    ruff = str(Path(sys.executable).with_name("ruff"))
    found = {}
    for package in ("flows", "dialogs", "contracts", "workflows", "runtime"):
        checked = subprocess.run(  # noqa: S603 - our own tool
            [
                ruff,
                "check",
                "--quiet",
                "--no-cache",
                "--stdin-filename",
                f"{package}/probe.py",
                "-",
            ],
            cwd=ROOT,
            input=offence,
            capture_output=True,
            text=True,
            check=False,
        )
        found[package] = "TID251" in checked.stdout

    assert found == {
        "flows": True,
        "dialogs": True,
        "contracts": True,
        "workflows": True,
        "runtime": False,
    }
