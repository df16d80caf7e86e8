"""Cuts a large Binance frame between two of its levels, by a glance at its bytes; the pieces together are the frame.

What it cuts is a depth event or a snapshot in the venue's own spelling. It parses no number and checks no level: that
is the decoder's part, piece by piece. Of any other frame it says that it cannot cut it, and it raises nothing.
"""

from __future__ import annotations

from typing import Final

from market.messages import FRAME_SNAPSHOT

COMBINED: Final = b'{"stream":"'
_DEPTH_EVENT: Final = b'{"e":"depthUpdate",'
_SNAPSHOT_ID: Final = b'{"lastUpdateId":'
_FIELD: Final = b'":'
_BETWEEN: Final = b'"],["'
# The bids begin here at the latest: before them stand a stream's name, a symbol and three numbers.
_MOST_HEAD_BYTES: Final = 512


def list_keys(snapshot: bool) -> tuple[bytes, bytes]:
    """What stands before the bids and before the asks."""
    return (b',"bids":[', b',"asks":[') if snapshot else (b',"b":[', b',"a":[')


def cut_frame(frame: bytes, kind: int, most_bytes: int) -> list[bytes]:
    """The pieces, of at most so many bytes each; none when it is not such a frame, or a level is larger than that."""
    if not _can_be_cut(frame, kind == FRAME_SNAPSHOT):
        return []
    pieces: list[bytes] = []
    start = 0
    while len(frame) - start > most_bytes:
        # A piece ends behind a level's bracket, so that the comma begins the next one.
        place = frame.rfind(_BETWEEN, start, start + most_bytes + len(_BETWEEN) - 2)
        if place < start:
            return []
        pieces.append(frame[start : place + 2])
        start = place + 2
    pieces.append(frame[start:])
    return pieces


def _can_be_cut(frame: bytes, snapshot: bool) -> bool:
    """Whether it has a head, bids, asks and nothing behind them, each where the venue puts it."""
    combined = not snapshot and frame.startswith(COMBINED)
    bids_key, asks_key = list_keys(snapshot)
    bids_place = frame.find(bids_key, 0, _MOST_HEAD_BYTES)
    if bids_place < 0 or not frame.endswith(b"]}}" if combined else b"]}"):
        return False
    head = frame[:bids_place]
    if not (_DEPTH_EVENT in head if combined else head.startswith(_SNAPSHOT_ID if snapshot else _DEPTH_EVENT)):
        return False
    # Behind the head two fields, the two lists: were there a third, only the frame as a whole could be read.
    return frame.find(b"]" + asks_key, bids_place) > 0 and frame.count(_FIELD, bids_place) == 2
