"""``perdure up`` as its users meet it: real processes, real ports, real signals."""

import json
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jwt
import pytest

from runtime.readiness import free_port, is_port_free
from tests.support.command import perdure, perdure_process
from tests.support.eventually import eventually
from tests.support.platform_process import PARTS, Part, PlatformProcess, running_platform


@pytest.fixture(scope="module")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PlatformProcess]:
    async with running_platform(tmp_path_factory.mktemp("a folder")) as running:
        yield running


async def test_the_ready_file_says_where_everything_is(platform: PlatformProcess) -> None:
    facts = platform.facts

    assert set(facts) >= {
        *("api_url", "temporal_address", "temporal_ui_url", "mongodb_uri", "pids"),
        *("organization_id", "team_id", "api_key", "jwt_secret"),
    }
    assert set(PARTS) <= set(json.loads(json.dumps(facts["pids"])))
    assert (await platform.http.get("/health/ready")).status_code == httpx.codes.OK
    async with httpx.AsyncClient(trust_env=False) as browser:
        assert (await browser.get(str(facts["temporal_ui_url"]))).status_code == httpx.codes.OK


async def test_the_bootstrapped_key_and_a_token_are_accepted(platform: PlatformProcess) -> None:
    by_key = await platform.http.get("/api/flows")
    token = await perdure(
        *("token", "--organization", str(platform.facts["organization_id"])),
        *("--user", "5f2c8c0a-3f0e-4a8e-9a53-0f9f6d0f8a11", "--role", "org_admin"),
        variables={"PERDURE_JWT_SECRET": str(platform.facts["jwt_secret"])},
    )
    async with httpx.AsyncClient(trust_env=False) as person:
        by_token = await person.get(
            f"{platform.facts['api_url']}/api/flows",
            headers={"Authorization": f"Bearer {token.out.strip()}"},
        )

    assert by_key.status_code == httpx.codes.OK
    assert by_token.status_code == httpx.codes.OK


