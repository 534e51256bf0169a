"""What an LLM node asks of its model, and what it makes of the answers.

Source: docs/workflow-language.md, "say_llm and worker_llm".
"""

from collections.abc import Sequence

from dialogs.chosen import Chosen
from dialogs.effects import FunctionCall, ModelMessage, ModelReply
from dialogs.events import JsonObject, LlmSpoke
from dialogs.judging import first_that_holds
from dialogs.llm_config import models_of_node
from dialogs.llm_functions import Offer, exits_of, offer, tools_of
from dialogs.model import Edge, LlmNode
from dialogs.questions import Answer, Question, Questions
from dialogs.templates import as_text, render
from dialogs.tool_work import Use, told, use_tool
from dialogs.turn import Turn, origin

HOPS_LIMIT = "consecutive_conditional_edges_max_limit"
DEFAULT_HOPS_LIMIT = 3
MAX_TOOL_ROUNDS = 50
INDEPENDENT = "independent_llm_evaluations"
SPOKEN_FIELD = "response"
"""Of a structured answer, what a person hears."""

SAY = "say_llm"


async def ask_model(turn: Turn, node: LlmNode, visit: int) -> tuple[JsonObject, Chosen | None]:
    """Let the node's model answer; returns the node's output, and the edge that it took.

    Raises:
        RunFailedError: Its model, or one of its tools, is none that could be used here.
    """
    if node.waits or turn.thread.must_wait:
        turn.thread.is_unread = False
    marks: dict[str, str] = {}
    models = models_of_node(turn, node, marks)
    brakes = turn.thread.conditional_hops >= _hops_limit(turn)
    value: JsonObject = {}
    chosen: Chosen | None = None
    if models:
        questions = Questions(turn, node, visit, models, marks)
        execution = _Execution(turn, node, visit, questions, marks)
        value, chosen = await execution.run(brakes=brakes)
    else:
        _apologize(turn, node, visit, Answer(turn.new_id("message"), ModelReply()))
    turn.thread.conditional_hops = turn.thread.conditional_hops + 1 if chosen is not None else 0
    return {"structured_output": value}, chosen


