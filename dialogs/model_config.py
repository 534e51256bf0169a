"""One language model and how it is asked, as effects carry it."""

from pydantic import BaseModel, ConfigDict, Field

from dialogs.events import JsonObject

INHERITED = "global_default_llm"
MAX_RETRIES = 10


class ModelConfig(BaseModel):
    """One model, read from what an author wrote; what is unknown here is left out.

    Attributes:
        type: ``global_default_llm`` stands for the model that the operator offers.
        api_key: A reference to what is sealed, a mark that stands for a secret, or empty.
        sealed_for: The workflow that the key was sealed for; empty for the run's own.
        truncated_max_recent_messages: How many of the latest messages it is told; None for all.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    type: str
    provider: str = ""
    model: str = ""
    base_url: str = ""
    api_key: str = Field(default="", repr=False)
    sealed_for: str = ""
    organization: str = ""
    default_headers: dict[str, str] = Field(default_factory=dict)
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = None
    reasoning_effort: str | None = None
    model_kwargs: JsonObject = Field(default_factory=dict)
    streaming: bool = False
    max_retries: int = Field(default=3, ge=0, le=MAX_RETRIES)
    max_parse_retries: int = Field(default=3, ge=0, le=MAX_RETRIES)
    request_timeout_ms: int = Field(default=60_000, ge=100, le=300_000)
    response_unwrap_key: str = ""
    truncated_max_recent_messages: int | None = Field(default=None, ge=1)

    @property
    def is_authors(self) -> bool:
        """Return whether it is reached as its author says, and not at the operator's endpoint."""
        return self.type != INHERITED and bool(self.base_url or self.api_key)

    @property
    def seconds(self) -> float:
        """Return how long one request may take."""
        return self.request_timeout_ms / 1000
