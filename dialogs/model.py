"""Nodes, edges and configurations of an interactive workflow, as its interpreter reads them.

Documents are kept as their authors wrote them; these models only read them. So they are tolerant:
a null is an absent key, fields that nobody knows are carried along, and a node or an edge of an
unknown type is one like any other until a run reaches it.

Source: docs/workflow-language.md.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag, model_validator

MAX_NODES = 500
MAX_EDGES = 2_000

LlmNodeType = Literal["say_llm", "worker_llm"]
DEFAULT_APOLOGY = "I am sorry, there seems to be an issue. Could you please repeat?"


class Written(BaseModel):
    """What an author wrote: frozen, open to unknown keys, with null as absent."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: each for key, each in value.items() if each is not None}


class StaticMessages(Written):
    """Texts of which one is spoken."""

    static_messages: tuple[str, ...] = ()
    static_messages_selection_mode: Literal["random", "sequence"] = "random"


class Prompt(Written):
    """What a model is told."""

    prompt: str = ""


class LlmConfig(Written):
    """Which model answers; what else it holds depends on its type."""

    type: str = "global_default_llm"


class SelfLoop(Written):
    """How often, and for how long, a node is executed again until an edge fires."""

    enabled: bool = False
    max_retries: int | None = Field(default=None, ge=0, le=100)
    expiry_time: float | None = Field(default=None, ge=1, le=3_600)
    time_between_retries: float = Field(default=0, ge=0, le=300)


class Node(Written):
    """What every node has."""

    type: str
    logical_id: str
    name: str = ""
    description: str = ""
    is_start: bool = False
    disabled: bool = False
    self_loop_config: SelfLoop = SelfLoop()

    @property
    def waits(self) -> bool:
        """Return whether it executes only once there is an unread message."""
        return False

    @property
    def shown_name(self) -> str:
        """Return its name, or its id where it has none."""
        return self.name or self.logical_id


class SayStaticNode(Node):
    """Speaks one of its texts."""

    type: Literal["say_static"]
    static_messages_config: StaticMessages = StaticMessages()


class NoOpNode(Node):
    """Does nothing, for a while if it must."""

    type: Literal["no_op"]
    output_runtime_variable_name: str = "no_op_result"
    delay_seconds: float = Field(default=0, ge=0, le=86_400)
    simulate_failure: bool = False


class HttpRequestNode(Node):
    """Calls an HTTP service."""

    type: Literal["http_request"]
    url: str = ""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = "GET"
    headers: dict[str, JsonValue] = Field(default_factory=dict)
    query_parameters: str = ""
    body_parameters: str = ""
    body_content_type: Literal[
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/plain",
    ] = "application/json"
    timeout: float = Field(default=30, ge=0, le=300)
    response_format: Literal["json", "text", "binary"] = "json"
    result_runtime_variable_name: str = "http_request_result"


class EndConversationNode(Node):
    """Says that the conversation is over."""

    type: Literal["end_conversation"]
    process_transcript_prompt: str = ""
    process_transcript_llms_config: LlmConfig = LlmConfig()


class StartConversationNode(Node):
    """Says that a conversation begins."""

    type: Literal["start_conversation"]
    is_voice_conversation: bool = False


class LlmNode(Node):
    """Lets a model speak (``say_llm``) or work in silence (``worker_llm``)."""

    type: LlmNodeType
    main_response_config: Prompt = Prompt()
    attachable_llm_config_id: str | None = None
    llms_config: LlmConfig = LlmConfig()
    self_loop: bool = True
    wait_for_user_message: bool = True
    max_consecutive_tool_calls: int = 1
    default_error_message: str = DEFAULT_APOLOGY
    structured_output_schema: dict[str, JsonValue] | None = None
    ignore_default_prompt_prefix: bool = False
    ignore_default_prompt_suffix: bool = False
    ignore_content_received_during_llm_tool_call_specification: bool = False
    use_mcp_tools: bool = False

    @model_validator(mode="before")
    @classmethod
    def _worker_does_not_loop(cls, value: object) -> object:
        if isinstance(value, dict) and value.get("type") == "worker_llm":
            return {**value, "self_loop": value.get("self_loop") or False}
        return value

    @property
    def waits(self) -> bool:
        """Return whether it executes only once there is an unread message."""
        return self.wait_for_user_message


class ToolNode(Node):
    """Runs one tool."""

    type: Literal["tool_node"]
    tool_config: dict[str, JsonValue] = Field(default_factory=dict)
    tool_arguments: dict[str, JsonValue] = Field(default_factory=dict)
    result_runtime_variable_name: str = "tool_result"
    preserve_argument_types: bool = False


