"""Files as callers of the API upload them."""

from dataclasses import dataclass
from typing import cast

import httpx
from pydantic import JsonValue

from tests.support.documents import a_flow, task
from tests.support.platform import Platform

Json = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of one flow."""

    platform: Platform
    flow_id: str

    @property
    def client(self) -> httpx.AsyncClient:
        """Return the client of the flow's organization."""
        return self.platform.client

    async def announced(self, **parameters: str) -> tuple[str, str]:
        """Return an upload URL and the key of its file."""
        path = f"/api/flows/{self.flow_id}/upload-url"
        response = await self.client.post(path, params=parameters)
        assert response.status_code == 200, response.text
        return response.json()["upload_url"], response.json()["file_key"]

    async def stored(self, content: bytes, **parameters: str) -> str:
        """Upload a file and return its key."""
        url, key = await self.announced(**parameters)
        response = await self.client.put(url, content=content)
        assert response.status_code == 200, response.text
        return key

    async def files(self) -> list[Json]:
        """Return what the flow's list of files shows."""
        response = await self.client.get(f"/api/flows/{self.flow_id}/files")
        assert response.status_code == 200, response.text
        return cast(list[Json], response.json())

    async def link(self, key: str) -> str:
        """Return the download URL of a file."""
        response = await self.client.post("/api/flows/download-url", json={"file_key": key})
        assert response.status_code == 200, response.text
        return str(response.json()["download_url"])


async def a_folder(platform: Platform) -> Folder:
    """Create a flow that has no files yet."""
    flow = await platform.flow(a_flow(task("a")))
    return Folder(platform, str(flow["id"]))
