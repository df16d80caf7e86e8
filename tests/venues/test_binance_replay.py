"""What waits for a Binance snapshot: bounded, replayed step by step, and the same book as if it had come after it."""

from __future__ import annotations

import json
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from market import dialect
from market.bounded_book import FEWEST_LEVELS, KEPT_LEVELS, MOST_LEVELS
from market.dialect import STEP_BYTES, STEP_WITH_SNAPSHOT_BYTES, Decoder
from market.messages import FRAME_STREAM
from tests.seeds import examples
from venues.binance import BinanceSpot

SPOT = BinanceSpot()
ENCODER = SPOT.encoder("BTCUSDT", 2, 8)
Levels = list[tuple[int, int]]


def fresh() -> Decoder:
    """A decoder without a book."""
    return SPOT.decoder("BTCUSDT", 2, 8)


def event(first: int, last: int, levels: int, start: int = 1_000_000) -> bytes:
    """A change with so many bids, of which every third is a delete."""
    return ENCODER.depth(
        last * 1_000_000, first, last, [(start - 3 * place, (last + place) % 3) for place in range(levels)], []
    )


def snapshot(update_id: int, bids: Levels | None = None) -> bytes:
    """A snapshot with this id."""
    return ENCODER.snapshot(update_id, bids or [(999_999, 7)], [(1_000_001, 7)])


def give(decoder: Decoder, frame: bytes, most_bytes: int) -> int:
    """Give a frame of the stream, in pieces when it is larger than that; the outcome of it all."""
    pieces = SPOT.cut(frame, FRAME_STREAM, most_bytes) if len(frame) > most_bytes else []
    if len(pieces) < 2:
        return decoder.apply(frame)
    checksum = zlib.crc32(frame)
    return [decoder.apply_piece(piece, part, len(pieces), checksum) for part, piece in enumerate(pieces, 1)][-1]


def comparable(decoder: Decoder) -> dict[str, object]:
    """What a decoder would go on with; of what it keeps, whole frames."""
    saved = decoder.save()
    buffer = saved["buffer"]
    held = saved["held"]
    assert isinstance(buffer, list)
    assert isinstance(held, list)
    return {
        **saved,
        "buffer": ["".join(pieces) for pieces in buffer],
        "held": ["".join(pieces) for pieces in held],
    }


def finished(decoder: Decoder, outcome: int) -> int:
    """The outcome once nothing is left to replay; until then no level is shown."""
    while outcome == dialect.REPLAYING:
        assert (decoder.live, decoder.replaying, decoder.book.save()) == (False, True, [[], [], [], []])
        outcome = decoder.go_on()
    return outcome


@given(data=st.data())
@settings(max_examples=examples(60, 1_500), deadline=None)
def test_replayed_in_steps_is_applied_after_the_snapshot(data: st.DataObject) -> None:
    """Events that waited, whole or in pieces, and those that come in between: as if the snapshot had come before all.

    Also with old events, with a gap among them, and when the decoder is saved and loaded between two steps.
    """
    reached, frames = 10, []
    for _ in range(data.draw(st.integers(1, 14))):
        first = reached + 1 + (reached > 10 and data.draw(st.integers(0, 19)) == 0)
        reached = first + data.draw(st.integers(0, 2))
        frames.append(event(first, reached, data.draw(st.sampled_from([0, 1, 40, 200, 600]))))
    at = snapshot(data.draw(st.integers(10, 14)))
    before = data.draw(st.integers(1, len(frames)))
    most_bytes = data.draw(st.sampled_from([900, STEP_BYTES, 10**6]))
    stepwise, whole = fresh(), fresh()
    whole.apply_snapshot(at)
    for frame in frames:
        whole.apply(frame)
    for frame in frames[:before]:
        give(stepwise, frame, most_bytes)
    outcome = stepwise.apply_snapshot(at)
    for frame in frames[before:]:
        if data.draw(st.booleans()) and outcome == dialect.REPLAYING:
            outcome = stepwise.go_on()
        if data.draw(st.booleans()):
            loaded = fresh()
            loaded.load(json.loads(json.dumps(stepwise.save())))
            assert loaded.save() == stepwise.save()
            stepwise = loaded
        given_outcome = give(stepwise, frame, most_bytes)
        assert not stepwise.replaying or given_outcome == dialect.BUFFERED
    finished(stepwise, outcome)
    if whole.holding:
        whole.give_up()
        finished(stepwise, stepwise.give_up())
    assert comparable(stepwise) == comparable(whole)


