"""What the production files promise; ``make compose-check`` looks at the rest."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from temporalio.api.enums.v1 import IndexedValueType

from runtime.gateway import SEARCH_ATTRIBUTES
from runtime.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOTS = {"temporal-schema", "temporal-namespace"}
OURS = ("api", "worker")
every_service = pytest.mark.parametrize("name", sorted(SERVICES))


@every_service
def test_images_are_pinned_to_a_whole_version(name: str) -> None:
    assert re.search(r":\d+\.\d+(\.\d+)?(-\w+)?$", SERVICES[name]["image"])


@every_service
def test_what_runs_is_checked_bounded_and_started_again(name: str) -> None:
    service = SERVICES[name]

    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["cap_drop"] == ["ALL"]
    if name in ONE_SHOTS:
        assert service["restart"] == "on-failure"
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"


@every_service
def test_dependants_wait_for_health_or_success(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        expected = "completed_successfully" if other in ONE_SHOTS else "healthy"
        assert wait == {"condition": f"service_{expected}"}


@every_service
def test_nothing_is_published_beyond_this_machine(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", OURS)
def test_our_processes_cannot_write_to_their_image(name: str) -> None:
    assert SERVICES[name]["read_only"] is True
    assert SERVICES[name]["tmpfs"]


@pytest.mark.parametrize("name", OURS)
def test_our_processes_are_given_settings_that_exist(name: str) -> None:
    known = {f"PERDURE_{field.upper()}" for field in Settings.model_fields}
    given = {key for key in SERVICES[name]["environment"] if key.startswith("PERDURE_")}

    assert given <= known


@pytest.mark.parametrize("name", OURS)
def test_what_the_example_names_reaches_our_processes(name: str) -> None:
    named = re.findall(r"^#? ?(PERDURE_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)

    assert "PERDURE_LLM_BASE_URL" in named
    assert set(named) <= set(SERVICES[name]["environment"])


def test_the_image_is_built_from_every_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {pattern.rstrip("*") for pattern in settings["packages"]["find"]["include"]}
    let_in = re.findall(r"^!(\w+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)

    assert set(let_in) == packages | {"LICENSE"}


def test_stores_cannot_be_reached_from_outside() -> None:
    assert COMPOSE["networks"]["stores"] == {"internal": True}
    for name in ("mongodb", "postgresql", "temporal"):
        assert SERVICES[name]["networks"] == ["stores"]
        assert "ports" not in SERVICES[name]


def test_what_must_survive_lives_in_volumes() -> None:
    mounts = [mount for name in ("mongodb", "postgresql") for mount in SERVICES[name]["volumes"]]

    assert {mount.split(":")[0] for mount in mounts} == set(COMPOSE["volumes"])


def test_the_namespace_gets_our_search_attributes() -> None:
    script = (ROOT / "deploy/temporal-namespace.sh").read_text()
    created = dict(re.findall(r"--name (\w+) --type (\w+)", script))

    assert {name: kind.upper() for name, kind in created.items()} == {
        name: kind_name(value) for name, value in SEARCH_ATTRIBUTES.items()
    }


def kind_name(value: Any) -> str:
    return IndexedValueType.Name(value).removeprefix("INDEXED_VALUE_TYPE_")


def test_organizations_share_the_queue_fairly() -> None:
    config = yaml.safe_load((ROOT / "deploy/temporal-dynamic-config.yaml").read_text())

    assert config["matching.enableFairness"] == [{"value": True}]


def test_secrets_come_from_the_environment_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    named = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert set(re.findall(r"\$\{([A-Z_]+)", text)) == named
    for name in ("POSTGRES_PASSWORD", "PERDURE_JWT_SECRET", "PERDURE_ENCRYPTION_KEYS"):
        assert f"${{{name}:?" in text


def test_the_image_runs_as_nobody_in_particular_and_takes_signals() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    final = lines[max(at for at, line in enumerate(lines) if line.startswith("FROM ")) :]

    assert "USER 10001:10001" in final
    assert "STOPSIGNAL SIGTERM" in final
    assert any(line.startswith('CMD ["uvicorn"') for line in final)
    assert any(line.startswith("HEALTHCHECK") for line in final)
    assert not any("apt-get" in line or "pip install" in line for line in final)
