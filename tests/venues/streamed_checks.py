"""What the dialects of streamed books have in common to be tested: both readers, recordings, damage, save and load."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from zlib import crc32

from market.dialect import BadFrame, Decoder
from tests.venues.recorded import recorded
from venues.facts import Venue
from venues.recordings import FRAME
from venues.scanning import QUOTE, TRADES, UNKNOWN, Scan

Scales = tuple[int, int]
Careful = Callable[[Scan, bytes], int]


def said(scan: Scan, kind: int) -> tuple[object, ...]:
    """What a scan says after reading a frame of this kind."""
    owner = scan.trades_to
    if kind == TRADES:
        count = owner.trade_count
        return (
            scan.event_ns, list(owner.trade_ids[:count]), list(owner.trade_prices[:count]),
            list(owner.trade_sizes[:count]), list(owner.trade_sides[:count]), list(owner.trade_times_ns[:count]),
        )  # fmt: skip
    if kind == QUOTE:
        return (
            owner.quoted_update_id, owner.quoted_bid_price, owner.quoted_bid_size, owner.quoted_ask_price,
            owner.quoted_ask_size,
        )  # fmt: skip
    return (
        scan.event_ns, scan.first_update_id, scan.last_update_id, scan.previous_update_id, scan.checksum,
        scan.bid_count, list(scan.level_prices[: scan.level_count]), list(scan.level_sizes[: scan.level_count]),
    )  # fmt: skip


def check_readers_agree(one: Scan, other: Scan, careful: Careful, frame: bytes) -> int:
    """What the quick reader recognises the careful one reads alike; the kind that the quick one told."""
    kind = one.scan(frame)
    if kind == UNKNOWN:
        with suppress(BadFrame):
            careful(other, frame)
        return UNKNOWN
    assert careful(other, frame) == kind
    assert said(one, kind) == said(other, kind)
    return int(kind)


def frames_for(name: str, venue: Venue, symbol: str, connection: str = "") -> Iterator[bytes]:
    """The recorded frames that are about one instrument."""
    for record in recorded(name):
        if (
            record.kind == FRAME
            and record.connection.endswith(connection)
            and venue.venue_symbol(record.data) == symbol
        ):
            yield record.data


def outcome_of(decoder: Decoder, frame: bytes) -> int:
    """The outcome of a frame, -1 of a bad one, which must not have changed the book."""
    before = decoder.book.save()
    try:
        return int(decoder.apply(frame))
    except BadFrame:
        assert decoder.book.save() == before
        return -1


def reloaded(venue: Venue, symbol: str, scales: Scales, decoder: Decoder) -> Decoder:
    """Another decoder that goes on from what this one saved."""
    other = venue.decoder(symbol, *scales)
    other.load(json.loads(json.dumps(decoder.save())))
    assert other.save() == decoder.save()
    return other


def check_trickle(venue: Venue, symbol: str, scales: Scales, frame: bytes) -> None:
    """Cut off at any byte a frame is bad, and in pieces of any size it is what it is as a whole."""
    for end in range(len(frame)):
        try:
            venue.decoder(symbol, *scales).apply(frame[:end])
        except BadFrame:
            continue
        raise AssertionError(f"{frame[:end]!r} was taken")
    whole = venue.decoder(symbol, *scales)
    outcome = whole.apply(frame)
    for size in (1, 7, len(frame) // 2, len(frame) - 1):
        decoder = venue.decoder(symbol, *scales)
        pieces = venue.cut(frame, 0, size)
        outcomes = [decoder.apply_piece(piece, part, len(pieces), crc32(frame)) for part, piece in enumerate(pieces, 1)]
        assert outcomes[-1] == outcome
        assert decoder.save() == whole.save()
