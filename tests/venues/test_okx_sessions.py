"""OKX: what is said on a connection, instruments, the recording and damage to it."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from market import dialect
from market.dialect import BadFrame, Decoder
from tests.venues.binance_wire import spelled
from tests.venues.okx_wire import (
    NAME,
    OKX,
    RECORDING,
    book,
    example,
    scans,
    update,
)
from tests.venues.recorded import recorded
from tests.venues.streamed_checks import (
    check_readers_agree,
    frames_for,
    reloaded,
)
from venues.okx_book import OkxDecoder
from venues.okx_reading import read_carefully
from venues.recordings import ANSWER
from venues.scanning import UNKNOWN

# ---- the conversation


def test_requests_name_their_instrument_and_errors_find_it() -> None:
    """A request an instrument; an error is told by the id, or by the instrument that its words name."""
    conversation = OKX.conversation()
    requests = [json.loads(request) for request in conversation.open(["A-B", "C-D"])]
    channels = [{"channel": channel, "instId": "A-B"} for channel in ("books", "trades")]
    assert requests[0] == {"id": "1", "op": "subscribe", "args": channels}
    assert json.loads(conversation.close(["A-B"])[0])["op"] == "unsubscribe"
    assert conversation.hear(spelled(example("subscribe-ack.json"))) == dialect.CONFIRMED
    assert conversation.venue_symbol == "BTC-USDT"
    assert conversation.hear(b'{"id":"2","event":"error","code":"60018","msg":"wrong"}') == dialect.REFUSED
    assert conversation.venue_symbol == "C-D"
    words = b'{"event":"error","code":"60018","msg":"Wrong URL or channel:books,instId:X-Y doesn\'t exist."}'
    assert (conversation.hear(words), conversation.venue_symbol) == (dialect.REFUSED, "X-Y")
    assert conversation.hear(b'{"event":"error","code":"60014","msg":"too many"}') == dialect.RECONNECT
    assert conversation.hear(spelled(example("notice-upgrade.json"))) == dialect.LEAVING
    for frame in (b"pong", b'{"event":"notice","code":"1","msg":""}', update(5, 7), b'{"event":', b'{"event":"party"}'):
        assert conversation.hear(frame) == dialect.DATA
    assert conversation.sign_of_life() == b"ping"
    assert conversation.replies == []


def test_a_book_is_renewed_once_its_end_was_answered() -> None:
    """Unsubscribe, wait for the answer, good or bad, and subscribe to the book alone."""
    good = b'{"event":"unsubscribe","arg":{"channel":"books","instId":"A-B"},"connId":"a"}'
    bad = b'{"event":"error","code":"60018","msg":"channel:books,instId:A-B doesn\'t exist","id":"1"}'
    for reply in (good, bad):
        conversation = OKX.conversation()
        (request,) = conversation.renew("A-B")
        assert json.loads(request)["args"] == [{"channel": "books", "instId": "A-B"}]
        assert conversation.hear(reply) == dialect.DATA
        (again,) = conversation.replies
        assert json.loads(again) == json.loads(request) | {"op": "subscribe", "id": "2"}
        conversation.replies.clear()
        conversation.hear(good)
        assert conversation.replies == []


def test_symbols_names_and_addresses() -> None:
    """The instrument is found in any spelling, never in the words of an error; the answer's path has its bounds."""
    for frame in (update(5, 7), json.dumps(book("update", 5, 7, [], []), indent=2).encode()):
        assert (OKX.venue_symbol(frame), OKX.message_type(frame)) == (NAME, "books update")
    for frame in (b"pong", b"\xff", spelled(example("error.json")), spelled(example("notice-upgrade.json"))):
        assert OKX.venue_symbol(frame) == ""
    assert OKX.message_type(b"pong") == "pong"
    assert OKX.message_type(b"\xff") == "unreadable"
    assert OKX.message_type(spelled(example("error.json"))) == "event error"
    assert OKX.snapshot_path(NAME, 5_000) == "/api/v5/market/books?instId=BTC-USDT&sz=400"
    assert OKX.url([NAME]) == "wss://ws.okx.com/ws/v5/public"


def test_instruments_and_audit() -> None:
    """Steps, fees and contracts; the audit's levels at the instrument's scales."""
    (spot,) = OKX.instruments([spelled(example("rest-instrument-spot.json"))], 3)
    (swap,) = OKX.instruments([spelled(example("rest-instrument-swap.json"))])
    assert (spot.instrument_id, spot.symbol, spot.kind, spot.minimum_size) == (3, "BTC/USD", "spot", 1000)
    assert (swap.symbol, swap.kind, swap.inverse, swap.multiplier) == ("BTC/USD", "perpetual", True, 100)
    bids, asks = OKX.read_audit(spelled(example("rest-books.json")), 1, 8)
    assert (bids[0], asks[2]) == ((410067, 48792100), (410070, 205842530))
    for bad in (b"", b'{"code":"1","msg":"","data":[]}'):
        for read in (lambda body: OKX.read_audit(body, 1, 8), lambda body: OKX.instruments([body])):
            with pytest.raises(BadFrame):
                read(bad)


# ---- the recording

BOOKS = {"BTC-USDT": (1, 8), "BTC-USD-220527": (1, 0), "UNI-USD-SWAP": (3, 0)}


