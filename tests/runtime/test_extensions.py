"""Task executors that other packages bring."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from flows.errors import StartUpError
from flows.executors.catalogue import EXECUTORS, executor_named, register, unregister
from flows.executors.format_data import FORMAT_DATA
from flows.executors.spec import Kind, Parameters, TaskExecutor
from runtime.extensions import GROUP, load_extensions

NAMES = """
from flows.executors.extension import Extension
from flows.executors.spec import Kind, Parameters, TaskExecutor

def entry(name, kind=Kind.EFFECT, **more):
    return TaskExecutor(
        name=name, description="Something to test with.", agent_prompt="-", kind=kind,
        parameters=Parameters, output_schema=lambda _: {}, **more,
    )

async def work(call): ...

FINE = Extension(executor=entry("brought", aliases=("also_brought",)), activity=work)
TAKEN = Extension(executor=entry("http_request"), activity=work)
WAITING = Extension(executor=entry("waits", Kind.WAITING), activity=work)
IDLE = Extension(executor=entry("idle"))
NONE = "text"
"""


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    before = dict(EXECUTORS)
    yield
    for executor in [one for name, one in EXECUTORS.items() if name not in before]:
        unregister(executor)


def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Install a distribution that names one object of the module above."""
    module = f"brings_{name.lower()}"
    (tmp_path / f"{module}.py").write_text(NAMES)
    information = tmp_path / f"{module}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    point = EntryPoint(name=name, value=f"{module}:{name}", group=GROUP)
    (information / "entry_points.txt").write_text(f"[{GROUP}]\n{point.name} = {point.value}\n")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_what_a_package_brings_is_known_by_name_and_alias(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(tmp_path, monkeypatch, "FINE")

    (brought,) = load_extensions()
    load_extensions()

    assert executor_named("brought") is executor_named("also_brought") is brought.executor


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("TAKEN", "two task executors are called http_request"),
        ("WAITING", "which only the engine runs"),
        ("IDLE", "needs an activity"),
        ("NONE", "no Extension"),
        ("ABSENT", "cannot be loaded"),
    ],
)
def test_what_cannot_be_used_ends_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    offer(tmp_path, monkeypatch, name)

    with pytest.raises(StartUpError, match=says) as caught:
        load_extensions()

    assert "\n" not in caught.value.message
    assert "idle" not in EXECUTORS


def test_an_alias_may_not_hide_an_executor() -> None:
    hiding = TaskExecutor(
        name="hiding",
        description="Something to test with.",
        agent_prompt="-",
        kind=Kind.EFFECT,
        parameters=Parameters,
        output_schema=lambda _: {},
        aliases=("format_data",),
    )

    with pytest.raises(StartUpError):
        register(hiding)

    assert executor_named("format_data") is FORMAT_DATA
    assert "hiding" not in EXECUTORS
