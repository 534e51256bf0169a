"""The command line as somebody uses it who has a key."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner, Result

from cli.main import app
from flows.yaml_writing import write_yaml
from tests.support.platform import Json, Platform


@dataclass(frozen=True, slots=True)
class Shell:
    """A command line that reaches one organization, and a folder to work in."""

    platform: Platform
    url: str
    folder: Path

    async def run(self, *arguments: str, **variables: str) -> Result:
        """Run the command in a thread, since the API is served by this one."""
        environment = {
            "PERDURE_URL": self.url,
            "PERDURE_API_KEY": self.platform.client.headers["X-API-Key"],
            **variables,
        }
        return await asyncio.to_thread(CliRunner().invoke, app, [*arguments], env=environment)

    def file(self, definition: Json, name: str = "flow.yaml") -> str:
        """Write a definition."""
        path = self.folder / name
        is_json = path.suffix == ".json"
        path.write_text(json.dumps(definition) if is_json else write_yaml(definition))
        return str(path)

    def text(self, file: str) -> str:
        """Return what a file holds."""
        return (self.folder / file).read_text()

    async def flows(self) -> dict[str, Json]:
        """Return the organization's flows by name."""
        answer = await self.platform.client.get("/api/flows", params={"page_size": 100})
        return {each["display_name"]: each for each in answer.json()["flows"]}
