"""The example as a person runs it: a real document, a service that is not ready at first."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from pydantic import JsonValue
from pypdf import PdfReader, PdfWriter

from cli.documents import flow_input, read_definition
from examples.document_intake import DOCUMENT, FLOW
from examples.document_intake.receiver import receiver
from flows.parse import parse_definition
from flows.validate import executable
from tests.support.command import REPOSITORY, perdure
from tests.support.platform_process import PlatformProcess, running_platform

pytestmark = pytest.mark.xdist_group("document_intake")

Json = dict[str, JsonValue]

ACT_TITLES: JsonValue = [
    {
        "number": "I",
        "name": "WIPO Copyright and Performances and Phonograms Treaties "
        "Implementation Act of 1998",
    },
    {"number": "II", "name": "Online Copyright Infringement Liability Limitation Act"},
    {"number": "III", "name": "Computer Maintenance Competition Assurance Act"},
    {"number": "V", "name": "Vessel Hull Design Protection Act"},
]
EXTRACTED: Json = {
    "title": "The Digital Millennium Copyright Act of 1998",
    "issued_by": "U.S. Copyright Office",
    "issued": "December 1998",
    "public_law": "105-304",
    "statute": "112 Stat. 2860",
    "enacted": "1998-10-28",
    "act_titles": ACT_TITLES,
    "page_count": 18,
}


@pytest.fixture(scope="module")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PlatformProcess]:
    async with running_platform(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture
def reaching(platform: PlatformProcess) -> dict[str, str]:
    return {
        "PERDURE_URL": str(platform.facts["api_url"]),
        "PERDURE_API_KEY": str(platform.facts["api_key"]),
        "PERDURE_TEMPORAL_UI_URL": str(platform.facts["temporal_ui_url"]),
    }


async def test_the_example_completes_and_shows_what_it_found(
    platform: PlatformProcess, reaching: dict[str, str]
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "examples.document_intake"),
        cwd=REPOSITORY,
        env=platform.environment | reaching,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    shown = out.decode()

    assert process.returncode == 0, shown + err.decode()
    assert "Report to the register: completed" in shown
    assert "after 3 attempts" in shown
    assert "Ask a person to look: skipped" in shown
    assert f"{reaching['PERDURE_URL']}/docs" in shown
    assert reaching["PERDURE_API_KEY"] in shown
    summary = json.loads(shown[shown.index("\n{\n") : shown.rindex("\n}\n") + 2])["summary"]
    assert {name: summary[name] for name in EXTRACTED} == EXTRACTED
    assert (summary["verdict"], summary["errors"]) == ("complete", [])
    assert summary["register_number"] == "R-1002"

    found = re.search(r"/api/flow-executions/([0-9a-f-]{36})", shown)
    assert found is not None
    rows = await platform.rows(found[1], "register")
    assert [row["processing_status"] for row in rows] == ["failed", "failed", "completed"]
    assert [row["task_execution_idx"] for row in rows] == [0, 1, 2]
    errors = [row["error"] for row in rows[:2]]
    assert all(isinstance(error, dict) and error["type"] == "HttpStatus" for error in errors)
    assert await platform.rows(found[1], "request_review") == []


async def test_a_complete_document_is_registered_once_under_one_key(
    reaching: dict[str, str],
) -> None:
    with receiver() as desk:
        ended = await perdure(
            *("run", str(FLOW), "--input", str(DOCUMENT), "--json"),
            *("--metadata", f"report_to={desk.url}"),
            variables=reaching,
        )

    assert ended.status == 0, ended.err
    assert [(report.path, report.status) for report in desk.reports] == [
        ("/register", 503),
        ("/register", 503),
        ("/register", 201),
    ]
    execution = json.loads(ended.out)["flow_execution_id"]
    assert {report.idempotency_key for report in desk.reports} == {f"{execution}/1/register/0"}
    body = desk.reports[-1].body
    assert isinstance(body, dict)
    assert {name: body[name] for name in EXTRACTED} == EXTRACTED
    assert body["is_valid"] is True
    assert body["last_page_number"] == 18
    assert {1201, 1202, 512} <= set(body["sections"])


async def test_an_incomplete_document_goes_to_a_person(
    reaching: dict[str, str], tmp_path: Path
) -> None:
    pages = PdfReader(BytesIO(DOCUMENT.read_bytes()))
    writer = PdfWriter()
    for page in (*pages.pages[1:6], *pages.pages[8:]):
        writer.add_page(page)
    incomplete = tmp_path / "incomplete.pdf"
    writer.write(incomplete)

    with receiver() as desk:
        ended = await perdure(
            *("run", str(FLOW), "--input", str(incomplete), "--json"),
            *("--metadata", f"report_to={desk.url}"),
            variables=reaching,
        )

    assert ended.status == 0, ended.err
    assert [(report.path, report.status) for report in desk.reports] == [("/review", 201)]
    outputs = json.loads(ended.out)["outputs"]
    assert outputs["summary"]["verdict"] == "incomplete"
    assert outputs["summary"]["review_number"] == "R-1000"
    faulty = {error["field"] for error in outputs["summary"]["errors"]}
    assert {"public_law", "statute", "enacted", "last_page_number"} <= faulty


def test_the_flow_is_valid_and_the_document_fits_into_a_request() -> None:
    parsed = parse_definition(read_definition(FLOW))

    assert parsed.faults == ()
    assert executable(parsed.flow) == []
    assert len(json.dumps(flow_input(DOCUMENT, {}))) < 1024 * 1024
