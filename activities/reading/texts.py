"""Plain text, whatever its encoding."""

import codecs

from charset_normalizer import from_bytes

from activities.reading.faults import DocumentFault

# Longest first: the mark of UTF-32 begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEEN_BYTES = 256 * 1024
# Those in use: with all that there are to choose from, too much fits by chance.
_COMMON = "cp1250 cp1251 cp1252 cp1253 cp1255 cp1256 koi8_r shift_jis euc_jp euc_kr gb18030 big5"
_COMMONEST = "cp1252"


def decoded(content: bytes, declared: str | None) -> str:
    """Return the text: as its byte order mark says, its sender, UTF-8, or what it looks like.

    Raises:
        DocumentFault: ``BrokenDocument``; it is no text in any encoding that we know, or not in
            the one that it declares.
    """
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    encoding = marked or _known(declared) or _guessed(content)
    if encoding is None:
        raise DocumentFault("BrokenDocument", "the document is not text in a known encoding")
    try:
        return plain(content.decode(encoding))
    except (UnicodeError, ValueError) as error:
        raise DocumentFault("BrokenDocument", f"the document is not {encoding} text") from error


def plain(text: str) -> str:
    """Replace what JSON and databases refuse: halves of surrogate pairs, and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def _known(declared: str | None) -> str | None:
    """Return a declared encoding that Python can decode text from."""
    try:
        name = codecs.lookup(declared or "").name
        b"".decode(name)
    except (LookupError, ValueError, UnicodeError):
        return None
    return "utf-8-sig" if name == "utf-8" else name


def _guessed(content: bytes) -> str | None:
    """Return the encoding that the text looks like."""
    try:
        content.decode()
    except UnicodeDecodeError:
        if b"\x00" in content[:_SEEN_BYTES]:
            return None
        found = [*from_bytes(content[:_SEEN_BYTES], cp_isolation=_COMMON.split())]
        if not found:
            return None
        # Of those that fit equally well, the commonest.
        first = (found[0].chaos, -found[0].coherence)
        equal = [each.encoding for each in found if (each.chaos, -each.coherence) <= first]
        return _COMMONEST if _COMMONEST in equal else equal[0]
    return "utf-8"


def text_pages(content: bytes, declared: str | None) -> list[str]:
    """Return the pages of a text document, which form feeds separate."""
    return decoded(content, declared).split("\f")
