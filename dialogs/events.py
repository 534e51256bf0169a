"""Everything that a run can tell: one closed union, told apart by ``type``.

Source: docs/workflow-language.md, "Events".
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

JsonObject = dict[str, JsonValue]


class Event(BaseModel):
    """What every event carries.

    Attributes:
        timestamp: Seconds since the epoch.
        origin_thread_id: ``"0"`` for the main thread; None for what concerns the whole run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    logical_id: str
    timestamp: float
    origin_thread_id: str | None = None
    thread_reference_id: str | None = None
    comments: tuple[JsonValue, ...] = ()
    interrupted: bool = False


class NodeEvent(Event):
    """Something that a node did; its runs are counted from "1"."""

    origin_node_logical_id: str
    origin_node_name: str
    origin_node_run_id: str


class EdgeEvent(Event):
    """A way that was taken."""

    edge_name: str | None = None
    edge_logical_id: str | None = None
    edge_run_id: str | None = None
    source_node_logical_id: str
    source_node_name: str
    destination_node_logical_id: str | None = None
    destination_node_name: str | None = None
    reason: str | None = None


class Usage(BaseModel):
    """Tokens that models used, over a whole run."""

    total_input_tokens: int = 0
    total_output_tokens: int = 0
    total_tokens: int = 0
    call_count: int = 0
    call_count_with_user_keys: int = 0
    call_count_with_fallback_keys: int = 0
    breakdown_by_models: dict[str, JsonValue] = Field(default_factory=dict)


class Latency(BaseModel):
    """Time that calls took, over a whole run or a turn."""

    call_count: int = 0
    total_latency_milliseconds: float = 0
    average_latency_milliseconds: float = 0
    breakdown_by_models: dict[str, JsonValue] = Field(default_factory=dict)


class LlmUsageInfo(BaseModel):
    """What one call of a model cost; all null where no model was asked."""

    response_model: str | None = None
    provider: str | None = None
    llm_response_id: str | None = None
    finish_reason: tuple[str, ...] | None = None
    response_latency_milliseconds: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    was_streamed: bool | None = None


class Message(BaseModel):
    """What a person said."""

    type: str = "human"
    content: str = ""
    id: str | None = None
    name: str | None = None
    additional_kwargs: JsonObject = Field(default_factory=dict)
    response_metadata: JsonObject = Field(default_factory=dict)


class AiMessage(BaseModel):
    """What the workflow said."""

    type: Literal["ai"] = "ai"
    content: str
    id: str
    name: str | None = None
    additional_kwargs: JsonObject = Field(default_factory=dict)
    response_metadata: JsonObject = Field(default_factory=dict)
    tool_calls: tuple[JsonValue, ...] = ()
    invalid_tool_calls: tuple[JsonValue, ...] = ()
    usage_metadata: JsonValue = None


class IterationMetrics(BaseModel):
    """What one turn took."""

    e2e_latency_milliseconds: float
    nodes_executed_count: int
    llm_call_count: int
    tool_call_count: int
    llm_call_latency_stats: Latency | None = None
    tool_call_latency_stats: Latency | None = None


class StartWorkflow(Event):  # noqa: D101 - the type says it, here and below
    type: Literal["start_workflow"] = "start_workflow"


class StartThread(Event):  # noqa: D101
    type: Literal["start_thread"] = "start_thread"


class UserMessages(NodeEvent):  # noqa: D101
    type: Literal["user_messages"] = "user_messages"
    messages: tuple[Message, ...]


class StartNodeRun(NodeEvent):  # noqa: D101
    type: Literal["start_node_run"] = "start_node_run"
    run_input: JsonObject | None = None


class SayStatic(NodeEvent):  # noqa: D101
    type: Literal["say_static"] = "say_static"
    message: AiMessage


class AssistantResponse(NodeEvent):  # noqa: D101
    type: Literal["assistant_response"] = "assistant_response"
    content: str
    response_metadata: JsonObject = Field(default_factory=dict)
    llm_usage_info: LlmUsageInfo = LlmUsageInfo()


class EndNodeRun(NodeEvent):  # noqa: D101
    type: Literal["end_node_run"] = "end_node_run"
    run_output: JsonObject


class WorkflowShowState(Event):  # noqa: D101
    type: Literal["workflow_show_state"] = "workflow_show_state"
    thread_id: str
    runtime_variables: JsonObject
    workflow_runtime_variables: JsonObject


class DirectEdge(EdgeEvent):  # noqa: D101
    type: Literal["direct_edge"] = "direct_edge"


