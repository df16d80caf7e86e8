"""What conversations with different venues have in common: what was refused is asked for again, and memory has a bound.

Each venue's own words are in its own tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from market import dialect
from market.dialect import Conversation
from tests.venues.binance_wire import spelled
from venues.registry import venue_named

MOST_REMEMBERED: Final = 1_000
SYMBOLS: Final = {
    "deribit": "BTC-PERPETUAL", "kraken": "BTC/USD", "kraken_v1": "XBT/USD", "bybit": "BTCUSDT", "okx": "BTC-USDT",
}  # fmt: skip
WANTED: Final = {
    "deribit": ["book.BTC-PERPETUAL.100ms", "trades.BTC-PERPETUAL.100ms", "quote.BTC-PERPETUAL"],
    "kraken": ["book", "trade"],
    "kraken_v1": ["book", "trade"],
    "bybit": ["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT", "orderbook.1.BTCUSDT"],
    "okx": ["books", "trades"],
}

Request = Any


def asked_for(requests: list[bytes]) -> list[Request]:
    """Requests as objects; the list is emptied."""
    found = [json.loads(request) for request in requests]
    requests.clear()
    return found


def channels(request: Request) -> list[str]:
    """What a request, of whichever venue, is about."""
    if "args" in request:
        return [one if isinstance(one, str) else one["channel"] for one in request["args"]]
    if "subscription" in request:
        return [request["subscription"]["name"]]
    params = request["params"]
    return params["channels"] if "channels" in params else [params["channel"]]


def deribit(request: Request, error: str) -> list[bytes]:
    """One answer, which lists what was accepted."""
    told = {"error": {"code": 10028, "message": error}} if error else {"result": channels(request)}
    return [spelled({"jsonrpc": "2.0", "id": request["id"], **told})]


def kraken(request: Request, error: str) -> list[bytes]:
    """An answer for each symbol; a refusal names no channel."""
    head = {"method": request["method"], "req_id": request["req_id"]}
    channel = request["params"]["channel"]
    return [
        spelled(
            {**head, "success": False, "error": error, "symbol": symbol}
            if error
            else {**head, "success": True, "result": {"channel": channel, "symbol": symbol}}
        )
        for symbol in request["params"]["symbol"]
    ]


def kraken_v1(request: Request, error: str) -> list[bytes]:
    """A status for each pair."""
    status = "error" if error else f"{request['event']}d"
    event = {"event": "subscriptionStatus", "status": status, "subscription": request["subscription"]}
    return [spelled({**event, "pair": pair, "errorMessage": error}) for pair in request["pair"]]


def bybit(request: Request, error: str) -> list[bytes]:
    """One answer, good or bad for all topics."""
    return [spelled({"success": not error, "ret_msg": error, "req_id": request["req_id"], "op": request["op"]})]


def okx(request: Request, error: str) -> list[bytes]:
    """An answer for each channel, a refusal for all."""
    if error:
        return [spelled({"event": "error", "code": "60018", "msg": error, "id": request["id"]})]
    return [spelled({"event": request["op"], "arg": one, "id": request["id"]}) for one in request["args"]]


ANSWERS: Final[dict[str, Callable[[Request, str], list[bytes]]]] = {
    "deribit": deribit, "kraken": kraken, "kraken_v1": kraken_v1, "bybit": bybit, "okx": okx,
}  # fmt: skip


def opened(venue: str, refused: str) -> Conversation:
    """A conversation whose requests for these channels were refused, and the others granted."""
    conversation = venue_named(venue).conversation()
    for request in asked_for(conversation.open([SYMBOLS[venue]])):
        if request.get("method") == "public/set_heartbeat" or "platform_state" in channels(request):
            continue
        is_bad = any(refused in channel for channel in channels(request))
        heard = [conversation.hear(frame) for frame in ANSWERS[venue](request, "too many requests" if is_bad else "")]
        assert set(heard) == {dialect.REFUSED if is_bad else dialect.CONFIRMED}
    return conversation


def renewed(venue: str, conversation: Conversation, error: str = "") -> list[str]:
    """The channels that a renewal subscribes to; the venue answers every subscription in this way."""
    (request,) = asked_for(conversation.renew(SYMBOLS[venue]))
    assert channels(request) == WANTED[venue][:1]
    for frame in ANSWERS[venue](request, ""):
        conversation.hear(frame)
    again = asked_for(conversation.replies)
    for one in again:
        for frame in ANSWERS[venue](one, error):
            assert conversation.hear(frame) == (dialect.REFUSED if error else dialect.CONFIRMED)
    return [channel for one in again for channel in channels(one)]


@pytest.mark.parametrize("venue", SYMBOLS)
def test_a_renewal_asks_for_all_that_was_refused(venue: str) -> None:
    """After a refused subscription the trades come back with the book, until they are granted; then the book alone."""
    conversation = opened(venue, "")
    assert sorted(renewed(venue, conversation, "too many requests")) == sorted(WANTED[venue])
    assert sorted(renewed(venue, conversation)) == sorted(WANTED[venue])
    assert renewed(venue, conversation) == WANTED[venue][:1]


@pytest.mark.parametrize("venue", ["kraken", "kraken_v1"])
def test_refused_trades_alone_are_asked_for_with_the_book(venue: str) -> None:
    """Where each channel has a request of its own, what was granted is not asked for again beside the book."""
    conversation = opened(venue, "trade")
    assert renewed(venue, conversation) == ["book", "trade"]
    assert renewed(venue, opened(venue, "nothing")) == ["book"]


@pytest.mark.parametrize("named", [True, False])
def test_okx_names_the_channel_or_not(named: bool) -> None:
    """One channel of a request may be refused, by its name in the words; what was confirmed is not asked for again."""
    conversation = venue_named("okx").conversation()
    (request,) = asked_for(conversation.open(["BTC-USDT"]))
    book, trades = request["args"]
    assert conversation.hear(spelled({"event": "subscribe", "arg": book, "id": request["id"]})) == dialect.CONFIRMED
    words = f"channel:{trades['channel']},instId:BTC-USDT doesn't exist" if named else "wrong"
    error = {"event": "error", "code": "60018", "msg": words, "id": request["id"]}
    assert conversation.hear(spelled(error)) == dialect.REFUSED
    assert renewed("okx", conversation) == ["books", "trades"]


def test_deribit_lists_what_it_accepted() -> None:
    """What the answer leaves out counts as refused and is asked for with the next renewal."""
    conversation = venue_named("deribit").conversation()
    request = asked_for(conversation.open(["BTC-PERPETUAL"]))[2]
    book, trades, quotes = channels(request)
    answer = {"jsonrpc": "2.0", "id": request["id"], "result": [book, quotes]}
    assert conversation.hear(spelled(answer)) == dialect.REFUSED
    assert renewed("deribit", conversation) == [book, trades]


def test_deribit_works_from_the_beginning() -> None:
    """A venue that tells its state when asked for it, and works, is not back from anything."""
    conversation = venue_named("deribit").conversation()

    def hear(is_down: bool) -> int:
        params = {"channel": "platform_state", "data": {"maintenance": is_down}}
        return conversation.hear(spelled({"jsonrpc": "2.0", "method": "subscription", "params": params}))

    told = [hear(is_down) for is_down in (False, False, True, True, False, False)]
    assert told == [*[dialect.DATA] * 2, *[dialect.MAINTENANCE] * 2, dialect.BACK, dialect.DATA]


@pytest.mark.parametrize("are_ends_answered", [True, False])
@pytest.mark.parametrize("venue", ["deribit", "bybit", "okx", "kraken"])
def test_what_is_never_answered_is_forgotten(venue: str, are_ends_answered: bool) -> None:
    """A venue that answers nothing, or no new subscription, does not fill our memory."""
    conversation = opened(venue, "nothing")
    for _ in range(MOST_REMEMBERED + 200):
        (request,) = asked_for(conversation.renew(SYMBOLS[venue]))
        for frame in ANSWERS[venue](request, "") if are_ends_answered else ():
            conversation.hear(frame)
        conversation.replies.clear()
    assert len(vars(conversation)["_asked"]) <= MOST_REMEMBERED


@pytest.mark.parametrize("venue", ["deribit", "bybit", "okx", "kraken"])
def test_what_was_answered_is_not_remembered(venue: str) -> None:
    """Of a connection whose requests were all granted nothing is kept."""
    conversation = opened(venue, "nothing")
    before = len(vars(conversation)["_asked"])
    for _ in range(20):
        renewed(venue, conversation)
    assert len(vars(conversation)["_asked"]) == before
