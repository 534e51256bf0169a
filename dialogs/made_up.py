"""Texts that a model makes up for the moment: along an edge, and at the end of a conversation.

Source: docs/workflow-language.md, "Models".
"""

from dialogs.effects import ModelMessage
from dialogs.events import LlmSpoke
from dialogs.llm_config import models_named, models_of_node
from dialogs.model import EndConversationNode, LlmNode, Node
from dialogs.questions import Question, Questions, transcript
from dialogs.templates import render
from dialogs.turn import Turn, origin


async def speak_made_up(turn: Turn, node: Node, visit: int, prompt: str) -> None:
    """Speak what the model of the node that is left makes of a prompt; nothing if it fails."""
    if not turn.fixed.makes_up_texts:
        return
    marks: dict[str, str] = {}
    models = models_of_node(turn, node if isinstance(node, LlmNode) else None, marks)
    if not models:
        return
    system = render(prompt, turn.with_secrets(marks))
    questions = Questions(turn, node, visit, models, marks, part="message")
    answer = await questions.ask(Question(system=system, is_spoken=True))
    told = {"message": answer.message(), "llm_usage_info": answer.reply.usage}
    turn.tell(LlmSpoke, origin(node, visit), {"type": "say_llm", **told})
    if answer.reply.content:
        turn.speak(node, visit, answer.message(), {}, answer.reply.usage)


async def processed_transcript(turn: Turn, node: EndConversationNode, visit: int) -> str | None:
    """Return what a model makes of the whole conversation; None without one that answers."""
    if not node.process_transcript_prompt or not turn.fixed.makes_up_texts:
        return None
    marks: dict[str, str] = {}
    models = models_named(turn, node.process_transcript_llms_config, None, marks)
    if not models:
        return None
    system = render(node.process_transcript_prompt, turn.with_secrets(marks))
    said = (ModelMessage(role="user", content=transcript(turn)),)
    questions = Questions(turn, node, visit, models, marks)
    answer = await questions.ask(Question(system=system, history=False, more=said))
    return answer.reply.content if answer.reply.error is None else None
