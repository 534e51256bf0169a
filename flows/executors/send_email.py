"""``send_email``: one message to one recipient."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, JsonValue, model_validator
from pydantic import Field as Describe
from pydantic_core import PydanticCustomError

from flows.executors.mail_addresses import checked_address
from flows.executors.spec import (
    MISSING_PARAMETER,
    JsonSchema,
    Kind,
    Parameters,
    SecretText,
    TaskExecutor,
)

MAX_SUBJECT_CHARS = 200
MAX_BODY_CHARS = 1024 * 1024

Security = Literal["starttls", "tls", "none"]
MailAddress = Annotated[str, AfterValidator(checked_address)]


class SendEmailParameters(Parameters):
    """What to send, and by which server."""

    recipient: MailAddress = Describe(max_length=254, description="E-mail address.")
    subject: str = Describe(
        min_length=1, max_length=MAX_SUBJECT_CHARS, description="Line breaks become spaces."
    )
    body: str = Describe(default="", max_length=MAX_BODY_CHARS, description="Text of the message.")
    is_html: bool = Describe(default=False, description="Whether the body is HTML.")
    reply_to: MailAddress | None = Describe(
        default=None, max_length=254, description="Address that answers go to."
    )
    sender: MailAddress | None = Describe(
        default=None, max_length=254, description="Address of the sender; needs `smtp_host`."
    )
    smtp_host: str | None = Describe(
        default=None,
        min_length=1,
        max_length=253,
        description="A server of your own; left out, the platform's is used.",
    )
    smtp_port: int | None = Describe(
        default=None, ge=1, le=65_535, description="Left out, it follows from `smtp_security`."
    )
    smtp_security: Security = Describe(
        default="starttls", description="How the connection is encrypted."
    )
    smtp_username: str | None = Describe(default=None, min_length=1, description="Account there.")
    smtp_password: SecretText | None = Describe(default=None, description="Its password.")

    @model_validator(mode="after")
    def _one_server(self) -> Self:
        """Refuse half a description of a server, and a password that anybody could read."""
        described = {"sender", "smtp_port", "smtp_security", "smtp_username", "smtp_password"}
        if self.smtp_host is None and (given := sorted(described & self.model_fields_set)):
            raise PydanticCustomError(
                MISSING_PARAMETER, "'{given}' needs 'smtp_host'", {"given": given[0]}
            )
        if self.smtp_host is not None and self.sender is None:
            raise PydanticCustomError(MISSING_PARAMETER, "'smtp_host' needs a 'sender'")
        if (self.smtp_username is None) != (self.smtp_password is None):
            raise PydanticCustomError(
                MISSING_PARAMETER, "'smtp_username' and 'smtp_password' need each other"
            )
        if self.smtp_security == "none" and self.smtp_username is not None:
            raise ValueError("a password needs 'smtp_security' to be 'starttls' or 'tls'")
        return self


def _output(parameters: Mapping[str, JsonValue]) -> JsonSchema:
    """Return the schema of what is known of a message that a server has accepted."""
    return {
        "type": "object",
        "properties": {
            "email_id": {"type": "string", "description": "Its Message-ID."},
            "sent_at": {"type": "string", "format": "date-time"},
        },
        "required": ["email_id", "sent_at"],
        "additionalProperties": False,
    }


SEND_EMAIL = TaskExecutor(
    name="send_email",
    description="Sends an e-mail to one recipient over SMTP.",
    agent_prompt=(
        "Use to write to a person. Give `recipient`, `subject` and `body`; a list of recipients "
        "makes one message each. Addresses that the server refuses fail the task for good; what "
        "it puts off is tried again under the same Message-ID."
    ),
    kind=Kind.EFFECT,
    parameters=SendEmailParameters,
    output_schema=_output,
    default_timeout=timedelta(minutes=2),
    is_schedulable=True,
)