class _Execution:
    """One execution of a node whose model can be asked."""

    def __init__(
        self, turn: Turn, node: LlmNode, visit: int, questions: Questions, marks: dict[str, str]
    ) -> None:
        self._turn = turn
        self._node = node
        self._visit = visit
        self._questions = questions
        self._system = render(_prompt(turn, node), turn.with_secrets(marks))
        self._uses = 0

    async def run(self, *, brakes: bool) -> tuple[JsonObject, Chosen | None]:
        """Ask until there is an answer or a way to take.

        Args:
            brakes: Whether models have hopped enough, and this one gets neither tools nor edges.
        """
        turn, node = self._turn, self._node
        exits = () if brakes else exits_of(turn, node)
        tools = () if brakes else tools_of(turn, node)
        if turn.graph.workflow_config.global_condition_evaluation_method != INDEPENDENT:
            return await self._converse(offer(turn, tools, exits))
        if node.type == SAY:
            chosen = await self._judge(exits)
            return ({}, chosen) if chosen is not None else await self._converse(offer(turn, tools))
        value, _ = await self._converse(offer(turn, tools))
        return value, await self._judge(exits)

    async def _judge(self, exits: Sequence[Edge]) -> Chosen | None:
        return await first_that_holds(self._turn, self._node, self._visit, self._questions, exits)

    async def _converse(self, offered: Offer) -> tuple[JsonObject, Chosen | None]:
        """Ask, run the tools that the model calls and ask again, within bounds."""
        rounds = faults = 0
        most = min(self._node.max_consecutive_tool_calls, MAX_TOOL_ROUNDS)
        more: list[ModelMessage] = []
        while True:
            current = offered if rounds < most else offered.without_tools()
            answer = await self._questions.ask(self._question(current, more))
            reply = answer.reply
            if reply.error is not None:
                return self._failed(answer)
            if not reply.calls and reply.fault is None:
                return self._answered(answer), None
            is_faulty = _is_faulty(reply, current)
            faults += is_faulty
            self._tell(answer, "discarded_main_llm" if is_faulty else self._node.type)
            if faults > self._questions.max_faults:
                return self._failed(self._given_up(answer))
            more.append(ModelMessage(role="assistant", content=reply.content, calls=reply.calls))
            if reply.fault is not None and not reply.calls:
                again = f"That does not fit: {reply.fault}. Answer again."
                more.append(ModelMessage(role="user", content=again))
                continue
            self._speak_beside_calls(answer)
            results, chosen = await self._called(reply.calls, current)
            if chosen is not None:
                return {}, chosen
            more += results
            rounds += not is_faulty

    def _failed(self, answer: Answer) -> tuple[JsonObject, None]:
        _apologize(self._turn, self._node, self._visit, answer)
        return {}, None

    def _given_up(self, answer: Answer) -> Answer:
        """Return what stands for a model that never answered what was asked for."""
        failed = ModelReply(error="the model's answers do not fit", usage=answer.reply.usage)
        return Answer(self._turn.new_id("message"), failed)

    def _question(self, offered: Offer, more: Sequence[ModelMessage]) -> Question:
        schema = self._node.structured_output_schema
        return Question(
            system=self._system,
            more=tuple(more),
            functions=offered.functions,
            answer_schema=schema,
            is_spoken=self._node.type == SAY and schema is None,
        )

    async def _called(
        self, calls: Sequence[FunctionCall], offered: Offer
    ) -> tuple[list[ModelMessage], Chosen | None]:
        """Do what a model called; returns what it is told, and the first edge that it took."""
        results: list[ModelMessage] = []
        chosen: Chosen | None = None
        for call in calls:
            edge = offered.exits.get(call.name)
            if call.fault is None and edge is not None:
                chosen = chosen or Chosen(edge, call.arguments)
                continue
            results.append(
                ModelMessage(role="tool", content=await self._used(call, offered), call_id=call.id)
            )
        return results, chosen

    async def _used(self, call: FunctionCall, offered: Offer) -> str:
        """Run a tool that the model called; returns what it is told of it."""
        tool = offered.tools.get(call.name)
        if call.fault is not None:
            return f"The arguments do not fit: {call.fault}"
        if tool is None:
            return "There is no such function."
        self._uses += 1
        use = Use(
            self._node,
            self._visit,
            tool,
            part=f"tool-{self._uses}",
            variable=tool.result_runtime_variable_name,
        )
        return told(await use_tool(self._turn, use, call.arguments, {}))

    def _answered(self, answer: Answer) -> JsonObject:
        """Tell an answer, keep its fields, and speak it where the node speaks."""
        reply = answer.reply
        self._turn.write(self._node, reply.value)
        self._tell(answer, self._node.type)
        spoken = reply.content
        if SPOKEN_FIELD in reply.value:
            spoken = as_text(reply.value[SPOKEN_FIELD])
        self._speak(answer, spoken)
        return reply.value

    def _speak_beside_calls(self, answer: Answer) -> None:
        """Speak what a model said while it called something, unless that is to be ignored."""
        config = self._turn.graph.workflow_config
        if not (
            self._node.ignore_content_received_during_llm_tool_call_specification
            or config.ignore_content_received_during_llm_tool_call_specification
        ):
            self._speak(answer, answer.reply.content)

    def _speak(self, answer: Answer, content: str) -> None:
        if self._node.type == SAY and content:
            message = answer.message(content)
            self._turn.speak(self._node, self._visit, message, {}, answer.reply.usage)

    def _tell(self, answer: Answer, kind: str) -> None:
        _tell(self._turn, self._node, self._visit, answer, kind, answer.reply.content)


def _apologize(turn: Turn, node: LlmNode, visit: int, answer: Answer) -> None:
    """Say what the node says when its model does not answer."""
    content = turn.render(node.default_error_message)
    _tell(turn, node, visit, answer, node.type, content)
    if node.type == SAY and content:
        turn.speak(node, visit, answer.message(content), {}, answer.reply.usage)


def _tell(turn: Turn, node: LlmNode, visit: int, answer: Answer, kind: str, content: str) -> None:
    turn.tell(
        LlmSpoke,
        origin(node, visit),
        {
            "type": kind,
            "message": answer.message(content),
            "llm_usage_info": answer.reply.usage,
        },
    )


def _is_faulty(reply: ModelReply, offered: Offer) -> bool:
    """Return whether an answer is of no use, and has to be given again."""
    known = {**offered.tools, **offered.exits}
    return all(call.fault is not None or call.name not in known for call in reply.calls)


def _prompt(turn: Turn, node: LlmNode) -> str:
    workflow = turn.graph.workflow_config
    parts = (
        "" if node.ignore_default_prompt_prefix else workflow.default_prompt_prefix,
        node.main_response_config.prompt or workflow.main_response_config.prompt,
        "" if node.ignore_default_prompt_suffix else workflow.default_prompt_suffix,
    )
    return "\n\n".join(part for part in parts if part)


def _hops_limit(turn: Turn) -> int:
    written = turn.graph.workflow_config.miscellaneous.get(HOPS_LIMIT)
    text = str(written)
    return int(text) if text.isdecimal() and len(text) < 9 else DEFAULT_HOPS_LIMIT
