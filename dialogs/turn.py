"""One turn while it runs: the graph, what is remembered, and what was told so far."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import JsonValue

from dialogs.accounts import count_time, count_tokens
from dialogs.effects import Driver
from dialogs.events import (
    AiMessage,
    AssistantResponse,
    Event,
    JsonObject,
    Latency,
    LlmUsageInfo,
    SayStatic,
    UserMessages,
    WorkflowShowState,
)
from dialogs.failures import RunFailedError
from dialogs.model import Edge, Graph, Node, StaticMessages
from dialogs.placeholders import ABSENT, Found, Placeholder
from dialogs.state import MAIN_THREAD, Fixed, Remembered, RunInput, RunState, Values
from dialogs.templates import Lookup, render
from dialogs.variables import (
    GLOBAL,
    SELF_LOOP_OUTCOME,
    USER_MESSAGE,
    Scope,
    callers_own,
    chance_id,
    dynamic_values,
    system_values,
)

DEFAULT_DYNAMIC_VARIABLES = "default_dynamic_variables"
NO_USAGE = LlmUsageInfo()


class Turn:
    """Holds together what the parts of the interpreter share.

    Attributes:
        events: Everything told in this turn, as it goes over the wire.
        outputs: What each execution of a node came to, in order.
        expires_at: When the node at work has to give up; None for never.
    """

    def __init__(
        self, graph: Graph, state: RunState, fixed: Fixed, given: RunInput, driver: Driver
    ) -> None:
        """Borrow everything; only the state is changed."""
        self.graph = graph
        self.state = state
        self.thread = state.main
        self.fixed = fixed
        self.given = given
        self.driver = driver
        self.node_by_id = {node.logical_id: node for node in graph.node_configs}
        self.events: list[JsonObject] = []
        self.outputs: list[JsonObject] = []
        self.expires_at: datetime | None = None
        self.started_at = driver.now()
        self.node_runs = self.model_calls = self.tool_calls = 0
        self.tool_milliseconds = 0.0
        self.model_latency = Latency()
        take_in(graph, state, given)
        self.dynamic = self._dynamic()
        self._written = self._written_so_far()
        self._scope = Scope(
            dynamic=self.dynamic,
            team=fixed.team_variables,
            thread=self.thread.runtime_variables,
            workflow=state.workflow_variables,
            written_by=self._written,
        )
        self.lookup: Lookup = self._look

    def ways_out(self, node: Node) -> list[Edge]:
        """Return the edges out of a node, in their order; disabled ones do not exist."""
        return [
            edge
            for edge in self.graph.edge_configs
            if edge.source_node_logical_id == node.logical_id and not edge.disabled
        ]

    def node(self, logical_id: str) -> Node:
        """Return a node of the graph.

        Raises:
            RunFailedError: There is none.
        """
        if logical_id not in self.node_by_id:
            raise RunFailedError(f"the graph has no node '{logical_id}'")
        return self.node_by_id[logical_id]

    def hear(self, node: Node) -> None:
        """Take in what a person said with this turn; all of it is one unit."""
        messages = self.given.messages
        if not messages:
            return
        self.thread.is_unread = True
        for message in messages:
            self.thread.remember(Remembered(role="user", content=message.content))
        upcoming = self.state.node_runs.get(node.logical_id, 0) + 1
        self.tell(UserMessages, origin(node, upcoming), {"messages": tuple(messages)})

    def tell(
        self, kind: type[Event], *parts: Mapping[str, object], thread: str | None = MAIN_THREAD
    ) -> JsonObject:
        """Tell something; returns it as it goes over the wire.

        Args:
            kind: The event, which is put together from the parts.
            thread: None for what concerns the whole run.
        """
        event = kind.model_validate(
            {
                "logical_id": self.new_id("event"),
                "timestamp": self.driver.now().timestamp(),
                "origin_thread_id": thread,
                "thread_reference_id": thread,
                **{name: value for part in parts for name, value in part.items()},
            }
        )
        shown = event.model_dump(mode="json")
        self.events.append(shown)
        self.driver.emit(event)
        return shown

    def new_id(self, kind: str) -> str:
        """Return an id such as ``event_<uuid>``."""
        return f"{kind}_{chance_id(self.driver.chance())}"

    def count_run(self, node: Node) -> int:
        """Return which execution of a node now begins, counted from 1 over the whole run."""
        visit = self.state.node_runs.get(node.logical_id, 0) + 1
        self.state.node_runs[node.logical_id] = visit
        return visit

    def write(self, node: Node, values: Values) -> None:
        """Set variables of the run in a node's name."""
        self.thread.runtime_variables.update(values)
        own = self.thread.written_by_node.setdefault(node.logical_id, {})
        own.update(values)
        self._written[node.logical_id] = own
        if node.name:
            self._written[node.name] = own

    def set_loop_outcome(self, outcome: str | None) -> None:
        """Say how a bounded loop ended; None where it left through an edge."""
        self.thread.runtime_variables.pop(SELF_LOOP_OUTCOME, None)
        if outcome is not None:
            self.thread.runtime_variables[SELF_LOOP_OUTCOME] = outcome

    def render(self, text: str) -> str:
        """Return a text with the variables of this moment."""
        return render(text, self.lookup)

    def with_secrets(self, marks: dict[str, str]) -> Lookup:
        """Return a lookup that puts a mark wherever a secret is named, and says so in ``marks``."""

        def look(placeholder: Placeholder) -> Found:
            value = self.lookup(placeholder)
            name = placeholder.path.removeprefix(f"{GLOBAL}.")
            is_secret = placeholder.kind == "dynamic" and name in self.fixed.secret_names
            if value is not ABSENT or not is_secret or placeholder.filters:
                return value
            mark = f"<secret {chance_id(self.driver.chance())}>"
            marks[mark] = name
            return mark

        return look

    def effect(self, node: Node, visit: int, part: str = "") -> tuple[str, timedelta | None]:
        """Return the key of a node's effect, and how long it may take.

        Args:
            part: Tells apart the effects of one execution; empty for its only or first one.
        """
        key = f"{self.state.turn_number}/{node.logical_id}/{visit}{part and f'/{part}'}"
        if self.expires_at is None:
            return key, None
        return key, max(self.expires_at - self.driver.now(), timedelta(0))

    def message(self, content: str) -> AiMessage:
        """Return something said, as models and clients know it."""
        return AiMessage(content=content, id=self.new_id("message"))

    def count_model_call(self, model: str, usage: LlmUsageInfo, *, has_own_key: bool) -> None:
        """Add what a call of a model cost to the accounts of turn and run."""
        self.model_calls += 1
        model = usage.response_model or model
        count_tokens(self.state.usage, model, usage, has_own_key=has_own_key)
        for latency in (self.state.latency, self.model_latency):
            count_time(latency, model, usage.response_latency_milliseconds or 0)

    def say_one_of(self, node: Node, visit: int, texts: StaticMessages, nth: int) -> None:
        """Speak one of some texts: any, or the nth in its turn and the last one from then on."""
        offered = texts.static_messages
        if not offered:
            return
        if texts.static_messages_selection_mode == "random":
            chosen = self.driver.chance().choice(offered)
        else:
            chosen = offered[min(nth, len(offered)) - 1]
        message = self.message(self.render(chosen))
        at = origin(node, visit)
        self.tell(SayStatic, at, {"message": message})
        self.speak(node, visit, message, {"message_type": "static"})

    def speak(
        self,
        node: Node,
        visit: int,
        message: AiMessage,
        metadata: JsonObject,
        usage: LlmUsageInfo = NO_USAGE,
    ) -> None:
        """Say something to the person, and remember it."""
        self.thread.remember(Remembered(role="assistant", content=message.content))
        self.tell(
            AssistantResponse,
            {"logical_id": message.id},
            origin(node, visit),
            {"content": message.content, "response_metadata": metadata, "llm_usage_info": usage},
        )

    def show_state(self) -> None:
        """Tell all variables; secrets are none of them."""
        evaluated: JsonObject = {
            "_evaluated_dynamic_variables": self.dynamic,
            "_input_dynamic_variables": self.state.dynamic_variables,
        }
        self.tell(
            WorkflowShowState,
            {
                "thread_id": MAIN_THREAD,
                "runtime_variables": self.thread.runtime_variables,
                "workflow_runtime_variables": {**self.state.workflow_variables, **evaluated},
            },
            thread=None,
        )

    def _look(self, placeholder: Placeholder) -> Found:
        """Return the value that a placeholder names; what the person said is remembered anyway."""
        if (placeholder.kind, placeholder.path) != ("runtime", USER_MESSAGE):
            return self._scope.lookup(placeholder)
        heard = (each.content for each in reversed(self.thread.messages) if each.role == "user")
        return next(heard, ABSENT)

    def _dynamic(self) -> Values:
        return dynamic_values(
            team=self.fixed.team_variables,
            defaults=self.graph.workflow_config.miscellaneous.get(DEFAULT_DYNAMIC_VARIABLES),
            graph=self.graph.dynamic_variables,
            system=system_values(self.started_at, self.driver.chance()),
            run=self.state.dynamic_variables,
        )

    def _written_so_far(self) -> dict[str, Mapping[str, JsonValue]]:
        written: dict[str, Mapping[str, JsonValue]] = {}
        for logical_id, values in self.thread.written_by_node.items():
            written[logical_id] = values
            if logical_id in self.node_by_id and self.node_by_id[logical_id].name:
                written[self.node_by_id[logical_id].name] = values
        return written


def take_in(graph: Graph, state: RunState, given: RunInput) -> None:
    """Begin a turn: count it, and merge the variables that it is given over those that are held."""
    variables = state.main.runtime_variables
    if state.turn_number == 0:
        variables.update(graph.runtime_variables)
    state.turn_number += 1
    layers = [(given.dynamic_variables, given.runtime_variables)]
    layers += [(each.dynamic_variables, each.runtime_variables) for each in given.main_inputs]
    for dynamic, runtime in layers:
        state.dynamic_variables.update(dynamic)
        variables.update(callers_own(runtime))


def origin(node: Node, visit: int) -> JsonObject:
    """Return what every event of a node carries."""
    return {
        "origin_node_logical_id": node.logical_id,
        "origin_node_name": node.shown_name,
        "origin_node_run_id": str(visit),
    }
