"""Where something stands in a text: offsets of releases are not always right."""

from __future__ import annotations


def stands(text: str, part: str, start: int) -> bool:
    """Whether ``part``, which is not empty, begins there; a negative start is no place."""
    return bool(part) and start >= 0 and text.startswith(part, start)


def nearest(text: str, part: str, start: int) -> int:
    """Where ``part`` begins; of several places the one nearest to ``start``, of equally near ones the first.

    -1 where it stands nowhere.
    """
    if not part:
        return -1
    before = text.rfind(part, 0, max(0, start) + len(part))
    after = text.find(part, max(0, start))
    places = [place for place in (before, after) if place >= 0]
    return min(places, key=lambda place: abs(place - start), default=-1)
