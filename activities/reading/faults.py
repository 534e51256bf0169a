"""Why a document cannot be read, as the reading process says it."""


class DocumentFault(Exception):
    """The document cannot be read."""

    def __init__(self, kind: str, message: str) -> None:
        """Name the kind of fault, as ``error.type`` will show it."""
        super().__init__(message)
        self.kind = kind
