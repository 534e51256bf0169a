"""Parameters that name a document, common to every executor that reads one."""

from typing import Self

from pydantic import Field as Describe
from pydantic import model_validator
from pydantic_core import PydanticCustomError

from flows.executors.spec import MISSING_PARAMETER, Parameters

FILE_SCHEME = "file:"
"""What the URL of a stored file begins with; its key follows."""


class DocumentParameters(Parameters):
    """The document to read, by URL or by file key."""

    document_url: str | None = Describe(
        default=None,
        min_length=1,
        description="An http(s) URL, a data: URL, or file: and the key of a stored file.",
    )
    file_key: str | None = Describe(
        default=None,
        min_length=1,
        description="Key of a stored file; counts where there is no document_url.",
    )
    mime_type: str | None = Describe(
        default=None,
        description="Media type; left out, it is taken from the URL's answer and the content.",
    )

    @model_validator(mode="after")
    def _one_at_least(self) -> Self:
        """Refuse neither."""
        if self.document_url is None and self.file_key is None:
            raise PydanticCustomError(
                MISSING_PARAMETER, "Either 'document_url' or 'file_key' is needed"
            )
        return self

    @property
    def url(self) -> str:
        """Return the URL of the document."""
        return self.document_url or file_url(self.file_key or "")


def file_url(file_key: str) -> str:
    """Return the URL by which tasks read a stored file."""
    return f"{FILE_SCHEME}{file_key}"