def test_every_recorded_frame() -> None:
    """Every frame is taken, books and trades the quick way, and all 290 checksums are right."""
    counts: Counter[int] = Counter()
    passed = 0
    for name, scales in BOOKS.items():
        decoder = OKX.decoder(name, *scales)
        for frame in frames_for(RECORDING, OKX, name):
            kind = check_readers_agree(*scans(scales, name), read_carefully, frame)
            assert (kind != UNKNOWN) == (b'"channel":"tickers"' not in frame and not frame.startswith(b'{"event"'))
            counts[decoder.apply(frame)] += 1
        assert (decoder.live, decoder.book.crossed) == (True, False)
        assert decoder.book.bids.count <= 400
        passed += decoder.checksums_passed
    assert passed == 290
    outcomes = {dialect.BOOK_CHANGED: 290, dialect.TRADED: 74, dialect.IGNORED: 28, dialect.CONTROL: 18}
    assert counts == outcomes


def test_recorded_instruments() -> None:
    """Every pair, swap and future can be described; options are left out; inverse contracts are in the quote."""
    bodies = {record.url.partition("?")[2]: record.data for record in recorded(RECORDING) if record.kind == ANSWER}
    found = [len(OKX.instruments([bodies[f"instType={kind}"]])) for kind in ("SPOT", "SWAP", "FUTURES")]
    assert found == [513, 166, 104]
    assert OKX.instruments([bodies["instType=OPTION&uly=BTC-USD"]]) == []
    swaps = {one.venue_symbol: one for one in OKX.instruments([bodies["instType=SWAP"]])}
    linear = swaps["BTC-USDT-SWAP"]
    assert (linear.inverse, linear.multiplier, linear.multiplier_scale) == (False, 1, 2)
    assert (swaps["UNI-USD-SWAP"].inverse, swaps["UNI-USD-SWAP"].multiplier) == (True, 10)


def books_of(name: str) -> list[bytes]:
    """The recorded frames of one book."""
    return [
        frame for frame in frames_for(RECORDING, OKX, name) if b'"channel":"books"' in frame[:40] and b"data" in frame
    ]


def tops(decoder: Decoder) -> tuple[list[int], ...]:
    """The part of a book that the checksum is made of."""
    book = decoder.book
    return list(book.bids.prices(25)), list(book.bids.sizes(25)), list(book.asks.prices(25)), list(book.asks.sizes(25))


@pytest.mark.parametrize("name", BOOKS)
def test_damage_is_seen_by_the_checksum(name: str) -> None:
    """With every tenth change lost, swapped, repeated, or a digit changed: the 25 best levels are right, or no book."""
    frames = books_of(name)
    truth: list[tuple[list[int], ...]] = []
    decoder = OKX.decoder(name, *BOOKS[name])
    for frame in frames:
        decoder.apply(frame)
        truth.append(tops(decoder))
    seen = 0
    for place in range(1, len(frames) - 1, 10):
        frame, behind = frames[place], frames[place + 1]
        digit = frame.index(b'["', 90) + 2
        other = frame[:digit] + (b"1" if frame[digit : digit + 1] != b"1" else b"2") + frame[digit + 1 :]
        for middle in ([behind], [frame, frame, behind], [behind, frame], [other, behind]):
            decoder = OKX.decoder(name, *BOOKS[name])
            for each in frames[:place]:
                decoder.apply(each)
            outcomes = [decoder.apply(each) for each in middle]
            after = place + 2
            while after < len(frames) and decoder.live:
                assert tops(decoder) == truth[after - 1]
                outcomes.append(decoder.apply(frames[after]))
                after += 1
            seen += dialect.BAD_CHECKSUM in outcomes
    assert seen >= 20


def test_damage_is_seen_by_the_chain() -> None:
    """The recorded changes as they come now, numbered and without checksums: lost ones are missed, others mended."""
    recorded_frames = books_of("BTC-USDT")
    frames = []
    for place, frame in enumerate(recorded_frames):
        message = json.loads(frame)
        message["data"][0] |= {"checksum": 0, "prevSeqId": 10 * place if place else -1, "seqId": 10 * place + 10}
        frames.append(spelled(message))
    scales = BOOKS["BTC-USDT"]
    final = OKX.decoder("BTC-USDT", *scales)
    for place, frame in enumerate(frames):
        other = reloaded(OKX, "BTC-USDT", scales, final) if place % 10 == 0 else None
        outcome = final.apply(frame)
        assert outcome == dialect.BOOK_CHANGED
        if other is not None:
            assert (other.apply(frame), other.save()) == (outcome, final.save())
    for place in range(1, len(frames) - 1, 10):
        before, frame, after = frames[:place], frames[place], frames[place + 1 :]
        lost = OKX.decoder("BTC-USDT", *scales)
        outcomes = [lost.apply(each) for each in before + after]
        assert dialect.HELD in outcomes
        assert not lost.live or lost.holding
        for order in ([*before, frame, frame, *after], [*before, after[0], frame, *after[1:]]):
            whole = OKX.decoder("BTC-USDT", *scales)
            outcomes = [whole.apply(each) for each in order]
            assert (whole.update_id, whole.book.save()) == (final.update_id, final.book.save())
    assert isinstance(final, OkxDecoder)
