"""The loops of the figures that give frames to a decoder as a lane does: compiled, without Python in between."""

from __future__ import annotations

from mypy_extensions import i64

from market.dialect import BOOK_CHANGED, FOR_ONE, Decoder, Router


def apply_all(decoder: Decoder, frames: list[bytes]) -> int:
    """Apply each frame; how many changed the book."""
    changed: i64 = 0
    for frame in frames:
        if decoder.apply(frame) == BOOK_CHANGED:
            changed += 1
    return changed


def apply_routed(router: Router, decoder: Decoder, frames: list[bytes]) -> int:
    """Route each frame and apply it; how many changed the book."""
    changed: i64 = 0
    for frame in frames:
        if router.route(frame) == FOR_ONE and decoder.apply(frame) == BOOK_CHANGED:
            changed += 1
    return changed
