"""``human_review``: waits until a person has looked at what earlier tasks produced."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, JsonValue, model_validator
from pydantic import Field as Describe
from pydantic_core import PydanticCustomError

from flows.executors.spec import MISSING_PARAMETER, JsonSchema, Kind, Parameters, TaskExecutor

HUMAN_REVIEW_DONE = "human_review"
MAX_TARGETS = 100
MAX_ASKED = 1_000
REVIEW_RESULT = "review_result"
REVIEWED_OUTPUT = "reviewed_output"


def _as_id(text: str) -> str:
    """Return a UUID as ids are stored."""
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError("must be a UUID") from None


AnId = Annotated[str, AfterValidator(_as_id)]


class Target(Parameters):
    """One thing to look at."""

    task_name: str | None = Describe(
        default=None,
        description="Task whose output is looked at, or a reference to a part of an output.",
    )
    output_name: str | None = Describe(
        default=None, description="Field of that task's output, where `task_name` is a name."
    )
    is_editable: bool = Describe(
        default=False, description="Whether the reviewer may change it; otherwise it passes as is."
    )
    value: JsonValue = Describe(
        description="The reference that `task_name` and `output_name` stand for; left out."
    )


class HumanReviewParameters(Parameters):
    """What is looked at, and who is asked."""

    targets: list[Target] = Describe(
        min_length=1, max_length=MAX_TARGETS, description="What to look at, in order."
    )
    instructions: str | None = Describe(default=None, description="What the reviewer should do.")
    human_messages: list[str] | None = Describe(
        default=None, description="Further texts that are shown to the reviewer."
    )
    assigned_users: list[AnId] = Describe(
        default_factory=list, max_length=MAX_ASKED, description="Ids of people who are asked."
    )
    assigned_worker_groups: list[AnId] = Describe(
        default_factory=list,
        max_length=MAX_ASKED,
        description="Ids of worker groups; whoever is in one may do it.",
    )

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        """Ask somebody: a review without reviewers never ends."""
        if not self.assigned_users and not self.assigned_worker_groups:
            raise PydanticCustomError(
                MISSING_PARAMETER,
                "Either 'assigned_users' or 'assigned_worker_groups' is needed",
            )
        return self


def with_references(parameters: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return parameters whose targets, named by their tasks, refer to what these produced."""
    targets = parameters.get("targets")
    if not isinstance(targets, list):
        return parameters
    return {**parameters, "targets": [_referring(target) for target in targets]}


def _referring(target: JsonValue) -> JsonValue:
    """Move a reference out of ``task_name``, or build it from the names."""
    if not isinstance(target, dict) or "value" in target:
        return target
    name, output_name = target.get("task_name"), target.get("output_name")
    if not isinstance(name, str) or not name.strip():
        return target
    if name.strip().startswith("{{"):
        kept = {key: item for key, item in target.items() if key != "task_name"}
        return {**kept, "value": name.strip()}
    path = f"{name}.output.{output_name}" if isinstance(output_name, str) else name
    return {**target, "value": f"{{{{{path}}}}}"}


def reviewed(values: Sequence[JsonValue], review_result: bool) -> dict[str, JsonValue]:
    """Return the output of a review: what was looked at, as it is now, and the verdict.

    One object has the verdict beside its own fields; anything else stands under a name.
    """
    if len(values) != 1:
        return {REVIEWED_OUTPUT: list(values), REVIEW_RESULT: review_result}
    (value,) = values
    data = value if isinstance(value, dict) else {"value": value}
    return {**data, REVIEW_RESULT: review_result}


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the schema of what was reviewed, and the verdict."""
    verdict: JsonSchema = {"type": "boolean", "description": "What the reviewer decided."}
    targets = parameters.get("targets")
    if isinstance(targets, list) and len(targets) > 1:
        return {
            "type": "object",
            "properties": {
                REVIEWED_OUTPUT: {
                    "type": "array",
                    "description": "One entry for each target, in order.",
                },
                REVIEW_RESULT: verdict,
            },
            "required": [REVIEWED_OUTPUT, REVIEW_RESULT],
            "additionalProperties": False,
        }
    return {"type": "object", "properties": {REVIEW_RESULT: verdict}, "required": [REVIEW_RESULT]}


HUMAN_REVIEW = TaskExecutor(
    name="human_review",
    description="Asks people to look at outputs, and passes on what they made of them.",
    agent_prompt=(
        "Use where a person must confirm or correct data. List what to look at in `targets`, by "
        "task name or reference, with `is_editable` where it may be changed, and say who is asked. "
        "The output is the reviewed value plus review_result; branch on that for a refusal."
    ),
    kind=Kind.WAITING,
    parameters=HumanReviewParameters,
    output_schema=_output,
    is_pure=True,
    awaits=HUMAN_REVIEW_DONE,
    normalised=with_references,
)
