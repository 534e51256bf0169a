"""Where tasks get documents from: the web, stored files, and ``data:`` URLs."""

import httpx

from activities.data_urls import DataUrl, read_data_url
from activities.exchange import exchange, shown_url, url_fault
from activities.redirects import is_web_url
from activities.stored_files import StoredFiles
from flows.errors import TaskFailedError
from flows.executors.document import FILE_SCHEME

MAX_DOCUMENT_BYTES = 64 * 1024 * 1024

_DOWNLOAD_SECONDS = 60.0
_WORTH_A_RETRY = frozenset({408, 429})


class DocumentSource:
    """Fetches whole documents, up to a size."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        files: StoredFiles,
        *,
        max_document_bytes: int = MAX_DOCUMENT_BYTES,
    ) -> None:
        """Borrow the files, and a client that refuses private networks."""
        self._client = client
        self._files = files
        self._max_document_bytes = max_document_bytes

    async def fetch(self, organization_id: str, url: str) -> DataUrl:
        """Return the document behind a ``data:``, ``file:`` or http(s) URL.

        Args:
            organization_id: Whose files ``file:`` reaches.

        Raises:
            TaskFailedError: ``InvalidDocumentUrl``, ``DocumentUnavailable``, ``DocumentTooLarge``,
                ``FileNotFound``, or what ``exchange`` says about a download.
        """
        scheme = url[:5].lower()
        if scheme == "data:":
            return read_data_url(url)
        if scheme == FILE_SCHEME:
            key = url[len(FILE_SCHEME) :].removeprefix("//")
            if "/" in key:
                raise TaskFailedError(
                    "file: must be followed by the key of a stored file", type="InvalidDocumentUrl"
                )
            return await self._files.read(organization_id, key, self._max_document_bytes)
        return await self._download(url)

    async def _download(self, url: str) -> DataUrl:
        """Return what a web server answers."""
        try:
            request = self._client.build_request("GET", url)
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise TaskFailedError(
                f"document_url: {url_fault(error)}", type="InvalidDocumentUrl"
            ) from None
        if not is_web_url(request.url):
            raise TaskFailedError(
                "document_url must be an http, https, data: or file: URL", type="InvalidDocumentUrl"
            )
        answer = await exchange(
            self._client,
            request,
            seconds=_DOWNLOAD_SECONDS,
            max_bytes=self._max_document_bytes,
            follow_redirects=True,
        )
        status = answer.status_code
        if status != 200:
            raise TaskFailedError(
                f"{shown_url(request.url)} answered {status} instead of a document",
                type="DocumentUnavailable",
                retryable=status in _WORTH_A_RETRY or status >= 500,
                status_code=status,
            )
        return DataUrl(answer.headers.get("content-type", ""), answer.content)
