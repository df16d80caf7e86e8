"""Bitfinex: channels and numbers of a connection, both readers, checksums, the recording, damage."""

from __future__ import annotations

import json
import zlib
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import dialect
from market.book import Book
from market.dialect import FOR_ALL, FOR_NONE, FOR_ONE, LOST, BadFrame, Decoder, Router
from market.messages.constants import BUY, SELL, STATUS_HALTED
from tests.seeds import examples
from tests.venues.recorded import recorded_answer, recorded_frames
from venues.bitfinex import Bitfinex
from venues.bitfinex_book import book_checksum, checksum_text, plain_text, printed_text
from venues.bitfinex_reading import read_carefully
from venues.bitfinex_scan import BitfinexScan
from venues.registry import venue_named
from venues.scanning import DELTA, LIFE, SNAPSHOT, TRADES, UNKNOWN

VENUE = Bitfinex()
SESSION = "cryptofeed/dev/BITFINEX.jsonl.zst"
CONF = b'{"event":"conf","status":"OK","flags":196608}'


def subscribed(channel: int, symbol: str, name: str = "book") -> bytes:
    """A confirmation."""
    return json.dumps({"event": "subscribed", "channel": name, "chanId": channel, "symbol": symbol}).encode()


def said(scan: BitfinexScan, kind: int) -> tuple[object, ...]:
    """What a scan says after reading a frame of this kind."""
    owner = scan.trades_to
    if kind == TRADES:
        return (
            scan.last_update_id, scan.event_ns, owner.trade_count, owner.trade_ids[0], owner.trade_prices[0],
            owner.trade_sizes[0], owner.trade_sides[0], owner.trade_times_ns[0],
        )  # fmt: skip
    if kind == LIFE:
        return (scan.last_update_id,)
    return (
        scan.last_update_id, scan.has_checksum, scan.checksum if scan.has_checksum else 0, scan.bid_count,
        list(scan.level_prices[: scan.level_count]), list(scan.level_sizes[: scan.level_count]),
    )  # fmt: skip


def check_readers_agree(frame: bytes, price_scale: int = 10, size_scale: int = 8, channel: int = 0) -> int:
    """What the quick reader recognises the careful one reads alike; the kind that the quick one told."""
    quick, careful = (BitfinexScan("tBTCUSD", price_scale, size_scale) for _ in range(2))
    quick.book_channel = careful.book_channel = channel
    kind = quick.scan(frame)
    if kind != UNKNOWN:
        assert read_carefully(careful, frame) == kind
        assert said(quick, kind) == said(careful, kind)
    return int(kind)


def live(*levels: list[Any]) -> Decoder:
    """A decoder with a book."""
    decoder = VENUE.decoder("tBTCUSD", 2, 8)
    decoder.apply(subscribed(5, "tBTCUSD"))
    assert decoder.apply(json.dumps([5, list(levels), 1]).encode()) == dialect.BOOK_CHANGED
    return decoder


def test_a_book_is_kept_by_counts_and_signs() -> None:
    """A count sets a level, a count of 0 removes it, and the sign of the amount tells the side."""
    decoder = live([100.5, 1, 2.5], [99, 3, 1], [101, 1, -4])
    assert decoder.book.save() == [[10050, 9900], [250_000_000, 100_000_000], [10100], [400_000_000]]
    assert decoder.apply(b"[5,[100.5,0,1],2]") == dialect.BOOK_CHANGED
    assert decoder.apply(b"[5,[101.5,2,-0.5],3]") == dialect.BOOK_CHANGED
    assert decoder.apply(b"[5,[101,0,-1],4]") == dialect.BOOK_CHANGED
    assert decoder.apply(b"[5,[77,0,1],5]") == dialect.BOOK_CHANGED
    assert decoder.book.save() == [[9900], [100_000_000], [10150], [50_000_000]]
    assert decoder.update_id == 5
    assert decoder.apply(b"[5,[],6]") == dialect.BOOK_CHANGED
    assert decoder.book.bids.count == decoder.book.asks.count == 0


