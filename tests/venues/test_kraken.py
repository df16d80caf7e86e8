"""Kraken over WebSocket v2: both readers agree, books are cut and checked, and no damage in the depth goes unseen."""

from __future__ import annotations

import json
import zlib
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.kraken_frames import PRICE_PLACES, SIZE_PLACES, SYMBOL, KrakenMarket
from market import dialect
from market.dialect import OUTCOME_NAMES, BadFrame
from market.ladder import MOST_PRICE
from market.messages.constants import BUY, SELL, STATUS_HALTED, STATUS_POST_ONLY, STATUS_TRADING
from market.numbers import NumberError, parse_decimal
from tests.generators import wire_decimals
from tests.seeds import examples, seeds
from tests.venues.kraken_spelling import respelled
from venues.facts import UnknownDepth
from venues.kraken import Kraken
from venues.kraken_book import KrakenDecoder
from venues.kraken_reading import read_carefully
from venues.kraken_scan import KrakenV2Scan
from venues.registry import venue_named
from venues.scanning import DELTA, SNAPSHOT, TRADES, UNKNOWN

FRAMES = Path(__file__).resolve().parent.parent / "frames" / "kraken.jsonl"


class Known(NamedTuple):
    """Frames with their source and what each means to a decoder that has seen those before it."""

    name: str
    source: str
    symbol: str
    price_scale: int
    size_scale: int
    depth: int
    outcomes: list[str]
    frames: list[str]

    def decoder(self) -> KrakenDecoder:
        """A decoder for this symbol."""
        return cast(KrakenDecoder, Kraken(self.depth).decoder(self.symbol, self.price_scale, self.size_scale))

    def scan(self) -> KrakenV2Scan:
        """A scan for this symbol."""
        return KrakenV2Scan(self.symbol, self.price_scale, self.size_scale, self.depth)


KNOWN = [Known(**json.loads(line)) for line in FRAMES.read_text(encoding="utf-8").splitlines()]
SINGLE = [(known, frame.encode()) for known in KNOWN for frame in known.frames]


def new_decoder(depth: int) -> KrakenDecoder:
    """A decoder for the seeded market."""
    return cast(KrakenDecoder, Kraken(depth).decoder(SYMBOL, PRICE_PLACES, SIZE_PLACES))


def fields(scan: KrakenV2Scan, kind: int) -> tuple[object, ...]:
    """What a scan says after reading a frame of this kind."""
    if kind in (DELTA, SNAPSHOT):
        levels = (list(scan.level_prices[: scan.level_count]), list(scan.level_sizes[: scan.level_count]))
        return kind, scan.event_ns, scan.bid_count, scan.has_checksum, scan.checksum, levels
    if kind == TRADES:
        owner = scan.trades_to
        columns = (owner.trade_ids, owner.trade_prices, owner.trade_sizes, owner.trade_sides, owner.trade_times_ns)
        return kind, scan.event_ns, [list(column[: owner.trade_count]) for column in columns]
    return (kind,)


def check_readers_agree(known: Known, frame: bytes) -> None:
    """What the quick reader recognises, the careful one reads to the same values; else both are free to differ."""
    quick, careful = known.scan(), known.scan()
    kind = quick.scan(frame)
    if kind != UNKNOWN:
        assert read_carefully(careful, frame) == kind
        assert fields(quick, kind) == fields(careful, kind)
        return
    with suppress(BadFrame):
        known.decoder().apply(frame)


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_known_frames_mean_what_they_should(known: Known) -> None:
    """Every frame has the stated outcome, and every checksum in it agrees."""
    decoder = known.decoder()
    assert [OUTCOME_NAMES[decoder.apply(frame.encode())] for frame in known.frames] == known.outcomes
    assert decoder.checksums_passed == sum('"checksum"' in frame for frame in known.frames)


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_another_spelling_means_the_same(known: Known) -> None:
    """Spaces, another order of keys, new fields and escapes go to the careful reader and give the same book."""
    random = Random(1)
    usual, other = known.decoder(), known.decoder()
    for frame in known.frames:
        assert usual.apply(frame.encode()) == other.apply(respelled(frame.encode(), random))
        assert (usual.cause, usual.venue_ns) == (other.cause, other.venue_ns)
        assert usual.book.save() == other.book.save()


