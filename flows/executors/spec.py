"""What a task executor declares about itself; the activity that does the work lives elsewhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic import Field as Describe

JsonSchema = dict[str, JsonValue]
SecretText = Annotated[str, Describe(json_schema_extra={"secret": True})]
"""Text that nobody may read back: a password, a key, a token, a connection string with either."""
MISSING_PARAMETER = "missing_parameter"
"""Type of a validation error that says, like a missing field, that a draft is not complete yet."""
SchemaOfParameters = Callable[[Mapping[str, JsonValue]], JsonSchema]


class Parameters(BaseModel):
    """Base of what an executor accepts: closed to unknown keys, and no type is coerced."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Kind(StrEnum):
    """How a task of this executor runs.

    ``INPUT`` runs nothing: validated flow input is its output. ``INSTANT`` is pure and bounded to
    200 ms: a local activity. ``EFFECT`` is an activity. ``WAITING`` is workflow state resumed by a
    signal or a timer. ``REMOTE`` is an activity on a task queue that the task names.
    """

    INPUT = "input"
    INSTANT = "instant"
    EFFECT = "effect"
    WAITING = "waiting"
    REMOTE = "remote"


@dataclass(frozen=True, kw_only=True)
class TaskExecutor:
    """One entry of the catalogue.

    Attributes:
        name: Immutable snake_case name; also the type of the Temporal activity.
        description: At least ten characters, for people.
        agent_prompt: How a model should use it.
        kind: How its tasks run.
        schema_version: Raised when the meaning of parameters or output changes; part of every
            fingerprint, so results of an older version are not reused.
        parameters: Model of the resolved parameters, closed to unknown keys.
        output_schema: JSON Schema of the output, from the authored parameters.
        flow_input_schema: For ``Kind.INPUT`` the JSON Schema of the flow input, from the authored
            parameters; None for every other kind.
        is_pure: Whether running twice can be noticed by nobody. Pure work that was lost with its
            worker runs again even where ``max_attempts`` is 1.
        default_timeout: Longest time one attempt may take, unless the task says otherwise.
        is_schedulable: Whether it tolerates being fired by a schedule.
        is_external: For inputs: whether an outside system feeds it.
        aliases: Other names that definitions may use.
        awaits: For ``Kind.WAITING``: what kind of delivery from outside ends the wait, by the name
            under which its source is known; None where time alone does.
        normalised: Turns parameters as authors may write them into what is checked and run; None
            where these are the same. Total, and repeatable.
        passes_on: The parameter that it passes on as it is; None where it makes something new.
        fixed_parameters: What must be known before anything runs, so no reference may stand there.
    """

    name: str
    description: str
    agent_prompt: str
    kind: Kind
    parameters: type[BaseModel]
    output_schema: SchemaOfParameters
    schema_version: int = 1
    flow_input_schema: SchemaOfParameters | None = None
    is_pure: bool = False
    default_timeout: timedelta = timedelta(minutes=5)
    is_schedulable: bool = False
    is_external: bool = False
    aliases: tuple[str, ...] = ()
    awaits: str | None = None
    passes_on: str | None = None
    fixed_parameters: frozenset[str] = frozenset()
    normalised: Callable[[dict[str, JsonValue]], dict[str, JsonValue]] | None = None

    @property
    def default_max_attempts(self) -> int:
        """Return 1 for pure work, 3 for effects."""
        return 1 if self.is_pure else 3
