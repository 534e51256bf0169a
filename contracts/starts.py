"""What plain Temporal clients send to have something started, and what they are told.

Stored histories hold these: fields are only added, with defaults.

Source: docs/temporal-contract.md.
"""

from pydantic import Field, JsonValue

from contracts.messages import Message
from dialogs.state import RunInput


class StartFlowAsked(Message):
    """Record an execution of a flow's latest version, and start it.

    Attributes:
        key: The same key leads to the same execution for 24 hours; the workflow fills it in.
    """

    organization_id: str
    flow_id: str
    input: dict[str, JsonValue] = Field(default_factory=dict)
    input_task_name: str | None = None
    key: str = ""


class FlowStarted(Message):
    """What was started.

    Attributes:
        temporal_workflow_id: The workflow that runs it.
    """

    flow_execution_id: str
    flow_version: int
    run_number: int
    temporal_workflow_id: str


class StartRunAsked(Message):
    """Record a run of an interactive workflow, and start it.

    Attributes:
        version_number: The active version unless given.
        run_input: What its first turn is given.
        key: The same key leads to the same run; the workflow fills it in.
    """

    organization_id: str
    workflow_id: str
    version_number: int | None = None
    run_input: RunInput = Field(default_factory=RunInput)
    key: str = ""


class RunStarted(Message):
    """What was started.

    Attributes:
        input_id: Of the first turn, to wait for its answer.
        temporal_workflow_id: The workflow that is the run.
    """

    run_id: str
    version_number: int
    input_id: str
    temporal_workflow_id: str
