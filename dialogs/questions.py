"""Asks the models of one execution of a node, one question after the other.

Source: docs/workflow-language.md, "Models".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dialogs.effects import Function, FunctionCall, ModelCall, ModelMessage, ModelReply
from dialogs.events import AiMessage, JsonObject, LlmUsageInfo
from dialogs.model import Node
from dialogs.model_config import ModelConfig
from dialogs.turn import Turn, origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked.

    Attributes:
        system: What the model is told to do.
        history: Whether it is told what was said in the run so far.
        more: What follows the history.
        answer_schema: JSON Schema that the answer has to fit; None for free text.
        is_spoken: Whether the person gets to see the answer as it comes.
    """

    system: str
    history: bool = True
    more: Sequence[ModelMessage] = ()
    functions: tuple[Function, ...] = ()
    answer_schema: JsonObject | None = None
    is_spoken: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer, and the id of the message that it becomes."""

    message_id: str
    reply: ModelReply

    def message(self, content: str | None = None) -> AiMessage:
        """Return it as events tell it, or an apology in its place."""
        reply = self.reply
        usage = reply.usage
        return AiMessage(
            content=reply.content if content is None else content,
            id=self.message_id,
            response_metadata={"error": reply.error} if reply.error is not None else {},
            tool_calls=tuple(_call(each) for each in reply.calls if each.fault is None),
            invalid_tool_calls=tuple(_invalid(each) for each in reply.calls if each.fault),
            usage_metadata=_tokens(usage),
        )


class Questions:
    """Asks, and keeps the accounts; each question is an effect of its own."""

    def __init__(
        self,
        turn: Turn,
        node: Node,
        visit: int,
        models: Sequence[ModelConfig],
        marks: dict[str, str],
        part: str = "",
    ) -> None:
        """Keep who is asked on whose behalf.

        Args:
            marks: Which secrets stand in what is asked; may grow between questions.
            part: Tells these questions from others of the same execution.
        """
        self._part = part
        self._turn = turn
        self._node = node
        self._visit = visit
        self._models = models
        self._marks = marks
        self._count = 0
        # What is spoken between two questions is part of what follows the history.
        self._said = tuple(turn.thread.messages)

    @property
    def max_faults(self) -> int:
        """Return how often a model may answer what does not fit before it has failed."""
        return self._models[0].max_parse_retries

    async def ask(self, question: Question) -> Answer:
        """Return the answer of the first model that gives one, or the last one's failure."""
        answers = [await self._ask(self._models[0], question)]
        for config in self._models[1:]:
            if answers[-1].reply.error is None:
                break
            answers.append(await self._ask(config, question))
        return answers[-1]

    async def _ask(self, config: ModelConfig, question: Question) -> Answer:
        turn, node = self._turn, self._node
        self._count += 1
        is_only = self._count == 1 and not self._part
        part = "" if is_only else f"{self._part or 'model'}-{self._count}"
        key, expires_in = turn.effect(node, self._visit, part)
        shown = origin(node, self._visit)
        message_id = turn.new_id("message")
        reply = await turn.driver.ask(
            ModelCall(
                key=key,
                secrets={**self._marks},
                expires_in=expires_in,
                node_logical_id=node.logical_id,
                origin_node_name=str(shown["origin_node_name"]),
                origin_node_run_id=str(shown["origin_node_run_id"]),
                message_id=message_id,
                config=config,
                messages=self._messages(config, question),
                functions=question.functions,
                answer_schema=question.answer_schema,
                is_spoken=question.is_spoken,
            )
        )
        turn.count_model_call(
            config.model or config.type, reply.usage, has_own_key=config.is_authors
        )
        return Answer(message_id, reply)

    def _messages(self, config: ModelConfig, question: Question) -> tuple[ModelMessage, ...]:
        said = self._said if question.history else ()
        most = config.truncated_max_recent_messages
        kept = said[-most:] if most is not None else said
        history = [ModelMessage(role=each.role, content=each.content) for each in kept]
        system = [ModelMessage(role="system", content=question.system)] if question.system else []
        return (*system, *history, *question.more)


def transcript(turn: Turn) -> str:
    """Return what was said so far, as material for a model."""
    return "\n".join(f"{each.role}: {each.content}" for each in turn.thread.messages)


def _call(call: FunctionCall) -> JsonObject:
    return {"name": call.name, "args": call.arguments, "id": call.id, "type": "tool_call"}


def _invalid(call: FunctionCall) -> JsonObject:
    return {
        "name": call.name,
        "args": call.written,
        "id": call.id,
        "error": call.fault,
        "type": "invalid_tool_call",
    }


def _tokens(usage: LlmUsageInfo) -> JsonObject | None:
    if usage.total_tokens is None:
        return None
    return {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