@pytest.mark.parametrize(("known", "frame"), SINGLE, ids=lambda one: one.name if isinstance(one, Known) else "")
def test_trickle(known: Known, frame: bytes) -> None:
    """Cut off at every byte, or with bytes behind it, a frame is a bad frame or read alike by both readers."""
    for end in range(len(frame)):
        with pytest.raises(BadFrame):
            known.decoder().apply(frame[:end])
        assert known.scan().scan(frame[:end]) == UNKNOWN
    for trailing in (b" ", b"}", b"]", b"\x00", b"{}", frame):
        check_readers_agree(known, frame + trailing)


@given(
    single=st.sampled_from(SINGLE),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=3),
)
@settings(max_examples=examples(300, 4_000), deadline=None)
def test_damaged_bytes(single: tuple[Known, bytes], changes: list[tuple[int, bytes, int]]) -> None:
    """With bytes replaced, inserted or removed anywhere, the readers agree, and a bad frame changes no book."""
    known, frame = single
    for place, inserted, removed in changes:
        at = place % (len(frame) + 1)
        frame = frame[:at] + inserted + frame[at + removed :]
    check_readers_agree(known, frame)
    decoder = KNOWN[0].decoder()
    decoder.apply(KNOWN[0].frames[0].encode())
    before = decoder.book.save()
    try:
        decoder.apply(frame)
    except BadFrame:
        assert decoder.live
        assert decoder.book.save() == before


@given(
    price=wire_decimals(),
    size=st.one_of(wire_decimals(), st.builds("{}e-{:02d}".format, wire_decimals(), st.integers(0, 20))),
    price_scale=st.integers(0, 12),
    size_scale=st.integers(0, 12),
)
@settings(max_examples=examples(300, 3_000), deadline=None)
def test_numbers_are_exact(price: str, size: str, price_scale: int, size_scale: int) -> None:
    """A level's price and size are what `parse_decimal` makes of their text, or the frame is refused."""
    levels = f'[{{"price":{price},"qty":{size}}},{{"price":{price},"qty":{size}}}]'
    text = f'{{"channel":"book","type":"update","data":[{{"symbol":"A/B","bids":{levels},"asks":[],"checksum":1}}]}}'
    known = Known("", "", "A/B", price_scale, size_scale, 10, [], [text])
    check_readers_agree(known, text.encode())
    scan = known.scan()
    try:
        json.loads(text)
        # Spaces around a number belong to the frame.
        expected = [parse_decimal(price.strip(), price_scale, True, False)]
        expected.append(parse_decimal(size.strip(), size_scale, True, False))
        assert expected[0] <= MOST_PRICE
    except (NumberError, AssertionError, ValueError):
        assert scan.scan(text.encode()) == UNKNOWN
        with pytest.raises(BadFrame):
            read_carefully(scan, text.encode())
        return
    if scan.scan(text.encode()) == UNKNOWN:
        read_carefully(scan, text.encode())
    assert list(scan.level_prices[:2]) == [expected[0]] * 2
    assert list(scan.level_sizes[:2]) == [expected[1]] * 2


@pytest.mark.parametrize("depth", [10, 25, 100])
@pytest.mark.parametrize("seed", seeds(3, 20))
def test_a_book_follows_the_market(seed: int, depth: int) -> None:
    """Every change of a seeded market gives the levels within its depth and its checksum, whichever reader reads it."""
    market, random = KrakenMarket(seed, depth), Random(seed)
    decoder, other = new_decoder(depth), new_decoder(depth)
    frames = [market.snapshot()]
    for number in range(120):
        frame = frames[-1] if number == 0 else market.change(4)
        assert decoder.apply(frame) == other.apply(respelled(frame, random)) == dialect.BOOK_CHANGED
        assert decoder.book.bids.levels() == market.top(BUY) == other.book.bids.levels()
        assert decoder.book.asks.levels() == market.top(SELL) == other.book.asks.levels()
    assert decoder.checksums_passed == 120