def test_what_else_comes() -> None:
    """Trades as executed, best prices without sizes, signs of life, what is not kept and what nobody knows."""
    decoder = live([100, 1, 1])
    assert decoder.apply(b'[9,"te",[1128060969,1654702500098,-0.00325131,1818.5],2]') == dialect.TRADED
    assert (decoder.trade_ids[0], decoder.trade_prices[0], decoder.trade_sizes[0]) == (1128060969, 181_850, 325_131)
    assert (decoder.trade_sides[0], decoder.trade_times_ns[0]) == (SELL, 1_654_702_500_098_000_000)
    assert decoder.apply(b'[9,"te",[1,2,3,4,"more"],2]') == dialect.TRADED
    assert decoder.trade_sides[0] == BUY
    assert decoder.apply(b'[9,"tu",[1128060969,1654702500098,0.00325131,1818.5],3]') == dialect.IGNORED
    assert decoder.apply(b"[9,[[1,2,3,4],[1,2,3,4]],4]") == dialect.IGNORED
    assert decoder.apply(b'[5,"hb",5]') == dialect.ALIVE
    ticker = b"[8,[99.5,89.39691507,100.5,1.7023900800000002,13.5,0.00541864,2504.9,22581.9,2533.2,2461.4,null],6]"
    assert decoder.apply(ticker) == dialect.QUOTED
    assert (decoder.quoted_bid_price, decoder.quoted_ask_price, decoder.quoted_bid_size) == (9_950, 10_050, 0)
    info = b'{"event":"info","code":1}'
    for strange in (b'[5,"zz",7]', b"[5,[1,2],8]", b"[5,[[1],[2]],9]", b'{"event":"novel"}', info):
        assert decoder.apply(strange) == dialect.UNKNOWN_TYPE
    assert decoder.live
    levels = (b"[5,[1,1,0],9]", b"[6,[1,1,1],9]", b"[5,[-1,1,1],9]", b"[5,[1.001,1,1],9]")
    for bad in (*levels, b"[5]", b"{}", b"", b"[5,"):
        with pytest.raises(BadFrame):
            decoder.apply(bad)
    assert decoder.book.bids.levels() == [(10_000, 100_000_000)]


def test_events() -> None:
    """Replies, refusals, a restart, and a maintenance, after whose end the book is old."""
    decoder = live([100, 1, 1])
    assert decoder.apply(CONF) == dialect.CONTROL
    assert decoder.apply(b'{"event":"error","msg":"symbol: invalid","code":10300}') == dialect.CONTROL
    assert (decoder.refused, decoder.cause) == (True, "refused with code 10300: symbol: invalid")
    assert decoder.apply(b'{"event":"info","version":2,"platform":{"status":1}}') == dialect.IGNORED
    assert decoder.apply(b'{"event":"info","code":20051,"msg":""}') == dialect.CLOSING
    assert decoder.apply(b'{"event":"info","code":20060,"msg":""}') == dialect.STATUS
    assert (decoder.status, decoder.live) == (STATUS_HALTED, True)
    assert decoder.apply(b'{"event":"info","code":20061,"msg":""}') == dialect.GAP
    assert not decoder.live


def test_numbers_as_the_checksum_prints_them() -> None:
    """Prices in plain notation, amounts as JavaScript prints them, both without zeros at the end."""
    assert [plain_text(value, 8) for value in (0, 2, 1_700_000_000, 150_000_000)] == ["0", "0.00000002", "17", "1.5"]
    assert [printed_text(value, 8) for value in (12, 10, 100, 99, 123_456_789)] == [
        "1.2e-7", "1e-7", "0.000001", "9.9e-7", "1.23456789",
    ]  # fmt: skip
    assert plain_text(70, 0) == "70"


def test_checksums() -> None:
    """The strings of the venue's own test; a frame with the right one passes, with another the book is dropped."""
    decoder = live([6000, 1, 1], [5900, 1, 2], [6100, 1, -3], [6200, 2, -4])
    assert checksum_text(decoder.book, 2, 8) == "6000:1:6100:-3:5900:2:6200:-4"
    assert book_checksum(decoder.book, 2, 8) == 1_756_193_398
    assert decoder.apply(b'[5,"cs",1756193398,2]') == dialect.BOOK_CHANGED
    assert (decoder.checksums_passed, decoder.live) == (1, True)
    assert decoder.apply(b'[5,"cs",-1756193398,3]') == dialect.BAD_CHECKSUM
    assert (decoder.live, decoder.book.bids.count) == (False, 0)
    assert "-1756193398" in decoder.cause
    unsigned = zlib.crc32(b"1.5:2")
    one_sided = live([1.5, 1, 2])
    assert book_checksum(one_sided.book, 2, 8) == unsigned - 2**32 * (unsigned >= 2**31)


