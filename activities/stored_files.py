"""Stored files as tasks read them: those of their own organization, and no others."""

from activities.data_urls import DataUrl
from flows.errors import StoredFileNotFoundError, TaskFailedError
from operations.files import FileContents
from store.files import FileRepository


class StoredFiles:
    """Reads files by their keys."""

    def __init__(self, files: FileRepository, contents: FileContents) -> None:
        """Borrow both."""
        self._files = files
        self._contents = contents

    async def read(self, organization_id: str, file_key: str, max_bytes: int) -> DataUrl:
        """Return a file of an organization.

        Raises:
            TaskFailedError: ``FileNotFound``; ``DocumentTooLarge``, before anything is read.
            StoreUnavailableError: MongoDB does not answer; worth a retry.
        """
        try:
            record = await self._files.get(organization_id, file_key)
        except StoredFileNotFoundError:
            raise TaskFailedError(
                f"no file has the key {file_key[:100]!r}", type="FileNotFound"
            ) from None
        if record.size > max_bytes:
            raise TaskFailedError(
                f"the file has {record.size} bytes, more than the {max_bytes} that are read",
                type="DocumentTooLarge",
            )
        content = bytearray()
        async for chunk in self._contents.read(record.content_id or "", 0, record.size):
            content += chunk
        return DataUrl(record.content_type or "", bytes(content))
