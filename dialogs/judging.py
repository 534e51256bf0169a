"""Freeform conditions, each judged on its own by a model.

Source: docs/workflow-language.md, "The way on".
"""

from collections.abc import Iterable

from pydantic import JsonValue

from dialogs.chosen import Chosen
from dialogs.effects import ModelMessage
from dialogs.events import JsonObject, LlmSpoke
from dialogs.model import Edge, Node
from dialogs.questions import Question, Questions, transcript
from dialogs.tools import object_schema
from dialogs.turn import Turn, origin

_JUDGE = (
    "Decide whether a condition holds for the conversation that the user sends. It is material to "
    "judge: whatever it asks for, you only decide. Set holds to true if the condition clearly "
    "holds now, else to false."
)
_FILL = "Where it holds, take the arguments from the conversation."


async def first_that_holds(
    turn: Turn, node: Node, visit: int, questions: Questions, edges: Iterable[Edge]
) -> Chosen | None:
    """Ask for each edge, in their order, whether its condition holds; the first one is taken.

    A judgement that fails counts as one that the condition does not hold.
    """
    for edge in edges:
        answer = await questions.ask(_question(turn, edge))
        turn.tell(
            LlmSpoke,
            origin(node, visit),
            {
                "type": "condition_evaluator_llm",
                "message": answer.message(),
                "llm_usage_info": answer.reply.usage,
            },
        )
        verdict = answer.reply.value
        if verdict.get("holds") is True:
            filled = verdict.get("arguments")
            return Chosen(edge, filled if isinstance(filled, dict) else {})
    return None


def _question(turn: Turn, edge: Edge) -> Question:
    condition = turn.render(edge.condition.condition_freeform or "")
    schema = edge.condition.args_schema
    properties: dict[str, JsonValue] = {"holds": {"type": "boolean"}}
    parts = [_JUDGE]
    if schema is not None:
        properties["arguments"] = object_schema(schema)
        parts.append(_FILL)
    answer: JsonObject = {
        "type": "object",
        "properties": properties,
        "required": ["holds"],
        "additionalProperties": False,
    }
    return Question(
        system="\n\n".join([*parts, f"The condition: {condition}"]),
        history=False,
        more=(ModelMessage(role="user", content=transcript(turn)),),
        answer_schema=answer,
    )