def router_of(*frames: bytes) -> Router:
    """A router that has heard of numbers and of these."""
    router = VENUE.router()
    for frame in (CONF, *frames):
        router.route(frame)
    return router


def test_frames_find_their_instrument_by_the_channel() -> None:
    """Each confirmation gives a channel its meaning and each end takes it; the next number is due every time."""
    router = router_of(subscribed(5, "tBTCUSD"), subscribed(6, "tETHUSD", "trades"))
    assert (router.route(b"[5,[[1,1,1]],1]"), router.symbol) == (FOR_ONE, "tBTCUSD")
    assert (router.route(b'[6,"te",[1,1,1,1],2]'), router.symbol) == (FOR_ONE, "tETHUSD")
    assert (router.route(b"[ 5, [1, 1, 1], 3 ]"), router.symbol) == (FOR_ONE, "tBTCUSD")
    assert router.route(b'{"event":"info","code":20060}') == FOR_ALL
    assert (router.route(b'{"event":"unsubscribed","status":"OK","chanId":5}'), router.symbol) == (FOR_ONE, "tBTCUSD")
    assert router.route(b"[5,[1,1,1],4]") == FOR_NONE
    assert router.route(b'[7,"hb",5]') == FOR_NONE
    assert (router.route(subscribed(7, "tBTCUSD")), router.symbol) == (FOR_ONE, "tBTCUSD")
    again = VENUE.router()
    again.load(json.loads(json.dumps(router.save())))
    for each in (router, again):
        assert (each.route(b"[7,[[1,1,1]],6]"), each.symbol) == (FOR_ONE, "tBTCUSD")
    router.begin()
    assert router.save() == VENUE.router().save()


def test_a_jump_is_a_loss_and_a_repetition_is_none() -> None:
    """Any number but the next: missing frames void everything, one that came before is passed over."""
    router = router_of(subscribed(5, "tBTCUSD"))
    assert router.route(b"[5,[[1,1,1]],10]") == FOR_ONE
    assert router.route(b"[5,[1,1,1],10]") == FOR_NONE
    assert router.route(b"[5,[1,1,1],12]") == LOST
    assert router.cause == "frames 11 to 11 of the connection are missing"
    # The number of the last one may have been the damaged one.
    assert router.route(b"[5,[1,1,1],12]") == FOR_ONE
    assert router.route(b'[5,"hb",13]') == FOR_ONE
    assert router.route(b'[5,"hb"]') == LOST
    assert router.route(b'[5,"hb",15]') == FOR_ONE
    assert router.route(b"[9,[1,1,1],16]") == LOST
    for frame in (b"", b"[", b"[]", b"[1]", b"{", b"[5,]", b"[x,1]", b"[5,[1,1,1],x]", b"\xff\xff\xff\xff"):
        assert router.route(frame) == FOR_ALL


def test_without_numbers_nothing_is_missing() -> None:
    """A connection that was not told to number its frames has none to watch."""
    router = VENUE.router()
    router.route(b'{"event":"conf","status":"FAILED"}')
    router.route(subscribed(5, "tBTCUSD"))
    assert [router.route(b"[5,[1,1,7]]"), router.route(b'[5,"hb"]')] == [FOR_ONE, FOR_ONE]


def numbers() -> st.SearchStrategy[str]:
    """Numbers as the venue prints them, and some that it does not."""
    return st.one_of(
        st.integers(0, 10**9).map(str),
        st.tuples(st.integers(0, 10**9), st.integers(0, 10**10), st.integers(0, 11)).map(
            lambda parts: f"{parts[0]}.{parts[1] % 10 ** parts[2]:0{parts[2]}d}" if parts[2] else str(parts[0])
        ),
        st.sampled_from(["0.00000002", "2e-8", "1.5e2", "00.5", "1.", ".5", "0.1234567", "0.12345678", "12345678"]),
    )


