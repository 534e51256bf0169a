"""Short texts that Temporal's Web UI shows beside activities, timers and child workflows."""

MAX_SUMMARY_BYTES = 200


def summary(title: str, suffix: str = "") -> str:
    """Return a title and a short suffix, cut to what the server accepts (400 bytes)."""
    room = MAX_SUMMARY_BYTES - len(suffix)
    encoded = title.encode("utf-8", "replace")
    if len(encoded) <= room:
        return title + suffix
    return encoded[: room - 3].decode("utf-8", "ignore") + "…" + suffix
