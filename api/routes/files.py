"""Files: documents that are uploaded by link, and read by flows.

A link is a URL with a signed token and needs no other credential.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, status
from fastapi.responses import RedirectResponse

from api.bodies import refuse_encoded
from api.deps import CallerDep, FilesDep
from api.downloads import file_response
from api.envelope import request_id_of
from api.replies import reply
from api.routing import ProtectedRoute, PublicRoute
from api.schemas.errors import ErrorResponse, refusals
from api.schemas.files import (
    FILE_SCHEME,
    RAW_ANSWER,
    RAW_BODY,
    DownloadUrlResponse,
    FileResponse,
    GeneratePresignedUrlForDownload,
    ResolveUriRequest,
    ResolveUriResponse,
    UploadUrlResponse,
    download_view,
    file_view,
    upload_view,
)
from api.schemas.parameters import AFlowId
from api.services import services_of
from flows.errors import InvalidError
from operations.caller import Caller
from operations.file_links import LINK_LIFETIME
from operations.files import Files

of_flows = APIRouter(prefix="/api/flows", tags=["flows"], route_class=ProtectedRoute)
router = APIRouter(prefix="/api/files", tags=["files"], route_class=ProtectedRoute)
contents = APIRouter(prefix="/api/files", tags=["files"], route_class=PublicRoute)

CONTENT_PATH = "/api/files/content"

Token = Annotated[
    str, Query(min_length=1, max_length=2_000, description="From the link; not made by callers.")
]


@of_flows.post(
    "/{flow_id}/upload-url",
    summary="Announce an upload",
    response_model=UploadUrlResponse,
    responses=refusals(400, 404, 422, 500),
)
async def generate_upload_url(
    flow_id: AFlowId,
    request: Request,
    caller: CallerDep,
    files: FilesDep,
    content_type: str | None = None,
    filename: str | None = None,
) -> Response:
    """Return a URL that takes the bytes of one file by `PUT`, once, within the hour."""
    link = await files.announce(caller, flow_id, filename, content_type)
    return reply(upload_view(link, _url(request, link.token)))


@of_flows.get(
    "/{flow_id}/files",
    summary="List the files of a flow",
    response_model=list[FileResponse],
    responses=refusals(404, 422, 500),
)
async def list_flow_files(flow_id: AFlowId, caller: CallerDep, files: FilesDep) -> Response:
    """Return the files that were uploaded for a flow, newest first."""
    return reply([file_view(record) for record in await files.list(caller, flow_id)])


@of_flows.post(
    "/download-url",
    summary="Link a file",
    response_model=DownloadUrlResponse,
    responses=refusals(400, 403, 404, 413, 422, 500),
)
async def generate_download_url(
    body: GeneratePresignedUrlForDownload, request: Request, caller: CallerDep, files: FilesDep
) -> Response:
    """Return a URL that gives the bytes of one file to whoever has it, within the hour."""
    link = await files.link(caller, body.file_key)
    return reply(download_view(link, _url(request, link.token)))


@router.post(
    "/resolve",
    summary="Link a file by its URI",
    response_model=ResolveUriResponse,
    responses=refusals(400, 403, 404, 413, 422, 500),
)
async def resolve_uri(
    body: ResolveUriRequest, request: Request, caller: CallerDep, files: FilesDep
) -> Response:
    """Return a URL that gives the bytes of one file to whoever has it, and for how long."""
    return reply(await _resolved(body.uri, request, caller, files))


@router.get(
    "/download",
    summary="Download a file by its URI",
    response_model=ResolveUriResponse,
    responses={
        **refusals(400, 403, 404, 422, 500),
        302: {
            "description": "To where the bytes are.",
            "headers": {"Location": {"schema": {"type": "string", "format": "uri"}}},
        },
    },
)
async def download_file(
    uri: Annotated[str, Query(description="`file:` and a file key, or the key alone.")],
    request: Request,
    caller: CallerDep,
    files: FilesDep,
    redirect: bool = True,
) -> Response:
    """Redirect to a URL that gives the bytes, or show it instead."""
    resolved = await _resolved(uri, request, caller, files)
    if redirect:
        return RedirectResponse(resolved["download_url"], status.HTTP_302_FOUND)
    return reply(resolved)


@contents.put(
    "/content",
    summary="Upload the bytes of a file",
    response_model=FileResponse,
    responses=refusals(400, 403, 404, 409, 413, 422, 500),
    openapi_extra={"requestBody": RAW_BODY, "security": []},
)
async def upload_content(request: Request, token: Token, files: FilesDep) -> Response:
    """Store the body as the file of an upload URL; needs no credential but that URL."""
    refuse_encoded(request.headers)
    record = await files.upload(token, request.stream(), request.headers.get("content-type"))
    return reply(file_view(record), headers={"ETag": f'"{record.sha256}"'})


@contents.get(
    "/content",
    summary="Get the bytes of a file",
    response_class=Response,
    responses={
        **refusals(403, 404, 422, 500),
        200: RAW_ANSWER,
        206: {**RAW_ANSWER, "description": "The bytes that `Range` asks for."},
        304: {"description": "What `If-None-Match` names is still the file."},
        416: {"model": ErrorResponse, "description": "`Range` asks for bytes that are not there."},
    },
    openapi_extra={"security": []},
)
async def get_content(request: Request, token: Token, files: FilesDep) -> Response:
    """Return the file of a download URL; needs no credential but that URL."""
    return file_response(
        await files.linked(token),
        files.read,
        request.headers,
        request_id=request_id_of(request),
        is_head=request.method == "HEAD",
    )


async def _resolved(uri: str, request: Request, caller: Caller, files: Files) -> ResolveUriResponse:
    """Return a link to the file of a URI."""
    link = await files.link(caller, _key_of(uri))
    seconds = int(LINK_LIFETIME.total_seconds())
    shown = download_view(link, _url(request, link.token))
    return ResolveUriResponse(**shown, expires_in_seconds=seconds)


def _key_of(uri: str) -> str:
    """Return the file key of a URI.

    Raises:
        InvalidError: It is empty, or names something else than a stored file.
    """
    key = uri[len(FILE_SCHEME) :] if uri[: len(FILE_SCHEME)].lower() == FILE_SCHEME else uri
    key = key.removeprefix("//")
    if not key or ":" in key or "/" in key:
        raise InvalidError("uri must be file: and a file key")
    return key


def _url(request: Request, token: str) -> str:
    """Return the URL of a token, as the platform is reached from outside."""
    base = services_of(request).public_url or str(request.base_url)
    return f"{base.rstrip('/')}{CONTENT_PATH}?token={token}"