@given(
    rows=st.lists(st.tuples(numbers(), st.integers(0, 3), st.sampled_from(["", "-"]), numbers()), max_size=5),
    scales=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    spaced=st.booleans(),
    is_one=st.booleans(),
    number=st.integers(0, 10**12),
)
@settings(max_examples=examples(400, 5_000), deadline=None)
def test_both_readers_agree_on_any_spelling(
    rows: list[tuple[str, int, str, str]], scales: tuple[int, int], spaced: bool, is_one: bool, number: int
) -> None:
    """Books and changes in the usual spelling, and with spaces: the same values, or a bad frame."""
    texts = [f"[{price},{count},{sign}{amount}]" for price, count, sign, amount in rows]
    body = texts[0] if is_one and texts else f"[{','.join(texts)}]"
    usual = f"[5,{body},{number}]".encode()
    kind = check_readers_agree(usual, *scales, channel=5)
    if kind != UNKNOWN:
        careful, other = BitfinexScan("tBTCUSD", *scales), BitfinexScan("tBTCUSD", *scales)
        read_carefully(careful, usual)
        assert read_carefully(other, usual.replace(b",", b" , ") if spaced else b" " + usual) == kind
        assert said(careful, kind) == said(other, kind)


@given(data=st.data())
@settings(max_examples=examples(300, 3_000), deadline=None)
def test_damaged_frames(data: st.DataObject) -> None:
    """With bytes replaced, inserted or removed the readers agree; only `BadFrame` is raised, and it changes nothing."""
    frame = data.draw(
        st.sampled_from([
            b"[5,[100.25,2,-1586.01146],900]", b"[5,[[100,1,1.5],[99.5,2,0.25],[101,1,-3]],7]",
            b'[5,"cs",-890884919,8]', b'[5,"hb",127]', b'[6,"te",[1128060969,1654702500098,0.00325131,1818.5],9]',
        ])
    )  # fmt: skip
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(frame)))
        bits = st.sampled_from([b"1", b"9", b"-", b".", b",", b"]", b"["])
        inserted = data.draw(st.one_of(st.binary(max_size=3), bits))
        frame = frame[:at] + inserted + frame[at + data.draw(st.integers(0, 3)) :]
    check_readers_agree(frame, 2, 8)
    decoder = live([100, 1, 1], [101, 1, -1])
    before = decoder.save()
    try:
        decoder.apply(frame)
    except BadFrame:
        assert decoder.save() == before
    router = router_of(subscribed(5, "tBTCUSD"))
    assert router.route(frame) in (FOR_ONE, FOR_ALL, FOR_NONE, LOST)


def test_trickle() -> None:
    """Cut off at every byte a frame is a bad frame, or the readers agree on what is left."""
    whole = b"[5,[[100,1,1.5],[99.5,2,0.25],[101,1,-3]],7]"
    for frame in (whole, b"[5,[100.25,2,-1586.01146],900]", b'[6,"te",[11,12,0.5,18.5],9]', subscribed(5, "tBTCUSD")):
        for end in range(len(frame)):
            with pytest.raises(BadFrame):
                VENUE.decoder("tBTCUSD", 2, 8).apply(frame[:end])


@cache
def session() -> tuple[bytes, ...]:
    """Every frame of the recorded session."""
    return tuple(recorded_frames(SESSION))


class Lane:
    """A router and its decoders, as the lane has them."""

    def __init__(self) -> None:
        self.router = VENUE.router()
        self.decoders: dict[str, Decoder] = {}
        self.lost = 0
        self.outcomes: list[int] = []

    def take(self, frame: bytes) -> None:
        """Route a frame and let its decoder take it."""
        decision = self.router.route(frame)
        self.lost += decision == LOST
        if decision == LOST:
            for decoder in self.decoders.values():
                decoder.reset()
        if decision == FOR_ONE:
            symbol = self.router.symbol
            if symbol not in self.decoders:
                self.decoders[symbol] = VENUE.decoder(symbol, 10, 8)
            self.outcomes.append(self.decoders[symbol].apply(frame))

    def books(self) -> dict[str, object]:
        """Every book that is live."""
        return {symbol: decoder.book.save() for symbol, decoder in self.decoders.items() if decoder.live}