def test_few_bytes_are_replayed_with_the_snapshot_and_more_in_steps_of_a_bounded_size() -> None:
    """Each step applies at most so many bytes, and the book is live with the last."""
    decoder, frames = fresh(), [event(number, number, 100) for number in range(11, 61)]
    decoder.apply(frames[0])
    assert len(frames[0]) <= STEP_WITH_SNAPSHOT_BYTES
    assert decoder.apply_snapshot(snapshot(10)) == dialect.BOOK_CHANGED
    decoder.reset()
    for frame in frames:
        decoder.apply(frame)
    assert decoder.apply_snapshot(snapshot(10)) == dialect.REPLAYING
    assert decoder.update_id == 10
    steps = 0
    while not decoder.live:
        before = decoder.update_id
        decoder.go_on()
        steps += 1
        assert sum(len(frame) for frame in frames[before - 10 : decoder.update_id - 10]) <= STEP_BYTES
    assert steps >= sum(map(len, frames)) // STEP_BYTES
    assert decoder.go_on() == dialect.IGNORED


def test_a_replay_ends_with_a_reset_and_begins_anew_with_a_newer_snapshot() -> None:
    """Nothing of it is left after a reset; a snapshot older than what was reached is told, a newer one is taken."""
    decoder = fresh()
    for number in range(11, 61):
        give(decoder, event(number, number, 400), 5_000)
    assert decoder.apply_snapshot(snapshot(10)) == dialect.REPLAYING
    for _ in range(8):
        decoder.go_on()
    assert decoder.update_id > 11
    assert decoder.apply_snapshot(snapshot(11)) == dialect.IGNORED
    assert "older" in decoder.cause
    assert decoder.apply_snapshot(snapshot(50)) == dialect.REPLAYING
    assert finished(decoder, decoder.go_on()) == dialect.BOOK_CHANGED
    assert decoder.update_id == 60
    decoder.reset()
    for number in range(71, 99):
        decoder.apply(event(number, number, 400))
    assert decoder.apply_snapshot(snapshot(70)) == dialect.REPLAYING
    decoder.go_on()
    decoder.reset()
    assert (decoder.replaying, decoder.go_on()) == (False, dialect.IGNORED)
    assert decoder.apply_snapshot(snapshot(5)) == dialect.BOOK_CHANGED


def test_what_waits_is_bounded_in_bytes() -> None:
    """The oldest go, and the newest stays whatever its size; the loss is told, and found as a gap if it mattered."""
    decoder = SPOT.decoder("BTCUSDT", 2, 8, most_kept_bytes=20_000)
    outcomes = [decoder.apply(event(number, number, 100)) for number in range(11, 31)]
    assert set(outcomes[1:]) == {dialect.BUFFERED}
    assert "or 20000 bytes wait for a snapshot; the oldest was dropped" in decoder.cause
    assert decoder.apply_snapshot(snapshot(12)) == dialect.SNAPSHOT_WANTED
    decoder.apply(event(31, 31, 900))
    assert decoder.apply_snapshot(snapshot(29)) == dialect.SNAPSHOT_WANTED
    assert finished(decoder, decoder.apply_snapshot(snapshot(30))) == dialect.BOOK_CHANGED
    assert decoder.update_id == 31


def test_dropping_what_is_being_replayed_is_a_gap() -> None:
    """When events that come during a replay leave no room for what it has yet to apply, the book begins anew."""
    decoder = SPOT.decoder("BTCUSDT", 2, 8, most_kept_bytes=60_000)
    for number in range(11, 14):
        give(decoder, event(number, number, 500), 5_000)
    assert decoder.apply_snapshot(snapshot(10)) == dialect.REPLAYING
    assert decoder.go_on() == dialect.REPLAYING
    for number in range(14, 17):
        decoder.apply(event(number, number, 500))
    assert finished(decoder, decoder.go_on()) == dialect.GAP
    assert "are missing" in decoder.cause


def test_a_book_is_cut_for_its_depth_and_dropped_when_too_little_is_left() -> None:
    """A side never holds more levels than stated; after a cut with hardly anything left, it is as with a gap."""
    decoder = fresh()
    decoder.apply_snapshot(snapshot(10))
    price, number = 1_000_002, 10
    while decoder.book.asks.count <= MOST_LEVELS - 2_000:
        number += 1
        decoder.apply(ENCODER.depth(0, number, number, [], [(price + place, 1) for place in range(2_000)]))
        price += 2_000
    number += 1
    decoder.apply(ENCODER.depth(0, number, number, [], [(price + place, 1) for place in range(2_000)]))
    assert decoder.book.asks.count == KEPT_LEVELS
    deletes = [(asked, 0) for asked in decoder.book.asks.prices(KEPT_LEVELS - FEWEST_LEVELS)]
    assert decoder.apply(ENCODER.depth(0, number + 1, number + 1, [], deletes)) == dialect.BOOK_CHANGED
    last = [(decoder.book.best_ask_price, 0), (5_000_000, 1)]
    assert decoder.apply(ENCODER.depth(0, number + 2, number + 2, [], last)) == dialect.GAP
    assert "cut for its depth" in decoder.cause
    assert (decoder.live, decoder.book.asks.count) == (False, 0)
    assert decoder.apply_snapshot(snapshot(number + 2)) == dialect.BOOK_CHANGED
