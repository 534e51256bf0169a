"""The embedded platform as one thing: what it consists of, how it is configured and reached."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli.bootstrap import Bootstrapped, bootstrapped
from cli.ports import Ports, chosen
from runtime.data_folder import DataFolder, write_private
from runtime.embedded import EmbeddedMongo, EmbeddedTemporal
from runtime.parts import ApiPart, WorkerPart
from runtime.readiness import LOOPBACK
from runtime.settings import load_settings
from runtime.supervision import Part, Supervisor

ORGANIZATION = "default"

_TEMPORAL_ADDRESS = "PERDURE_TEMPORAL_ADDRESS"
_MONGODB_URI = "PERDURE_MONGODB_URI"


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the platform is reached; ``temporal_ui`` is None where Temporal is not ours."""

    api: str
    temporal: str
    temporal_ui: str | None
    mongodb: str


class Platform:
    """Temporal, MongoDB, a worker and an API, as child processes that share a data folder."""

    def __init__(
        self,
        folder: DataFolder,
        ports: Ports,
        environment: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        """Choose ports and configure every part; nothing starts yet.

        Args:
            folder: Held by the caller for as long as the platform lives.
            environment: Of this process; a Temporal or MongoDB that it names is used, not started.

        Raises:
            StartUpError: A port is taken, a binary is missing or a variable malformed.
        """
        given = {name for name in (_TEMPORAL_ADDRESS, _MONGODB_URI) if environment.get(name)}
        unused = {"temporal", "ui"} if _TEMPORAL_ADDRESS in given else set()
        unused |= {"mongodb"} if _MONGODB_URI in given else set()
        ports = chosen(ports, frozenset(unused))
        self._folder = folder
        self._ready_file: Path | None = None
        servers: list[Part] = []
        made = dict(environment)
        ui_url = None
        if _TEMPORAL_ADDRESS not in given:
            temporal = EmbeddedTemporal(folder.path, ports.temporal, ports.ui)
            servers.append(temporal)
            made[_TEMPORAL_ADDRESS] = temporal.address
            ui_url = f"http://{LOOPBACK}:{ports.ui}"
        if _MONGODB_URI not in given:
            mongo = EmbeddedMongo(folder.path, ports.mongodb)
            servers.append(mongo)
            made[_MONGODB_URI] = mongo.uri
        self.environment = self._completed(made, ports)
        self.settings = load_settings(self.environment)
        api = ApiPart(folder.path, self.environment, ports.api)
        self.urls = Urls(
            api=api.url,
            temporal=self.settings.temporal_address,
            temporal_ui=ui_url,
            mongodb=self.settings.mongodb_uri.get_secret_value(),
        )
        self.owns_mongodb = _MONGODB_URI not in given
        self._servers = Supervisor([servers], say)
        self._own = Supervisor([[self._worker(), api]], say)
        self._account: Bootstrapped | None = None

    async def start(self, ready_file: Path | None) -> Bootstrapped:
        """Start everything, make an organization with a key, and say so in the ready file.

        Raises:
            StartUpError: A part did not start.
            StoreUnavailableError: A MongoDB that is not ours does not answer.
        """
        self._ready_file = ready_file
        self.forget_ready_file()
        await self._servers.start()
        account = await bootstrapped(self.settings, ORGANIZATION, self._folder.api_key())
        self._folder.keep_api_key(account.api_key)
        await self._own.start()
        self._account = account
        self._write_ready_file()
        self._servers.on_restart = self._own.on_restart = self._write_ready_file
        return account

    async def stop(self) -> None:
        """Stop everything, our own parts before the servers that they need."""
        self.forget_ready_file()
        await self._own.stop()
        await self._servers.stop()

    async def kill(self) -> None:
        """End everything on the spot; nothing that was acknowledged is lost."""
        await self._own.kill()
        await self._servers.kill()

    def forget_ready_file(self) -> None:
        """Remove the ready file: the platform is not, or no longer, ready."""
        if self._ready_file:
            with suppress(FileNotFoundError):
                self._ready_file.unlink()

    def _completed(self, environment: dict[str, str], ports: Ports) -> dict[str, str]:
        """Return the environment of worker and API, secrets made and kept where none are set."""
        if not environment.get("PERDURE_JWT_SECRET") and not environment.get(
            "PERDURE_JWT_JWKS_URL"
        ):
            environment["PERDURE_JWT_SECRET"] = self._folder.jwt_secret()
        if not environment.get("PERDURE_ENCRYPTION_KEYS"):
            environment["PERDURE_ENCRYPTION_KEYS"] = self._folder.encryption_key()
        if not environment.get("PERDURE_ALLOWED_PRIVATE_HOSTS"):
            environment["PERDURE_ALLOWED_PRIVATE_HOSTS"] = LOOPBACK
        if not environment.get("PERDURE_PUBLIC_URL"):
            environment["PERDURE_PUBLIC_URL"] = f"http://{LOOPBACK}:{ports.api}"
        # Nobody spreads requests over several of these, so nobody has to be told that one goes.
        environment.setdefault("PERDURE_API_DRAIN", "0")
        environment["PERDURE_METRICS_PORT"] = str(ports.metrics)
        return environment

    def _worker(self) -> WorkerPart:
        """Return the worker, configured like everything else."""
        return WorkerPart(
            self._folder.path,
            self.environment,
            address=self.settings.temporal_address,
            namespace=self.settings.temporal_namespace,
            task_queue=self.settings.task_queue,
        )

    def _write_ready_file(self) -> None:
        """Tell whoever waits that everything answers, and where; again after each restart."""
        if self._ready_file is None or self._account is None:
            return
        secret = self.settings.jwt_secret
        facts = {
            "api_url": self.urls.api,
            "temporal_address": self.urls.temporal,
            "temporal_ui_url": self.urls.temporal_ui,
            "mongodb_uri": self.urls.mongodb,
            "mongodb_database": self.settings.mongodb_database,
            "pids": {
                "up": os.getpid(),
                **self._servers.process_ids,
                **self._own.process_ids,
            },
            "organization_id": self._account.organization_id,
            "team_id": self._account.team_id,
            "service_account_id": self._account.service_account_id,
            "api_key": self._account.api_key,
            "jwt_secret": secret.get_secret_value() if secret else None,
        }
        write_private(self._ready_file, json.dumps(facts, indent=2) + "\n")
