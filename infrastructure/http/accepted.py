"""Content negotiation: which of the offered media types `Accept` prefers."""

from collections.abc import Sequence

from infrastructure.http.errors import RequestNotAcceptable


def preferred(accept: str | None, offered: Sequence[str]) -> str:
    """The offered type that the client likes best; the first one where it does not care.

    Raises RequestNotAcceptable.
    """
    if not accept or not accept.strip():
        return offered[0]
    ranges = [_range(part) for part in accept.split(",")]
    best = max(offered, key=lambda kind: (_quality(kind, ranges), -offered.index(kind)))
    if _quality(best, ranges) <= 0:
        raise RequestNotAcceptable(f"Accept is {accept!r}; offered are {', '.join(offered)}")
    return best


def _range(part: str) -> tuple[str, float]:
    kind, *parameters = (piece.strip() for piece in part.split(";"))
    quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    try:
        return kind.lower(), float(quality)
    except ValueError:
        return kind.lower(), 0.0


def _quality(kind: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The quality of the most specific range that covers the type."""
    family = kind.partition("/")[0] + "/*"
    for name in (kind, family, "*/*"):
        for wanted, quality in ranges:
            if wanted == name:
                return quality
    return 0.0
