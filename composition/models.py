"""Where the platform's own language models answer."""

from activities.model_endpoint import ModelEndpoint
from runtime.settings import Settings


def model_endpoint(settings: Settings) -> ModelEndpoint | None:
    """Return where language models answer, if there are any."""
    if settings.llm_base_url is None:
        return None
    key = settings.llm_api_key
    return ModelEndpoint(
        base_url=settings.llm_base_url,
        models=settings.llm_models,
        api_key=None if key is None else key.get_secret_value(),
        headers=settings.headers_of_models(),
    )