@pytest.mark.parametrize("damage", ["drop", "double", "swap", "digit"])
@pytest.mark.parametrize("seed", seeds(4, 40))
def test_no_damage_goes_unseen_where_all_levels_are_checked(seed: int, damage: str) -> None:
    """At depth 10 no book is live and wrong: damaged traffic ends in a bad checksum, a bad frame, or the true book."""
    market, random = KrakenMarket(seed, 10), Random(seed)
    frames, tops = [market.snapshot()], [(market.top(BUY), market.top(SELL))]
    for _ in range(60):
        frames.append(market.change(2))
        tops.append((market.top(BUY), market.top(SELL)))
    for place in range(1, 60, 6):
        sent = list(zip(frames, tops, strict=True))
        if damage == "drop":
            del sent[place]
        elif damage == "double":
            sent.insert(place, sent[place])
        elif damage == "swap":
            sent[place], sent[place + 1] = sent[place + 1], sent[place]
        else:
            sent[place] = (with_another_digit(frames[place], random), tops[place])
        decoder = new_decoder(10)
        for frame, top in sent:
            outcome = dialect.IGNORED
            with suppress(BadFrame):
                outcome = decoder.apply(frame)
            # A frame that was sent later than another tells the state of its own moment, and says so by its checksum.
            if outcome == dialect.BOOK_CHANGED:
                assert (decoder.book.bids.levels(), decoder.book.asks.levels()) == top
            if not decoder.live:
                assert decoder.book.bids.count == decoder.book.asks.count == 0


def with_another_digit(frame: bytes, random: Random) -> bytes:
    """The frame with one digit of its levels or of its checksum changed."""
    end = frame.index(b',"timestamp"')
    places = [at for at in range(70, end) if frame[at : at + 1].isdigit()]
    at = random.choice(places)
    digit = (frame[at] - 48 + random.randrange(1, 10)) % 10
    return frame[:at] + bytes([48 + digit]) + frame[at + 1 :]


def test_small_sizes_may_have_an_exponent() -> None:
    """`5e-05` and `5.1e-05` are read without the careful reader, exactly; what the scale cannot hold is refused."""
    for text, size in (("5e-05", 5_000), ("5.1e-05", 5_100), ("1e-08", 1), ("0e-10", 0), ("10.5e-01", 105_000_000)):
        scan = KrakenV2Scan(SYMBOL, PRICE_PLACES, SIZE_PLACES, 10)
        frame = book_frame("update", bids=[("100", text)])
        assert (scan.scan(frame), scan.level_sizes[0]) == (DELTA, size)
        read_carefully(scan, frame)
        assert scan.level_sizes[0] == size
    for text in ("1e-09", "5e-5", "5e-19", "5e-"):
        assert KrakenV2Scan(SYMBOL, PRICE_PLACES, SIZE_PLACES, 10).scan(book_frame("update", [("1", text)])) == UNKNOWN


def test_a_price_that_comes_twice_counts_as_it_came_last() -> None:
    """Changes of one price within a frame are applied in their order, a delete and a return too."""
    decoder = new_decoder(10)
    decoder.apply(book_frame("snapshot", bids=[("100.5", "1"), ("100", "2")], asks=[("101", "3")]))
    decoder.apply(book_frame("update", bids=[("100.5", "0"), ("100.5", "7"), ("100", "3"), ("100", "0")]))
    assert decoder.book.bids.levels() == [(1005, 700_000_000)]


def test_a_snapshot_at_any_time_replaces_the_book() -> None:
    """A second snapshot on a live subscription is the whole book from then on."""
    decoder = new_decoder(10)
    for price in ("100", "200"):
        assert decoder.apply(book_frame("snapshot", bids=[(price, "1")])) == dialect.BOOK_CHANGED
    assert decoder.book.bids.levels() == [(2000, 100_000_000)]


def test_a_frame_without_a_checksum_is_counted() -> None:
    """It is applied and cut, and `checksums_absent` says how many there were; saved, it is not forgotten."""
    decoder = new_decoder(10)
    decoder.apply(book_frame("snapshot", bids=[(str(100 + number), "1") for number in range(10)]))
    assert decoder.apply(book_frame("update", bids=[("110", "1")])) == dialect.BOOK_CHANGED
    assert (decoder.book.bids.count, decoder.checksums_absent, decoder.checksums_passed) == (10, 2, 0)
    other = new_decoder(10)
    other.load(json.loads(json.dumps(decoder.save())))
    assert other.checksums_absent == 2


def test_a_bad_checksum_drops_the_book() -> None:
    """The cause names both numbers, the book is empty, and changes mean nothing until the next snapshot."""
    market = KrakenMarket(1, 10)
    decoder = new_decoder(10)
    snapshot = market.snapshot()
    decoder.apply(snapshot)
    market.change(3)
    missed = market.change(3)
    assert decoder.apply(missed) == dialect.BAD_CHECKSUM
    assert str(market.checksum()) in decoder.cause
    assert (decoder.live, decoder.book.bids.count) == (False, 0)
    assert decoder.apply(market.change(3)) == dialect.IGNORED
    assert decoder.apply(market.snapshot()) == dialect.BOOK_CHANGED