def test_the_recording_goes_through_without_a_failure() -> None:
    """1,669 numbers without a gap, seven books that are never crossed nor deeper than asked for, both readers alike."""
    lane = Lane()
    for frame in session():
        lane.take(frame)
        check_readers_agree(frame)
        for decoder in lane.decoders.values():
            assert not decoder.book.crossed
            assert max(decoder.book.bids.count, decoder.book.asks.count) <= 100
    assert lane.lost == 0
    assert len(lane.books()) == 7
    assert lane.outcomes.count(dialect.BOOK_CHANGED) == 1_600
    assert lane.outcomes.count(dialect.QUOTED) == 21
    assert not {dialect.UNKNOWN_TYPE, dialect.GAP, dialect.BAD_CHECKSUM} & set(lane.outcomes)


def is_of_book(frame: bytes) -> bool:
    """Whether it tells levels: no word, as trades and heartbeats have, and not the ten numbers of a ticker."""
    return b'"' not in frame and (frame.count(b"["), frame.count(b",")) != (2, 11)


def test_damage_to_the_recording_is_seen() -> None:
    """A frame left out, swapped or renumbered is a loss; one doubled is passed over; all books are void or right."""
    frames = session()
    true = Lane()
    for frame in frames:
        true.take(frame)
    arrays = [place for place, frame in enumerate(frames) if frame.startswith(b"[")][40:-4]
    for place in arrays[:: max(1, len(arrays) // examples(6, 150))]:
        one, two = frames[place], frames[place + 1]
        if not two.startswith(b"["):
            continue
        changed = {
            "dropped": ([*frames[:place], *frames[place + 1 :]], 1),
            "doubled": ([*frames[: place + 1], *frames[place:]], 0),
            "swapped": ([*frames[:place], two, one, *frames[place + 2 :]], 2),
            "renumbered": ([*frames[:place], one[:-2] + b"99999]", *frames[place + 1 :]], 1),
            "another channel": ([*frames[:place], b"[1" + one[1:], *frames[place + 1 :]], int(is_of_book(one))),
        }
        for name, (damaged, losses) in changed.items():
            lane = Lane()
            for frame in damaged:
                lane.take(frame)
            assert lane.lost == losses, name
            if losses == 0:
                assert lane.books() == true.books()


@given(
    levels=st.lists(st.tuples(st.integers(1, 30), st.booleans(), st.integers(0, 4)), max_size=40), at=st.integers(0, 40)
)
@settings(max_examples=examples(60, 1_000), deadline=None)
def test_saved_and_loaded_it_goes_on_the_same(levels: list[tuple[int, bool, int]], at: int) -> None:
    """At any frame: a fresh decoder with the saved state ends with the same state, and both with the true book."""
    decoder, truth = live(), Book()
    for place, (price, is_bid, count) in enumerate(levels):
        sign = 1 if is_bid else -1
        truth.set_level(BUY if is_bid else SELL, price * 100, count * 100_000_000)
        if place == at:
            fresh = VENUE.decoder("tBTCUSD", 2, 8)
            fresh.load(json.loads(json.dumps(decoder.save())))
            assert fresh.save() == decoder.save()
            decoder = fresh
        decoder.apply(f"[5,[{price},{count},{sign * (count or 1)}],{place + 2}]".encode())
    assert decoder.book.save() == truth.save()


def test_the_conversation() -> None:
    """Numbers and checksums first; a book is renewed by ending it and, once that is confirmed, beginning it again."""
    conversation = VENUE.conversation()
    requests = conversation.open(["tBTCUSD"])
    assert requests[0] == b'{"event":"conf","flags":196608}'
    assert requests[1] == (
        b'{"event":"subscribe","channel":"book","symbol":"tBTCUSD","prec":"P0","freq":"F0","len":"100"}'
    )
    assert len(requests) == 4
    assert conversation.renew("tBTCUSD") == requests[1:2]
    assert conversation.hear(CONF) == dialect.DATA
    assert conversation.hear(subscribed(5, "tBTCUSD")) == dialect.CONFIRMED
    assert (conversation.cause, conversation.venue_symbol) == ("book of tBTCUSD", "tBTCUSD")
    assert conversation.renew("tBTCUSD") == [b'{"event":"unsubscribe","chanId":5}']
    assert conversation.renew("tBTCUSD") == []
    assert conversation.hear(b'{"event":"unsubscribed","status":"OK","chanId":5}') == dialect.DATA
    assert conversation.replies == requests[1:2]
    assert conversation.hear(subscribed(6, "tBTCUSD")) == dialect.CONFIRMED
    assert conversation.close(["tBTCUSD"]) == [b'{"event":"unsubscribe","chanId":6}']
    error = b'{"event":"error","msg":"symbol: invalid","code":10300,"channel":"book","symbol":"tFOOUSD"}'
    assert conversation.hear(error) == dialect.REFUSED
    assert conversation.venue_symbol == "tFOOUSD"
    for frame, meaning in (
        (b'{"event":"info","code":20051}', dialect.RECONNECT), (b'{"event":"info","code":20060}', dialect.MAINTENANCE),
        (b'{"event":"info","code":20061}', dialect.BACK), (b"[5,[1,1,1],2]", dialect.DATA), (b"{", dialect.DATA),
        (b'{"event":"info","platform":{"status":0}}', dialect.MAINTENANCE),
        (b'{"event":"info","platform":{"status":1}}', dialect.DATA),
        (b'{"event":"conf","status":"OK","flags":131072}', dialect.RECONNECT),
    ):  # fmt: skip
        assert conversation.hear(frame) == meaning
    assert b'"len":"25"' in Bitfinex(10).conversation().open(["tBTCUSD"])[1]


def test_instruments_audits_and_names() -> None:
    """Pairs are parted by length or colon, UST is USDT; an audit's answer is read; types are told at a glance."""
    venue = venue_named("bitfinex")
    details = b'[[["BTCUSD",[null,null,null,"0.00006","2000.0",null]]]]'
    listed = {one.venue_symbol: one for one in venue.instruments([b'[["BTCUSD","DOGE:UST","X"]]', details])}
    assert (listed["tBTCUSD"].symbol, listed["tBTCUSD"].minimum_size) == ("BTC/USD", 6_000)
    assert (listed["tDOGE:UST"].symbol, listed["tDOGE:UST"].quote) == ("DOGE/USDT", "USDT")
    assert len(listed) == 2
    for wrong in (b"[]", b"{}", b"\xff"):
        with pytest.raises(BadFrame):
            venue.instruments([wrong])
    assert venue.read_audit(b"[[100,1,2],[101.5,2,-3]]", 2, 0) == ([(10_000, 2)], [(10_150, 3)])
    with pytest.raises(BadFrame):
        venue.read_audit(b'["error",10020,"symbol: invalid"]', 2, 0)
    assert venue.audit_path("tBTCUSD") == "/book/tBTCUSD/P0?len=25"
    for frame, name in (
        (b'[5,"hb",1]', "hb"), (b"[5,[1,1,1],2]", "book"), (b"[5,[[1,1,1]],2]", "book snapshot"),
        (b"[5,[[1,1,1,1]],2]", "trades snapshot"), (b"[5,[1,1,1,1,1,1,1,1,1,1],2]", "ticker"),
        (CONF, "conf"), (b"[5]", "unknown"), (b"", "unknown"), (b"{", "unknown"), (b'[5,"te",[1],2]', "te"),
    ):  # fmt: skip
        assert venue.message_type(frame) == name
    assert (venue.venue_symbol(subscribed(5, "tBTCUSD")), venue.venue_symbol(b"[5,1]")) == ("tBTCUSD", "")


def test_the_recorded_list_of_pairs() -> None:
    """Every pair of the venue's list of 2021 is an instrument."""
    body = recorded_answer(SESSION, "pub:list:pair:exchange")
    listed = VENUE.instruments([body])
    assert len(listed) == len(json.loads(body)[0])
    assert "tTESTBTC:TESTUSD" in {one.venue_symbol for one in listed}


def test_kinds_take_the_quick_way() -> None:
    """The venue's own spelling of books, checksums, trades and signs of life needs no careful reader."""
    assert check_readers_agree(b"[5,[100.25,2,-1586.01146],900]") == DELTA
    assert check_readers_agree(b"[5,[[100,1,1.5],[101,1,-3.12345678]],7]") == SNAPSHOT
    assert check_readers_agree(b'[5,"cs",-890884919,8]') == DELTA
    assert check_readers_agree(b'[5,"hb",127]') == LIFE
    assert check_readers_agree(b'[6,"te",[1128060969,1654702500098,0.00325131,1818.5],9]') == TRADES