class SelfLoopEdge(EdgeEvent):  # noqa: D101
    type: Literal["self_loop_edge"] = "self_loop_edge"


class ConditionalEdge(EdgeEvent):  # noqa: D101
    type: Literal["conditional_edge"] = "conditional_edge"
    args_filled: JsonObject = Field(default_factory=dict)
    super_node_exit_origin: JsonValue = None


class SelfLoopDelay(EdgeEvent):  # noqa: D101
    type: Literal["self_loop_delay"] = "self_loop_delay"
    delay_seconds: float
    attempt_number: int


class SelfLoopExhausted(EdgeEvent):  # noqa: D101
    type: Literal["self_loop_exhausted"] = "self_loop_exhausted"
    outcome: Literal["max_retries", "expiry_time"]
    total_attempts: int


class NodeExpired(NodeEvent):  # noqa: D101
    type: Literal["node_expired"] = "node_expired"


class WorkflowNavigationMessage(NodeEvent):  # noqa: D101
    type: Literal["workflow_navigation_message"] = "workflow_navigation_message"
    message: str


class BusyWaitForUserMessage(NodeEvent):  # noqa: D101
    type: Literal["busy_wait_for_user_message"] = "busy_wait_for_user_message"


class EndThread(Event):  # noqa: D101
    type: Literal["end_thread"] = "end_thread"
    last_node_logical_id: str | None = None


class PauseThread(Event):  # noqa: D101
    type: Literal["pause_thread"] = "pause_thread"
    last_node_logical_id: str | None = None


class PauseEvent(NodeEvent):  # noqa: D101
    type: Literal["pause_event"] = "pause_event"


class EndWorkflowIteration(Event):  # noqa: D101
    type: Literal["end_workflow_iteration"] = "end_workflow_iteration"
    iteration_number: int
    run_input_output_pair: JsonObject
    iteration_metrics: IterationMetrics


class WorkflowReadyForInput(Event):  # noqa: D101
    type: Literal["workflow_ready_for_input"] = "workflow_ready_for_input"
    active_companion_thread_ids: tuple[str, ...] = ()


class EndWorkflow(Event):  # noqa: D101
    type: Literal["end_workflow"] = "end_workflow"
    llm_token_usage: Usage
    llm_latency_stats: Latency


class WorkflowError(Event):  # noqa: D101
    type: Literal["workflow_error"] = "workflow_error"
    error_message: str
    stack_trace: str | None = None
    llm_token_usage: Usage
    llm_latency_stats: Latency


class WorkflowWarning(Event):  # noqa: D101
    type: Literal["workflow_warning"] = "workflow_warning"
    warning_message: str


class WorkflowDebugLog(Event):  # noqa: D101
    type: Literal["workflow_debug_log"] = "workflow_debug_log"
    chat_history: tuple[JsonValue, ...] = ()
    debug_message: str


class HttpRequest(NodeEvent):  # noqa: D101
    type: Literal["http_request"] = "http_request"
    curl_command: str
    status_code: int | None = None
    response_body: JsonObject | None = None
    error: str | None = None


class StartConversation(NodeEvent):  # noqa: D101
    type: Literal["start_conversation"] = "start_conversation"
    conversation_status: str
    conversation_id: str | None = None


class EndConversation(NodeEvent):  # noqa: D101
    type: Literal["end_conversation"] = "end_conversation"
    processed_transcript: str | None = None


class LlmSpoke(NodeEvent):
    """What a model said or did."""

    type: Literal["say_llm", "worker_llm", "condition_evaluator_llm", "discarded_main_llm"]
    message: AiMessage
    llm_usage_info: LlmUsageInfo = LlmUsageInfo()


AnyEvent = Annotated[
    StartWorkflow
    | StartThread
    | UserMessages
    | StartNodeRun
    | SayStatic
    | AssistantResponse
    | EndNodeRun
    | WorkflowShowState
    | DirectEdge
    | SelfLoopEdge
    | ConditionalEdge
    | SelfLoopDelay
    | SelfLoopExhausted
    | NodeExpired
    | WorkflowNavigationMessage
    | BusyWaitForUserMessage
    | EndThread
    | PauseThread
    | PauseEvent
    | EndWorkflowIteration
    | WorkflowReadyForInput
    | EndWorkflow
    | WorkflowError
    | WorkflowWarning
    | WorkflowDebugLog
    | HttpRequest
    | StartConversation
    | EndConversation
    | LlmSpoke,
    Field(discriminator="type"),
]

ANY_EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)
