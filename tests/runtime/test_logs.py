import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from flows.errors import NotFoundError
from runtime.logs import configure_logs, logging_facts
from runtime.smtp_receiver import receiving_mail
from tests.support.letters import a_letter, post


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("api", "worker", "runtime"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)


def test_a_json_line_holds_instant_level_logger_message_and_facts(stream: io.StringIO) -> None:
    configure_logs("json", "INFO", stream)

    logging.getLogger("somewhere").info("flow %s", "started", extra={"flow_id": "f1"})

    line = json.loads(stream.getvalue())
    assert datetime.fromisoformat(line.pop("time")).utcoffset() == datetime.now(UTC).utcoffset()
    assert line == {
        "level": "INFO",
        "logger": "somewhere",
        "message": "flow started",
        "flow_id": "f1",
    }


def test_a_traceback_stays_on_its_json_line(stream: io.StringIO) -> None:
    configure_logs("json", "INFO", stream)

    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("somewhere").exception("failed")

    (line,) = stream.getvalue().splitlines()
    assert "ValueError: broken" in json.loads(line)["exception"]


@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn.asgi", "temporalio.core"])
def test_lines_of_servers_and_libraries_have_the_same_form(stream: io.StringIO, name: str) -> None:
    logging.getLogger(name).addHandler(logging.StreamHandler(io.StringIO()))
    logging.getLogger(name).propagate = name.startswith("temporalio")
    configure_logs("json", "INFO", stream)

    logging.getLogger(name).warning("theirs")

    assert json.loads(stream.getvalue())["logger"] == name


def test_a_log_that_was_switched_off_stays_off(stream: io.StringIO) -> None:
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    configure_logs("json", "INFO", stream)

    access.info("GET /")

    assert stream.getvalue() == ""


@pytest.mark.parametrize("name", ["uvicorn.access", "httpx", "httpcore.http11"])
@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_whole_urls_are_never_said(stream: io.StringIO, name: str, level: str) -> None:
    configure_logs("json", level, stream)

    logging.getLogger(name).info("GET /files?signature=secret")

    assert stream.getvalue() == ""


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
async def test_senders_and_recipients_of_mail_are_never_said(
    stream: io.StringIO, level: str
) -> None:
    class Nobody:
        async def receives(self, address: str) -> bool:
            return True

        async def take(self, address: str, raw: bytes) -> None:
            raise NotFoundError("nobody")

    configure_logs("json", level, stream)

    async with receiving_mail(Nobody(), "127.0.0.1", 0, max_bytes=10_000) as port:
        assert (await post(port, a_letter(), "orders@x.org"))[0] == 550

    said = stream.getvalue()
    assert "a message was not taken" in said
    assert "example.org" not in said
    assert "x.org" not in said


def test_libraries_do_not_say_at_debug_what_they_were_given(stream: io.StringIO) -> None:
    configure_logs("json", "DEBUG", stream)

    logging.getLogger("openai._base_client").debug("Request options: a prompt")
    logging.getLogger("temporalio.worker").debug("Completing activity with: an output")
    logging.getLogger("api.observation").debug("ours")

    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["message"] == "ours"


def test_every_line_names_whom_the_process_serves(stream: io.StringIO) -> None:
    configure_logs("json", "INFO", stream)

    with logging_facts(request_id="r1") as facts, logging_facts(task_name="t"):
        logging.getLogger("somewhere").info("inside")
        facts["organization_id"] = "o1"
    with logging_facts(request_id="r2"):
        logging.getLogger("somewhere").info("later")
    logging.getLogger("somewhere").info("outside")

    inside, later, outside = map(json.loads, stream.getvalue().splitlines())
    assert (inside["request_id"], inside["task_name"]) == ("r1", "t")
    assert later["request_id"] == "r2"
    assert "task_name" not in later
    assert "request_id" not in outside


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_what_failed_while_somebody_was_served_is_not_quoted(
    stream: io.StringIO, log_format: str
) -> None:
    configure_logs(log_format, "INFO", stream)

    with logging_facts(request_id="r1"):
        try:
            try:
                int("a secret")
            except ValueError as error:
                raise KeyError("another secret") from error
        except KeyError:
            logging.getLogger("somewhere").exception("failed")

    said = stream.getvalue()
    assert "builtins.KeyError" in said
    assert "builtins.ValueError" in said
    assert "test_logs.py" in said
    assert "invalid literal" not in said
    assert "'another secret'" not in said


def test_what_failed_inside_the_sdk_is_not_quoted(stream: io.StringIO) -> None:
    configure_logs("json", "INFO", stream)

    try:
        int("a secret")
    except ValueError:
        logging.getLogger("temporalio.activity").warning("failed", exc_info=True)

    assert "builtins.ValueError" in stream.getvalue()
    assert "invalid literal" not in stream.getvalue()


def test_console_lines_end_in_facts(stream: io.StringIO) -> None:
    configure_logs("console", "INFO", stream)

    logging.getLogger("somewhere").warning("slow", extra={"seconds": 3})

    assert stream.getvalue().endswith("WARNING somewhere: slow seconds=3\n")


def test_lines_below_the_level_are_dropped(stream: io.StringIO) -> None:
    configure_logs("json", "WARNING", stream)

    logging.getLogger("somewhere").info("chatter")

    assert stream.getvalue() == ""