class SuperNode(Node):
    """Stands for another workflow's graph, which takes its place before a run."""

    type: Literal["super_node"]
    super_workflow_id: str | None = None
    super_workflow_version_number: int | None = None
    field_values: dict[str, JsonValue] = Field(default_factory=dict)
    super_node_interface: dict[str, JsonValue] | None = None
    encapsulated_workflow_config: dict[str, JsonValue] | None = None


class OtherNode(Node):
    """A node of a type that nobody here knows; it is kept, and fails the run that reaches it."""


NODE_TYPES: dict[str, type[Node]] = {
    "say_static": SayStaticNode,
    "no_op": NoOpNode,
    "http_request": HttpRequestNode,
    "end_conversation": EndConversationNode,
    "start_conversation": StartConversationNode,
    "say_llm": LlmNode,
    "worker_llm": LlmNode,
    "tool_node": ToolNode,
    "super_node": SuperNode,
}


def _kind_of(value: object) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    known = NODE_TYPES.get(kind) if isinstance(kind, str) else None
    return known.__name__ if known is not None else "OtherNode"


AnyNode = Annotated[
    Annotated[SayStaticNode, Tag("SayStaticNode")]
    | Annotated[NoOpNode, Tag("NoOpNode")]
    | Annotated[HttpRequestNode, Tag("HttpRequestNode")]
    | Annotated[EndConversationNode, Tag("EndConversationNode")]
    | Annotated[StartConversationNode, Tag("StartConversationNode")]
    | Annotated[LlmNode, Tag("LlmNode")]
    | Annotated[ToolNode, Tag("ToolNode")]
    | Annotated[SuperNode, Tag("SuperNode")]
    | Annotated[OtherNode, Tag("OtherNode")],
    Discriminator(_kind_of),
]


class DynamicMessages(Written):
    """A text that a model makes up for the moment."""

    dynamic_message_prompt: str = ""


class Condition(Written):
    """When a conditional edge is taken."""

    condition_freeform: str | None = None
    condition_expression: str | None = None
    args_schema: dict[str, JsonValue] | None = None
    static_messages_config: StaticMessages | None = None
    dynamic_messages_config: DynamicMessages = DynamicMessages()


class CompanionThread(Written):
    """Whether a direct edge starts a thread beside the main one."""

    is_companion_thread: bool = False
    thread_id: str | None = None


class WaitingEvaluation(Written):
    """Whether a condition is looked at while its source waits."""

    enabled: bool = False
    trigger_mode: str = "on_node_completion"
    trigger_node_logical_ids: tuple[str, ...] = ()
    min_seconds_between_evaluations: float = 0
    max_transitions_per_wait: int = 3


class Edge(Written):
    """A way from one node to another."""

    type: str
    logical_id: str
    name: str = ""
    description: str = ""
    disabled: bool = False
    source_node_logical_id: str
    destination_node_logical_id: str
    condition: Condition = Condition()
    companion_thread_config: CompanionThread = CompanionThread()
    evaluate_while_waiting_config: WaitingEvaluation = WaitingEvaluation()
    super_node_exit_origin: str | None = None

    @property
    def is_main(self) -> bool:
        """Return whether it is an unconditional way of its own thread."""
        return self.type == "direct" and not self.companion_thread_config.is_companion_thread


class WorkflowConfig(Written):
    """What holds for the whole graph."""

    logical_id: str = ""
    name: str = ""
    description: str = ""
    category: str = "User Created"
    attachable_llm_config_id: str | None = None
    llms_config: LlmConfig = LlmConfig(type="no_llm")
    main_response_config: Prompt = Prompt()
    default_prompt_prefix: str = ""
    default_prompt_suffix: str = ""
    ignore_content_received_during_llm_tool_call_specification: bool = False
    global_condition_evaluation_method: str = "tool_call"
    miscellaneous: dict[str, JsonValue] = Field(default_factory=dict)


class Graph(Written):
    """A whole graph, under the names that it has on the wire."""

    workflow_config: WorkflowConfig = WorkflowConfig()
    node_configs: tuple[AnyNode, ...] = Field(default=(), max_length=MAX_NODES)
    edge_configs: tuple[Edge, ...] = Field(default=(), max_length=MAX_EDGES)
    dynamic_variables: dict[str, JsonValue] = Field(default_factory=dict)
    runtime_variables: dict[str, JsonValue] = Field(default_factory=dict)
