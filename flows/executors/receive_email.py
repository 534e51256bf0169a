"""``receive_email``: a flow that starts when a message comes to its address."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, JsonValue, ValidationError
from pydantic import Field as Describe

from flows.executors.mail_addresses import checked_address
from flows.executors.spec import JsonSchema, Kind, Parameters, TaskExecutor

MAX_SENDERS = 100


def _checked_sender(text: str) -> str:
    """Let through an address, or ``@`` and a domain; in small letters."""
    address = checked_address(f"anybody{text}" if text.startswith("@") else text)
    return address.removeprefix("anybody").lower() if text.startswith("@") else address.lower()


class MailFilters(Parameters):
    """Which messages start the flow; what is left out lets all of them."""

    senders: list[Annotated[str, AfterValidator(_checked_sender)]] | None = Describe(
        default=None,
        min_length=1,
        max_length=MAX_SENDERS,
        description="Addresses, or @ and a domain, one of which `From` must be.",
    )
    subject_contains: str | None = Describe(
        default=None, min_length=1, max_length=200, description="Whatever its case."
    )


class ReceiveEmailParameters(Parameters):
    """Where messages go, and which of them count."""

    email_address: Annotated[str, AfterValidator(checked_address)] = Describe(
        max_length=254, description="Address of the flow; no other flow can have it."
    )
    filters: MailFilters | None = Describe(
        default=None, description="Without them every message starts the flow."
    )

    def lets_in(self, sender: str, subject: str) -> bool:
        """Return whether a message from this bare address counts."""
        filters = self.filters or MailFilters()
        from_whom = sender.lower()
        if filters.senders is not None and not any(
            from_whom.endswith(each) if each.startswith("@") else from_whom == each
            for each in filters.senders
        ):
            return False
        wanted = filters.subject_contains
        return wanted is None or wanted.casefold() in subject.casefold()


def mail_parameters(parameters: Mapping[str, JsonValue]) -> ReceiveEmailParameters | None:
    """Return a task's parameters; None for a draft whose parameters are not valid."""
    try:
        return ReceiveEmailParameters.model_validate(dict(parameters))
    except ValidationError:
        return None


def canonical_address(address: str) -> str:
    """Return an address as addresses are compared: whatever its case."""
    return address.lower()


def _flow_input(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return what a message becomes, and whoever starts the flow by hand hands in."""
    text: JsonSchema = {"type": "string"}
    attachment: JsonSchema = {
        "type": "object",
        "properties": {
            "filename": text,
            "mime_type": text,
            "document_url": {
                "type": "string",
                "minLength": 1,
                "description": "file: and a file key, or any document_url of receive_file.",
            },
            "size": {"type": "integer", "minimum": 0, "description": "In bytes."},
        },
        "required": ["filename", "mime_type", "document_url"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "from": {"type": "string", "description": "Bare address of the sender."},
            "to": {"type": "string", "description": "The task's own address."},
            "subject": text,
            "body": {"type": "string", "description": "Plain text, or HTML where only HTML came."},
            "attachments": {"type": "array", "items": attachment},
            "message_id": {"type": "string", "description": "Empty where the sender gave none."},
        },
        "required": ["from", "subject", "body", "attachments"],
        "additionalProperties": False,
    }


RECEIVE_EMAIL = TaskExecutor(
    name="receive_email",
    description="Starts a flow with each e-mail that comes to its address.",
    agent_prompt=(
        "Use as the first task of a flow that people or systems write to. Give the "
        "`email_address`, and `filters` on who may write or on the subject; attachments are "
        "documents that later tasks read by their document_url."
    ),
    kind=Kind.INPUT,
    parameters=ReceiveEmailParameters,
    output_schema=_flow_input,
    flow_input_schema=_flow_input,
    is_pure=True,
    is_external=True,
)