@pytest.mark.parametrize("seed", seeds(2, 10))
def test_saved_and_loaded_it_goes_on_alike(seed: int) -> None:
    """A decoder loaded at any moment, between the pieces of a frame too, ends as one that went on."""
    market = KrakenMarket(seed, 25)
    frames = [market.snapshot()] + [market.change(3) for _ in range(20)]
    decoder = new_decoder(25)
    for frame in frames:
        pieces = Kraken(25).cut(frame, 0, 200)
        checksum = zlib.crc32(frame)
        for part, piece in enumerate(pieces, 1):
            if len(pieces) > 1:
                decoder.apply_piece(piece, part, len(pieces), checksum)
            else:
                decoder.apply(piece)
            other = new_decoder(10)
            other.load(json.loads(json.dumps(decoder.save())))
            assert other.save() == decoder.save()
            decoder = other
    assert (decoder.book.bids.levels(), decoder.book.asks.levels()) == (market.top(BUY), market.top(SELL))
    assert (decoder.checksums_passed, decoder.depth) == (21, 25)


def test_the_confirmed_depth_counts() -> None:
    """The depth that the venue confirms for a book is the one that it is cut to."""
    decoder = new_decoder(10)
    reply = b'{"method":"subscribe","result":{"channel":"book","depth":25,"symbol":"BTC/USD"},"success":true}'
    assert decoder.apply(reply) == dialect.CONTROL
    assert decoder.depth == 25
    decoder.apply(reply.replace(b"BTC/USD", b"ETH/USD").replace(b"25", b"100"))
    assert decoder.depth == 25


def test_the_venues_status() -> None:
    """What the venue says of its system is told as a status; what it has not said before counts as halted."""
    decoder = new_decoder(10)
    frame = b'{"channel":"status","type":"update","data":[{"system":"%s"}]}'
    for system, status in ((b"online", STATUS_TRADING), (b"post_only", STATUS_POST_ONLY), (b"new", STATUS_HALTED)):
        assert decoder.apply(frame % system) == dialect.STATUS
        assert (decoder.status, system.decode() in decoder.cause) == (status, True)


def test_frames_that_are_not_kept() -> None:
    """Past trades and other channels are ignored, unknown types are told, another symbol's frame is refused."""
    decoder = new_decoder(10)
    trade = b'{"symbol":"BTC/USD","side":"buy","price":1,"qty":2,"trade_id":3,"timestamp":"2026-10-06T08:04:56Z"}'
    past = b'{"channel":"trade","type":"snapshot","data":[' + trade + b"]}"
    assert decoder.apply(past) == dialect.IGNORED
    assert decoder.apply(past.replace(b"snapshot", b"update")) == dialect.TRADED
    assert decoder.trade_sides[0] == BUY
    assert decoder.apply(b'{"channel":"ohlc","type":"update","data":[]}') == dialect.IGNORED
    assert decoder.apply(b'{"channel":"news","data":[]}') == dialect.UNKNOWN_TYPE
    assert decoder.apply(past.replace(b"snapshot", b"correction")) == dialect.UNKNOWN_TYPE
    with pytest.raises(BadFrame, match="ETH/USD"):
        decoder.apply(book_frame("update").replace(b"BTC/USD", b"ETH/USD"))


def test_depths_are_the_venues() -> None:
    """Another depth than the venue has is refused with those it has."""
    assert venue_named("kraken").depth == 100
    with pytest.raises(UnknownDepth, match="10, 25, 100, 500, 1000"):
        venue_named("kraken", 20)


def book_frame(
    kind: str, bids: list[tuple[str, str]] | None = None, asks: list[tuple[str, str]] | None = None
) -> bytes:
    """A book's frame without a checksum."""
    sides = [
        ",".join(f'{{"price":{price},"qty":{size}}}' for price, size in side or []) for side in (bids, asks)
    ]
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD","bids":[{sides[0]}],"asks":[{sides[1]}],'
        '"timestamp":"2026-10-06T08:04:56.000569Z"}]}'
    ).encode()
