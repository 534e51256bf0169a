"""Files and their links, as they are shown."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints
from typing_extensions import TypedDict

from operations.files import MAX_FILE_KEY_CHARS, SignedLink
from store.models import FileRecord

FILE_SCHEME = "file:"

RAW_BODY: dict[str, object] = {
    "description": "The bytes of the file, as they are.",
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
RAW_ANSWER: dict[str, object] = {
    "description": "The bytes of the file.",
    "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
}


class UploadUrlResponse(TypedDict):
    """Where to put the bytes of one file."""

    upload_url: str
    file_key: str
    expires_at: datetime


class DownloadUrlResponse(TypedDict):
    """Where to get the bytes of one file."""

    download_url: str
    expires_at: datetime


class ResolveUriResponse(DownloadUrlResponse):
    """Where to get the bytes of one file, and for how long."""

    expires_in_seconds: int


class FileMetadata(TypedDict):
    """What is known of the bytes."""

    sha256: str


class FileResponse(TypedDict):
    """A stored file."""

    file_key: str
    filename: str | None
    content_type: str
    size: int
    created_at: datetime
    metadata: FileMetadata


class GeneratePresignedUrlForDownload(BaseModel):
    """Which file to link."""

    file_key: Annotated[str, StringConstraints(min_length=1, max_length=MAX_FILE_KEY_CHARS)]


class ResolveUriRequest(BaseModel):
    """Which file to link."""

    uri: str = Field(description="`file:` and a file key, or the key alone.")


def file_view(record: FileRecord) -> FileResponse:
    """Return a stored file as it is shown."""
    return FileResponse(
        file_key=record.id,
        filename=record.filename,
        content_type=record.content_type or "",
        size=record.size,
        created_at=record.created_at,
        metadata=FileMetadata(sha256=record.sha256),
    )


def upload_view(link: SignedLink, url: str) -> UploadUrlResponse:
    """Return an upload link as it is shown."""
    return UploadUrlResponse(upload_url=url, file_key=link.file_key, expires_at=link.expires_at)


def download_view(link: SignedLink, url: str) -> DownloadUrlResponse:
    """Return a download link as it is shown."""
    return DownloadUrlResponse(download_url=url, expires_at=link.expires_at)
