"""The text that a reader of an HTML page sees."""

import re

import html_text
import lxml.html

from activities.reading.faults import DocumentFault
from activities.reading.texts import decoded, plain

_META = re.compile(rb"<meta[^>]{0,500}?charset\s*=\s*[\"']?\s*([\w-]{1,40})", re.IGNORECASE)
_PRESCAN_BYTES = 4_096
_NAMED = ("author", "description", "keywords")


def html_pages(content: bytes, declared: str | None) -> tuple[list[str], dict[str, str]]:
    """Return the page's text, lines where blocks end, and what it says of itself.

    Raises:
        DocumentFault: ``BrokenDocument``, or ``NoText`` where it shows none.
    """
    if not declared and (meta := _META.search(content[:_PRESCAN_BYTES])):
        declared = meta[1].decode("ascii")
    text = decoded(content, declared)
    # Decoded already: a declaration inside would be taken for the truth, and be refused.
    text = re.sub(r"\A\s*<\?xml[^>]*\?>", "", text)
    if not text.strip():
        raise DocumentFault("EmptyDocument", "the page is empty")
    parser = lxml.html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
    tree = lxml.html.fromstring(text.encode(), parser=parser)
    shown = plain(html_text.extract_text(tree, guess_layout=True))
    if not shown.strip():
        raise DocumentFault("NoText", "the page shows no text")
    return [shown], _metadata(tree)


def _metadata(tree: lxml.html.HtmlElement) -> dict[str, str]:
    """Return title, author and the like, those that the page has."""
    found: dict[str, str] = {}
    title = tree.findtext(".//title")
    if title and title.strip():
        found["title"] = plain(" ".join(title.split()))
    for meta in tree.iterfind(".//meta"):
        name = (meta.get("name") or "").strip().lower()
        text = (meta.get("content") or "").strip()
        if name in _NAMED and text:
            found.setdefault("subject" if name == "description" else name, plain(text))
    return found
