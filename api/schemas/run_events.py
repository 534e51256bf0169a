"""What is said and heard over streams of runs.

Source: docs/workflows-api.md, "Streams".
"""

from typing import Annotated

from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from api.bodies import read_json
from api.replies import encode
from api.schemas.parameters import within_reach
from api.schemas.workflows import OBJECT_ID
from dialogs.state import MAIN_THREAD, RunInput
from flows.errors import InvalidError
from store.run_events import SpeechPiece

DELTA = "assistant_response_delta"
FOLLOW = "follow"


class _Around(BaseModel):
    """What a frame says besides the input of a turn."""

    model_config = ConfigDict(extra="ignore")

    workflow_id: Annotated[str, Field(pattern=OBJECT_ID)] | None = None
    workflow_run_id: Annotated[str, Field(pattern=OBJECT_ID)] | None = None
    event_index: Annotated[int, Field(ge=0), AfterValidator(within_reach)] | None = None
    rerun_token: JsonValue = None


class Frame(BaseModel):
    """What a client said.

    Attributes:
        event_index: How many events of the run the client has, where it said so.
        follows: Whether it only wants to listen.
        given: What the next turn is given.
    """

    workflow_id: str | None
    run_id: str | None
    event_index: int | None
    rerun_token: JsonValue
    follows: bool
    given: RunInput

    @property
    def version_number(self) -> int | None:
        """Return the version asked for; clients that fill in every key send 0 and mean nothing."""
        return within_reach(self.given.version_number) or None


def read_frame(text: str) -> Frame:
    """Return what a frame says.

    Raises:
        InvalidError: It is no JSON object that fits.
    """
    try:
        said = read_json(text.encode())
    except RequestValidationError as error:
        raise InvalidError("a frame is one JSON object") from error
    except UnicodeEncodeError as error:
        raise InvalidError("a frame is text in UTF-8") from error
    if not isinstance(said, dict):
        raise InvalidError("a frame is one JSON object")
    follows = said.get("command") == FOLLOW
    try:
        around = _Around.model_validate(said)
        given = RunInput.model_validate(said | {"command": None} if follows else said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidError(f"{where}: {first['msg']}" if where else first["msg"]) from error
    return Frame(
        workflow_id=around.workflow_id,
        run_id=around.workflow_run_id,
        event_index=around.event_index,
        rerun_token=around.rerun_token,
        follows=follows,
        given=given,
    )


def acknowledgement(run_id: str, workflow_id: str, message: str) -> bytes:
    """Return the first frame of an answer, which has no type."""
    return encode({"workflow_run_id": run_id, "workflow_id": workflow_id, "message": message})


def delta(piece: SpeechPiece) -> bytes:
    """Return a part of what a model is about to have said.

    It looks like an event of the node, and is none: it is not counted, and not kept.
    """
    at = piece.at
    place = f"{at.turn_number}_{at.node_logical_id}_{at.node_run_id}"
    return encode(
        {
            "type": DELTA,
            "logical_id": f"delta_{at.run_id}_{place}_{piece.attempt}_{piece.sequence}",
            "timestamp": piece.said_at.timestamp(),
            "origin_thread_id": MAIN_THREAD,
            "thread_reference_id": MAIN_THREAD,
            "comments": [],
            "interrupted": False,
            "origin_node_logical_id": at.node_logical_id,
            "origin_node_name": at.node_name,
            "origin_node_run_id": at.node_run_id,
            "message_id": at.message_id,
            "attempt": piece.attempt,
            "sequence": piece.sequence,
            "delta": piece.text,
        }
    )
