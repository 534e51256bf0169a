"""Zip archives that documents are, opened only if they unpack to something bounded."""

import zipfile
from io import BytesIO

from activities.reading.faults import DocumentFault

MAX_ENTRIES = 10_000
MAX_UNPACKED_BYTES = 512 * 1024 * 1024

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def check_archive(content: bytes, part: str, kind: str) -> None:
    """Accept an archive that holds this part and does not unpack to more than is allowed.

    Raises:
        DocumentFault: ``EncryptedDocument``, ``BrokenDocument`` or ``DocumentTooLarge``.
    """
    if content.startswith(_OLE):
        if _ENCRYPTED in content:
            raise DocumentFault("EncryptedDocument", f"the {kind} file needs a password")
        raise DocumentFault("UnsupportedDocument", f"not a {kind} file but one of an older format")
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, OSError) as error:
        raise DocumentFault("BrokenDocument", f"the {kind} file is broken: {error}") from None
    # Python unpacks no more of an entry than it announces, so the announcement counts.
    if len(entries) > MAX_ENTRIES or sum(each.file_size for each in entries) > MAX_UNPACKED_BYTES:
        raise DocumentFault("DocumentTooLarge", f"the {kind} file unpacks to too much")
    if any(each.flag_bits & 1 for each in entries):
        raise DocumentFault("EncryptedDocument", f"the {kind} file needs a password")
    if part not in (each.filename for each in entries):
        raise DocumentFault("BrokenDocument", f"not a {kind} file: it has no {part}")
