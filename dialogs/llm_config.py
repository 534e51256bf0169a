"""Which model answers for a node, and how it is asked.

Source: docs/workflow-language.md, "Models".
"""

from collections.abc import Sequence

from pydantic import JsonValue, ValidationError

from dialogs.events import JsonObject
from dialogs.failures import RunFailedError
from dialogs.model import LlmConfig, LlmNode
from dialogs.model_config import INHERITED, ModelConfig
from dialogs.templates import render_value
from dialogs.turn import Turn

NO_LLM = "no_llm"
GROUPS = frozenset({"llm_group", "llm_group_with_backchannel"})
CALLABLE = frozenset({"custom_llm", "openai_llm", INHERITED})

MAX_GROUP = 10


def models_of_node(
    turn: Turn, node: LlmNode | None, marks: dict[str, str]
) -> Sequence[ModelConfig]:
    """Return the models that answer for a node, in the order in which they are asked.

    That is its own, or else the workflow's, or else the operator's; none for ``no_llm``.

    Args:
        node: None for what is asked on behalf of the workflow itself.
        marks: Told which secrets stand in the configuration.

    Raises:
        RunFailedError: It is none that could be asked.
    """
    if node is None:
        return models_named(turn, LlmConfig(type=INHERITED), None, marks)
    return models_named(turn, node.llms_config, node.attachable_llm_config_id, marks)


def models_named(
    turn: Turn, config: LlmConfig, saved: str | None, marks: dict[str, str]
) -> Sequence[ModelConfig]:
    """Return the models of a configuration, or of the workflow's where it says so.

    Raises:
        RunFailedError: It is none that could be asked.
    """
    if not saved and config.type == INHERITED:
        workflow = turn.graph.workflow_config
        saved, config = workflow.attachable_llm_config_id, workflow.llms_config
    if saved:
        raise RunFailedError(f"there is no saved configuration '{saved}' of a model")
    if config.type == NO_LLM or (config.type == INHERITED and not turn.fixed.has_default_model):
        return ()
    lookup = turn.with_secrets(marks)
    written = render_value(config.model_dump(mode="json"), lookup)
    return [read_config(each) for each in _members(written)]


def read_config(written: JsonObject) -> ModelConfig:
    """Return a configuration of one model.

    Raises:
        RunFailedError: It is malformed, or wants what is not offered here.
    """
    kind = str(written.get("type"))
    if kind not in CALLABLE:
        raise RunFailedError(f"models of type '{kind}' cannot be called")
    wanted = next((name for name, is_wanted in _not_offered(written) if is_wanted), None)
    if wanted is not None:
        raise RunFailedError(f"a model's configuration asks for {wanted}, which is not offered")
    try:
        return ModelConfig.model_validate(
            {name: value for name, value in written.items() if value is not None}
        )
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in problem["loc"])
        raise RunFailedError(
            f"a model's configuration is invalid: {place}: {problem['msg']}"
        ) from None


def _not_offered(written: JsonObject) -> list[tuple[str, bool]]:
    return [
        ("use_responses_api", bool(written.get("use_responses_api"))),
        ("rewrite_base_url", bool(written.get("rewrite_base_url"))),
        ("integration_auth", bool(written.get("integration_auth") or written.get("okta_auth"))),
        ("verify_ssl: false", written.get("verify_ssl") is False),
    ]


def _members(written: JsonValue) -> list[JsonObject]:
    """Return the models of a group, or the one that stands alone."""
    if not isinstance(written, dict):
        raise RunFailedError("a model's configuration is a JSON object")
    if written.get("type") not in GROUPS:
        return [written]
    listed = written.get("llms")
    members = (
        [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    )
    if not members:
        raise RunFailedError("a group of models names none")
    return members[:MAX_GROUP]
