"""What a bearer token says about the person who holds it, besides who they are.

Source: docs/api.md, "Profiles".
"""

from collections.abc import Mapping

from pydantic import JsonValue

from operations.caller import Role
from store.people import Claimed

MAX_CHARS = 255


def claimed(claims: Mapping[str, JsonValue], role: Role) -> Claimed:
    """Return names and address, from the claims of OpenID Connect or from ours.

    A token with nothing but a full name gives its first word and the rest.
    """
    first, _, rest = _text(claims, "name").partition(" ")
    return Claimed(
        first_name=_text(claims, "given_name", "first_name") or first,
        last_name=_text(claims, "family_name", "last_name") or rest.strip(),
        email=_text(claims, "email"),
        role=role.value,
    )


def _text(claims: Mapping[str, JsonValue], *names: str) -> str:
    """Return the first of these claims that is a text, cut to what is kept; else nothing."""
    found = (claims.get(name) for name in names)
    return next((value.strip()[:MAX_CHARS] for value in found if isinstance(value, str)), "")
