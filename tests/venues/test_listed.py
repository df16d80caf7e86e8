"""Lists of instruments in which a row is odd, scales with room, and best prices that are finer than a lot."""

from __future__ import annotations

import json
from typing import Any

import pytest

from market import dialect
from market.dialect import BadFrame
from tests.venues.binance_wire import spelled
from venues.listed import scale_with_room
from venues.registry import venue_named

Row = dict[str, Any]

COINBASE: Row = {
    "product_id": "BTC-USD", "base_currency_id": "BTC", "quote_currency_id": "USD", "base_increment": "0.001",
    "price_increment": "0.01", "base_min_size": "0.001", "quote_min_size": "1", "product_type": "SPOT", "alias": "",
    "status": "online",
}  # fmt: skip
DERIBIT: Row = {
    "instrument_name": "BTC_USDC", "kind": "spot", "base_currency": "BTC", "quote_currency": "USDC",
    "tick_size": 0.5, "min_trade_amount": 0.001, "contract_size": 0.001, "maker_commission": 0,
    "taker_commission": 0.0005,
}  # fmt: skip
KRAKEN: Row = {
    "altname": "XBTUSD", "wsname": "XBT/USD", "pair_decimals": 1, "lot_decimals": 8, "fees": [[0, 0.4]],
    "fees_maker": [[0, 0.25]], "status": "online",
}  # fmt: skip
BYBIT: Row = {
    "symbol": "BTCUSDT", "status": "Trading", "baseCoin": "BTC", "quoteCoin": "USDT",
    "priceFilter": {"tickSize": "0.1"}, "lotSizeFilter": {"minOrderQty": "0.001", "basePrecision": "0.001"},
}  # fmt: skip
OKX: Row = {
    "instType": "SPOT", "instId": "BTC-USDT", "state": "live", "baseCcy": "BTC", "quoteCcy": "USDT", "tickSz": "0.1",
    "lotSz": "0.001", "minSz": "0.001",
}  # fmt: skip
ROWS = {"coinbase": COINBASE, "deribit": DERIBIT, "kraken": KRAKEN, "bybit": BYBIT, "okx": OKX}


def listed(venue: str, *rows: Row) -> bytes:
    """A venue's list of these rows."""
    bodies: dict[str, Any] = {
        "coinbase": {"products": rows},
        "deribit": {"result": rows},
        "kraken": {"error": [], "result": {str(place): row for place, row in enumerate(rows)}},
        "bybit": {"retCode": 0, "result": {"list": rows}},
        "okx": {"code": "0", "msg": "", "data": rows},
    }
    return json.dumps(bodies[venue]).encode()


@pytest.mark.parametrize(
    ("venue", "odd"),
    [
        ("coinbase", {"price_increment": ""}), ("coinbase", {"base_min_size": None}), ("coinbase", {"status": 5}),
        ("deribit", {"tick_size": 0}), ("deribit", {"tick_size": None}), ("deribit", {"kind": "option", "strike": 1}),
        ("kraken", {"pair_decimals": None}), ("kraken", {"fees": [[0, "x"]]}),
        ("bybit", {"priceFilter": {}}), ("bybit", {"priceFilter": {"tickSize": ""}}),
        ("okx", {"tickSz": None}), ("okx", {"tickSz": ""}),
    ],
)  # fmt: skip
def test_an_odd_row_is_left_out_and_the_others_stay(venue: str, odd: Row) -> None:
    """It is told, once; ids are counted without it; a list of which no row can be read is refused."""
    known = venue_named(venue)
    row = ROWS[venue]
    whole = known.instruments([listed(venue, row)])
    assert (len(whole), known.left_out) == (1, [])
    found = known.instruments([listed(venue, row | odd, row)], 7)
    assert [(one.instrument_id, one.venue_symbol) for one in found] == [(7, whole[0].venue_symbol)]
    assert len(known.left_out) == 1
    with pytest.raises(BadFrame):
        known.instruments([listed(venue, {})])
    assert known.instruments([listed(venue)]) == []


def test_what_is_null_or_a_rebate_is_no_fault() -> None:
    """What a venue leaves null it does not have; a fee may be below zero, and finer than we count: it is rounded up."""
    assert len(venue_named("coinbase").instruments([listed("coinbase", COINBASE | {"alias": None})])) == 1
    row = DERIBIT | {"settlement_period": None, "option_type": None, "taker_commission": 2.5e-7}
    (one,) = venue_named("deribit").instruments([listed("deribit", row | {"maker_commission": -0.00000125})])
    assert (one.maker_fee_ppm, one.taker_fee_ppm) == (-1, 1)
    (one,) = venue_named("kraken").instruments([listed("kraken", KRAKEN | {"fees_maker": [[0, -0.01]]})])
    assert one.maker_fee_ppm == -100


@pytest.mark.parametrize("odd", [{"wsname": None}, {"status": "delisted"}, {"status": "cancel_only"}])
def test_pairs_of_kraken_that_take_no_orders_are_no_instruments(odd: Row) -> None:
    """Nor those without a name on the stream; there is nothing odd about either."""
    venue = venue_named("kraken")
    assert len(venue.instruments([listed("kraken", KRAKEN | odd, KRAKEN)])) == 1
    assert venue.left_out == []


@pytest.mark.parametrize("venue", ["coinbase", "deribit", "bybit", "okx"])
def test_scales_have_room_for_older_levels(venue: str) -> None:
    """A level may be a hundred times finer than tick and lot."""
    (one,) = venue_named(venue).instruments([listed(venue, ROWS[venue])])
    assert (one.tick, one.lot) in ((100, 100), (500, 100))
    assert one.size_scale == 5
    assert scale_with_room("0.001", "9000000000000000", 5) == 3
    assert scale_with_room("0.001", "", 5) == 5


def test_best_prices_that_are_too_fine_are_passed_over() -> None:
    """They are no part of the book: they are ignored with a cause, and a live book stays as it is."""
    rows = [["100", "0.5", "0", "1"]]
    time = "2026-08-09T21:05:48.228568804Z"
    ticker = {"product_id": "B", "best_bid": "1", "best_bid_quantity": "0.5", "best_ask": "2"}
    frames: dict[str, Row] = {
        "bybit": {
            "topic": "orderbook.1.B", "ts": 5, "type": "snapshot", "cts": 5,
            "data": {"s": "B", "b": [["100", "0.5"]], "a": [], "u": 5, "seq": 5},
        },
        "okx": {
            "arg": {"channel": "bbo-tbt", "instId": "B"},
            "data": [{"asks": rows, "bids": [], "ts": "5", "seqId": 5}],
        },
        "deribit": {
            "jsonrpc": "2.0", "method": "subscription", "params": {"channel": "quote.B", "data": {
                "instrument_name": "B", "timestamp": 5, "best_bid_price": 1, "best_bid_amount": 0.5,
                "best_ask_price": None, "best_ask_amount": 0,
            }},
        },
        "coinbase": {
            "channel": "ticker", "timestamp": time, "sequence_num": 5,
            "events": [{"type": "update", "tickers": [ticker]}],
        },
    }  # fmt: skip
    for venue, frame in frames.items():
        assert venue_named(venue).decoder("B", 0, 1).apply(spelled(frame)) == dialect.QUOTED
        decoder = venue_named(venue).decoder("B", 0, 0)
        assert decoder.apply(spelled(frame)) == dialect.IGNORED
        assert "too fine" in decoder.cause
        with pytest.raises(BadFrame):
            decoder.apply(spelled(frame).replace(b"0.5", b"0.x"))
