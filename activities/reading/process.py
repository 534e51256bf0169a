"""Reads one document, in a process of its own.

A document comes from outside: reading it may take for ever, all the memory there is, or the
process. So it happens here, where it can be killed. A frame on standard input is two lengths of
four bytes, a request in JSON and the document; the answer is one JSON object on standard output,
with a ``fault`` or what was read. The process dies with whoever asked.
"""

import json
import logging
import os
import resource
import select
import signal
import sys
import threading
import warnings
from typing import Any

from activities.reading.faults import DocumentFault

_MAX_MEMORY_BYTES = 2 * 1024 * 1024 * 1024
_NICENESS = 5
_MAX_MESSAGE_CHARS = 500


def read(request: dict[str, Any], content: bytes) -> dict[str, object]:
    """Return what a document holds; the libraries of other formats are not even loaded."""
    kind, charset = request["kind"], request.get("charset")
    metadata: dict[str, str] = {}
    if kind in {"csv", "xlsx"}:
        from activities.reading.tables import read_table

        return read_table(content, request)
    if kind == "pdf":
        from activities.reading.pdf import pdf_pages

        pages, metadata = pdf_pages(content)
    elif kind == "docx":
        from activities.reading.docx import docx_pages

        pages, metadata = docx_pages(content)
    elif kind == "html":
        from activities.reading.html import html_pages

        pages, metadata = html_pages(content, charset)
    else:
        from activities.reading.texts import text_pages

        pages = text_pages(content, charset)
    size = sum(len(page.encode()) + 1 for page in pages)
    most = request["max_bytes"]
    if size > most:
        raise DocumentFault(
            "DocumentTooLarge",
            f"the document has {size} bytes of text, more than the {most} allowed",
        )
    return {"pages": pages, "metadata": metadata}


def answer(request: dict[str, Any], content: bytes) -> dict[str, object]:
    """Return what was read, or the fault that kept it from being read."""
    try:
        return read(request, content)
    except DocumentFault as fault:
        return _fault(fault.kind, str(fault))
    except MemoryError:
        return _fault("DocumentTooLarge", "reading needs too much memory")
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a broken file can make a parser raise anything, panics too
        return _fault("BrokenDocument", f"the document is broken: {type(error).__name__}: {error}")


def _fault(kind: str, message: str) -> dict[str, object]:
    """Return a fault as the answer shows it."""
    shown = " ".join(message.encode("utf-8", "replace").decode().split())[:_MAX_MESSAGE_CHARS]
    return {"fault": {"type": kind, "message": shown}}


def confine(seconds: int) -> None:
    """Bound what reading may take from the machine, and keep it from writing anywhere."""
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def die_with_parent() -> None:
    """Kill this process group once nobody writes to standard input any more."""
    waiting = select.poll()
    waiting.register(sys.stdin.fileno(), 0)
    while not any(event & (select.POLLHUP | select.POLLERR) for _, event in waiting.poll()):
        pass
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Answer one request; the argument limits seconds of processor time."""
    confine(int(sys.argv[2]))
    threading.Thread(target=die_with_parent, daemon=True).start()
    logging.disable()
    warnings.simplefilter("ignore")
    source = sys.stdin.buffer
    sizes = source.read(8)
    request = json.loads(source.read(int.from_bytes(sizes[:4])))
    content = source.read(int.from_bytes(sizes[4:]))
    sys.stdout.write(json.dumps(answer(request, content)))
    sys.stdout.flush()
    # No interpreter shutdown: what a parser left behind could still take its time.
    os._exit(0)
