"""Parameters that a caller put where nobody reads them."""

import json

from fastapi import Request
from fastapi.exceptions import RequestValidationError


async def only_stale_in_query(request: Request) -> None:
    """Refuse a body that says ``only_stale``: ignored, it would discard what the caller keeps.

    Any other body is ignored, as clients may send an empty object.

    Raises:
        RequestValidationError: The body is an object with that key.
    """
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        return
    if isinstance(body, dict) and "only_stale" in body:
        raise RequestValidationError(
            [
                {
                    "type": "misplaced",
                    "loc": ("body", "only_stale"),
                    "msg": "only_stale is a query parameter",
                }
            ]
        )
