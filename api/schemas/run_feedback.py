"""What people say of runs, as they send and see it.

Source: docs/workflows-api.md, "Feedback".
"""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints
from typing_extensions import TypedDict

from operations.run_feedback import RatingValue, Said, said_of
from store.run_feedback import Target

MAX_COMMENT_CHARS = 5_000


CommentText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_COMMENT_CHARS),
]


class CommentRequest(BaseModel):
    """What somebody says of a run, a turn or an event."""

    model_config = ConfigDict(extra="ignore")

    content: CommentText


class RatingRequest(BaseModel):
    """How good a turn or an event was."""

    model_config = ConfigDict(extra="ignore")

    value: RatingValue


class CommentView(TypedDict):
    """A comment."""

    logical_id: str
    created_by: str
    created_at: datetime
    content: str


class RatingView(TypedDict):
    """A rating; there is one for each person."""

    logical_id: str
    created_by: str
    created_at: datetime
    value: RatingValue


class FeedbackUser(TypedDict):
    """What is known of somebody who said something; null where nothing is."""

    id: str
    firstName: str | None
    lastName: str | None
    email: str | None


class FeedbackResponse(TypedDict):
    """All that is said of a turn or an event, oldest first."""

    ratings: list[RatingView]
    comments: list[CommentView]
    feedback_users: dict[str, FeedbackUser]


def feedback_response(said: Said, target: Target) -> dict[str, object]:
    """Return what is said of a turn or an event."""
    users: dict[str, FeedbackUser] = {}
    for each in said.feedback:
        person = said.people.get(each.user_id)
        users[each.user_id] = {
            "id": each.user_id,
            "firstName": None if person is None else person.first_name,
            "lastName": None if person is None else person.last_name,
            "email": None if person is None else person.email,
        }
    return {**said_of(said.feedback, target), "feedback_users": users}