async def test_servers_listen_on_the_loopback_interface_only(platform: PlatformProcess) -> None:
    def others_reach(port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.2", port)) == 0

    urls = [str(platform.facts[name]) for name in ("api_url", "temporal_ui_url", "mongodb_uri")]
    urls.append(f"grpc://{platform.facts['temporal_address']}")
    ports = [httpx.URL(url).port for url in urls]

    assert [others_reach(port or 0) for port in ports] == [False] * 4


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_that_is_killed_comes_back(platform: PlatformProcess, part: Part) -> None:
    killed = platform.kill(part)

    await platform.await_back(part, killed)

    await platform.await_healthy()


async def test_a_platform_that_was_killed_starts_again_at_once_with_its_state(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "with spaces"
    folder.mkdir()
    async with running_platform(folder) as first:
        flow_id = await first.create_flow("kept", {"tasks": []})
        os.kill(first.pid("up"), signal.SIGKILL)
        assert await first.stop() == -signal.SIGKILL
    (folder / "ready.json").unlink()

    async with running_platform(folder) as second:
        kept = await second.http.get(f"/api/flows/{flow_id}")
        assert await second.stop() == 0

    assert kept.status_code == httpx.codes.OK
    same = ("organization_id", "team_id", "api_key", "jwt_secret")
    assert [second.facts[name] for name in same] == [first.facts[name] for name in same]
    assert not (folder / "ready.json").exists()
    secrets = [folder / "data" / name for name in ("api_key", "jwt_secret", "encryption_key")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}


async def test_a_second_platform_runs_beside_the_first(
    platform: PlatformProcess, tmp_path: Path
) -> None:
    async with running_platform(tmp_path) as second:
        assert second.facts["organization_id"] != platform.facts["organization_id"]
        assert (await second.http.get("/health/ready")).status_code == httpx.codes.OK
        assert (await platform.http.get("/health/ready")).status_code == httpx.codes.OK
        assert await second.stop() == 0


async def test_a_second_platform_on_the_same_folder_is_refused(platform: PlatformProcess) -> None:
    again = await perdure("up", "--data-dir", str(platform.data_dir), "--port", "0")

    assert again.status == 1
    assert again.err.count("\n") == 1
    assert "already runs" in again.err


async def test_a_taken_port_is_one_line_that_names_the_option(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        refused = await perdure(
            *("up", "--data-dir", str(tmp_path), "--mongodb-port", port),
            *("--port", "0", "--temporal-port", "0", "--ui-port", "0"),
        )

    assert refused.status == 1
    assert refused.err == f"perdure: port {port} is taken: choose another one with --mongodb-port\n"


async def test_a_data_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    refused = await perdure("up", "--data-dir", str(tmp_path / "file" / "data"))

    assert refused.status == 1
    assert refused.err.startswith("perdure: cannot write to the data folder")
    assert refused.err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_while_starting_stops_cleanly(tmp_path: Path, number: int) -> None:
    api_port = free_port()
    process = await perdure_process(
        *("up", "--data-dir", str(tmp_path), "--port", str(api_port)),
        *("--temporal-port", "0", "--ui-port", "0", "--mongodb-port", "0", "--metrics-port", "0"),
    )
    await eventually((tmp_path / "logs" / "mongod.log").exists)

    process.send_signal(number)

    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert is_port_free(api_port)


async def test_once_runs_a_command_on_the_platform_and_hands_its_status_on(
    tmp_path: Path, temporal_address: str, mongo_uri: str, task_queue: str
) -> None:
    program = (
        "import json, os, sys, urllib.request as web\n"
        "asked = web.Request(os.environ['PERDURE_URL'] + '/api/flows',"
        " headers={'X-API-Key': os.environ['PERDURE_API_KEY']})\n"
        "print(web.urlopen(asked).status)\n"
        "sys.exit(3)"
    )

    ended = await perdure(
        *("up", "--once", "--data-dir", str(tmp_path), "--port", "0", "--metrics-port", "0"),
        *("--", sys.executable, "-c", program),
        variables=elsewhere(temporal_address, mongo_uri, task_queue),
    )

    assert (ended.status, ended.out.splitlines()[-1]) == (3, "200")


async def test_servers_that_run_elsewhere_are_used_and_not_started(
    tmp_path: Path, temporal_address: str, mongo_uri: str, task_queue: str
) -> None:
    variables = elsewhere(temporal_address, mongo_uri, task_queue)

    async with running_platform(tmp_path, variables) as platform:
        assert platform.facts["temporal_address"] == temporal_address
        assert platform.facts["mongodb_uri"] == mongo_uri
        assert set(json.loads(json.dumps(platform.facts["pids"]))) == {"up", "worker", "api"}
        assert await platform.stop() == 0


async def test_bootstrap_makes_one_organization_and_a_further_key(
    mongo_uri: str, task_queue: str
) -> None:
    variables = {"PERDURE_MONGODB_URI": mongo_uri, "PERDURE_MONGODB_DATABASE": task_queue}
    command = ("bootstrap", "--organization", "Example & Co", "--json")

    first = json.loads((await perdure(*command, variables=variables)).out)
    second = json.loads((await perdure(*command, variables=variables)).out)

    assert set(first) == {"organization_id", "team_id", "service_account_id", "api_key"}
    assert first["organization_id"] == second["organization_id"]
    assert first["api_key"] != second["api_key"]
    assert first["api_key"].startswith("saf_")


async def test_bootstrap_without_mongodb_is_one_line() -> None:
    refused = await perdure(
        *("bootstrap", "--organization", "nobody"),
        variables={"PERDURE_MONGODB_URI": f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0"},
    )

    assert refused.status == 1
    assert refused.err.count("\n") == 1


async def test_a_token_carries_the_documented_claims() -> None:
    secret = "a secret that is long enough for HS256"

    made = await perdure(
        *("token", "--organization", "o", "--user", "u", "--role", "app_user", "--ttl", "60"),
        variables={"PERDURE_JWT_SECRET": secret},
    )

    claims = jwt.decode(made.out.strip(), secret, algorithms=["HS256"])
    assert (claims["sub"], claims["organization_id"], claims["role"]) == ("u", "o", "app_user")
    assert claims["exp"] - claims["iat"] == 60


async def test_a_token_needs_a_secret() -> None:
    refused = await perdure("token", "--organization", "o", "--user", "u", "--role", "app_user")

    assert refused.status == 1
    assert refused.err.startswith("perdure: PERDURE_JWT_SECRET is not set")


def elsewhere(temporal_address: str, mongo_uri: str, task_queue: str) -> dict[str, str]:
    """Variables that point at the session's servers, with a database and a queue of their own."""
    return {
        "PERDURE_TEMPORAL_ADDRESS": temporal_address,
        "PERDURE_MONGODB_URI": mongo_uri,
        "PERDURE_MONGODB_DATABASE": task_queue,
        "PERDURE_TASK_QUEUE": task_queue,
    }
