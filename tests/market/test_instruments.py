"""Instruments: what a description must say, the money it gives, the orders it refuses, and the table."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.instruments import (
    DuplicateInstrument,
    Instrument,
    InstrumentError,
    InstrumentKind,
    InstrumentTable,
    OptionSide,
    UnknownInstrument,
)
from market.messages.constants import AUCTION, MAKER, TAKER, UNKNOWN_LIQUIDITY
from market.numbers import MAX_I64, ExponentNotAllowed, TooManyDigits
from tests.generators import instruments
from tests.seeds import examples

SPOT: dict[str, Any] = {
    "instrument_id": 1, "symbol": "BTC/USDT", "venue": "binance", "venue_symbol": "BTCUSDT", "base": "BTC",
    "quote": "USDT", "kind": "spot", "tick": "0.01000000", "lot": "0.00001000", "minimum_size": "0.0001",
    "minimum_notional": "10", "maker_fee_bps": "-0.5", "taker_fee_bps": "7.5",
}  # fmt: skip
INVERSE: dict[str, Any] = SPOT | {
    "venue_symbol": "BTC-USD-SWAP", "quote": "USD", "kind": "perpetual", "inverse": True, "tick": "0.1", "lot": "1",
    "multiplier": "100", "minimum_size": "1", "minimum_notional": "200",
}  # fmt: skip
OPTION: dict[str, Any] = SPOT | {
    "kind": "option", "tick": "0.0005", "lot": "0.1", "expiry_ns": 1_800_000_000_000_000_000, "strike": "60000",
    "option_side": "call", "minimum_size": "0",
}  # fmt: skip


def test_scales_are_derived_from_the_texts() -> None:
    """The scales are the smallest that hold tick, lot and minimums; zeros at the end of a venue's text don't count."""
    one = Instrument.from_text(**SPOT)
    assert (one.price_scale, one.size_scale, one.money_scale) == (2, 5, 7)
    assert (one.tick, one.lot, one.minimum_size) == (1, 1, 10)
    assert one.minimum_notional == 10 * 10**7
    assert (one.maker_fee_ppm, one.taker_fee_ppm) == (-50, 750)
    assert one.kind is InstrumentKind.SPOT
    assert one.money_asset == "USDT"


def test_scales_may_be_asked_for_but_must_hold_the_steps() -> None:
    """A larger scale is taken; one that cannot hold the tick is refused with both told."""
    one = Instrument.from_text(**SPOT, price_scale=8, size_scale=8)
    assert (one.tick, one.lot) == (1_000_000, 1_000)
    with pytest.raises(InstrumentError, match=r"tick.*more than 1 decimal places"):
        Instrument.from_text(**SPOT, price_scale=1)


def test_a_fractional_multiplier_keeps_money_exact() -> None:
    """With contracts of 0.01 the size scale grows by two, so that a lot is a whole amount of money at any price."""
    one = Instrument.from_text(
        **SPOT | {"kind": "perpetual", "tick": "0.1", "lot": "0.1", "multiplier": "0.01", "minimum_size": "0.1"}
    )
    assert (one.size_scale, one.lot, one.multiplier, one.multiplier_scale) == (3, 100, 1, 2)
    assert one.notional(843_125, one.lot) == 843_125  # 84312.5 times 0.001 is 84.3125
    assert one.format_money(843_125) == "84.3125"
    with pytest.raises(InstrumentError, match="larger size scale"):
        attrs.evolve(one, lot=1)


def test_inverse_money_is_in_base_with_ten_decimals() -> None:
    """A hundred dollars of contract at 50,000 are 0.002 of base; the minimum is still told in the quote."""
    one = Instrument.from_text(**INVERSE)
    assert (one.money_scale, one.money_asset) == (10, "BTC")
    assert one.format_money(one.notional(500_000, one.lot)) == "0.002"
    assert one.fee(500_000, one.lot, TAKER) == 15_000  # 0.0000015, which is 7.5 bps of 0.002
    assert one.check_order(500_000, one.lot) == "the order is worth 100 USD, below the minimum of 200"
    assert one.check_order(500_000, 2 * one.lot) is None
    for function in (one.notional, lambda price, size: one.fee(price, size, MAKER)):
        with pytest.raises(InstrumentError, match="no value"):
            function(0, one.lot)


def test_an_option_has_expiry_strike_and_side() -> None:
    """An option keeps its three own fields, and the strike is in the price scale."""
    one = Instrument.from_text(**OPTION)
    assert (one.strike, one.option_side, one.expiry_ns) == (600_000_000, OptionSide.CALL, 1_800_000_000_000_000_000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instrument_id": 0}, "an id of 0"),
        ({"symbol": ""}, "symbol"),
        ({"venue_symbol": " BTC"}, "spaces around"),
        ({"kind": "swap"}, "choose one of spot, perpetual, future, option"),
        ({"tick": "0"}, "a tick of 0"),
        ({"tick": "0.1.2"}, "tick: '0.1.2' is not a decimal number"),
        ({"tick": "1e-2"}, "write all of its digits"),
        ({"tick": ""}, "tick: an empty text"),
        ({"lot": "-1"}, "a lot of"),
        ({"lot": "0.0000000000000000001"}, "more than 18 decimal places"),
        ({"minimum_size": "-1"}, "minimum_size"),
        ({"minimum_notional": "0.00000001"}, "minimum notional: 0.00000001 has more than 7"),
        ({"maker_fee_bps": "0.125"}, "maker fee in bps"),
        ({"taker_fee_bps": "10000"}, "the whole trade or more"),
        ({"inverse": True}, "a spot pair cannot be inverse"),
        ({"multiplier": "10"}, "a spot pair has no contract multiplier"),
        ({"multiplier": "0"}, "a multiplier of 0"),
        ({"kind": "future"}, "future needs an expiry"),
        ({"kind": "perpetual", "expiry_ns": 1}, "perpetual has no expiry"),
        ({"kind": "option", "expiry_ns": 1}, "option needs strike; option needs option_side"),
        ({"strike": "1"}, "spot has no strike"),
        ({"option_side": "both"}, "choose one of call, put"),
        ({"size_scale": 19}, "a size_scale of 19|a scale of 19"),
        ({"price_scale": -1}, "scale of -1"),
    ],
)
def test_what_cannot_be_right_is_refused(change: dict[str, Any], message: str) -> None:
    """Every field that makes no sense is told by name."""
    with pytest.raises(InstrumentError, match=message):
        Instrument.from_text(**SPOT | change)


def test_everything_wrong_is_told_at_once() -> None:
    """One refusal names all the faults, so that a user mends them in one go."""
    with pytest.raises(InstrumentError) as refused:
        Instrument.from_text(**SPOT | {"tick": "x", "lot": "y", "maker_fee_bps": "z"})
    for word in ("BTCUSDT at binance", "tick", "lot", "maker fee"):
        assert word in str(refused.value)


def test_an_instrument_never_changes() -> None:
    """It is frozen, hashable and equal by value."""
    one, same = Instrument.from_text(**SPOT), Instrument.from_text(**SPOT)
    assert one == same
    assert hash(one) == hash(same)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.tick = 5  # type: ignore[misc]


def test_texts_and_steps() -> None:
    """Prices and sizes are read and written at their scale, and rounded to tick and lot."""
    one = Instrument.from_text(**SPOT | {"tick": "0.05", "lot": "0.002"})
    assert one.parse_price("84312.35") == 8_431_235
    assert one.format_price(8_431_235) == "84312.35"
    assert one.parse_size("0.5") == 5_000
    assert one.format_size(5_000) == "0.5000"
    assert one.parse_size("5e-3", allow_exponent=True) == 50
    with pytest.raises(ExponentNotAllowed):
        one.parse_price("5e-3")
    with pytest.raises(TooManyDigits):
        one.parse_price("0.001")
    prices = (one.round_price_down(12), one.round_price_nearest(12), one.round_price_up(12))
    assert prices == (10, 10, 15)
    assert one.round_size_down(59) == 40


@pytest.mark.parametrize(
    ("price", "size", "reason"),
    [
        (5_000_000, 1_000, None),
        (0, 1_000, "outside 0"),
        (-5, 1_000, "outside 0"),
        (MAX_I64 + 1, 1_000, "outside 0"),
        (5_000_000, 0, "size 0.00000 is outside"),
        (5_000_000, MAX_I64 + 1, "outside"),
        (5_000_003, 1_000, "not on the tick of 0.05"),
        (5_000_000, 1_001, "no whole number of lots"),
        (5_000_000, 8, "below the minimum of 0.00010"),
        (5_000_000, 18, "worth 9 USDT, below the minimum of 10"),
        (5_000_000, 20, None),
    ],
)
def test_orders_are_checked_against_the_rules(price: int, size: int, reason: str | None) -> None:
    """An order passes, or the first rule that it breaks is told with both numbers."""
    one = Instrument.from_text(**SPOT | {"tick": "0.05", "lot": "0.00002"})
    answer = one.check_order(price, size)
    assert answer is None if reason is None else reason in (answer or "")


@settings(max_examples=examples(200, 2_000))
@given(instruments(), st.integers(1, MAX_I64), st.integers(1, MAX_I64))
def test_notional_and_fee_are_exact_with_one_rounding(one: Instrument, price: int, size: int) -> None:
    """Money is the exact rational, rounded once: notional down, fee up, for linear and inverse, cost and rebate."""
    contract = Fraction(one.multiplier, 10**one.multiplier_scale)
    real_price, real_size = Fraction(price, 10**one.price_scale), Fraction(size, 10**one.size_scale)
    worth = real_size * contract * (1 / real_price if one.inverse else real_price) * 10**one.money_scale
    assert one.notional(price, size) == floor(worth)
    if not one.inverse:
        assert one.notional(price, size * one.lot) == worth * one.lot
    rates = {
        MAKER: one.maker_fee_ppm,
        TAKER: one.taker_fee_ppm,
        AUCTION: max(one.maker_fee_ppm, one.taker_fee_ppm),
        UNKNOWN_LIQUIDITY: max(one.maker_fee_ppm, one.taker_fee_ppm),
    }
    for liquidity, rate in rates.items():
        assert one.fee(price, size, liquidity) == ceil(worth * rate / 1_000_000)


def table() -> InstrumentTable:
    """Three instruments: one symbol at two venues, and its perpetual."""
    return InstrumentTable(
        [
            Instrument.from_text(**SPOT),
            Instrument.from_text(**SPOT | {"instrument_id": 2, "venue": "kraken", "venue_symbol": "BTC/USDT"}),
            Instrument.from_text(**SPOT | {"instrument_id": 3, "venue_symbol": "BTCUSDT-PERP", "kind": "perpetual"}),
            Instrument.from_text(**SPOT | {"instrument_id": 4, "symbol": "ETH/USDT", "venue_symbol": "ETHUSDT"}),
        ]
    )


def test_the_table_finds_by_id_venue_symbol_and_common_symbol() -> None:
    """Several venues' instruments stand under one common symbol, in the order they were added."""
    instruments_ = table()
    assert len(instruments_) == 4
    assert [one.instrument_id for one in instruments_] == [1, 2, 3, 4]
    assert instruments_.by_id(2).venue == "kraken"
    assert instruments_.by_venue_symbol("kraken", "BTC/USDT").instrument_id == 2
    assert [one.instrument_id for one in instruments_.by_symbol("BTC/USDT")] == [1, 2, 3]
    assert [one.instrument_id for one in instruments_.by_symbol("BTC/USDT", InstrumentKind.SPOT)] == [1, 2]
    assert instruments_.symbols() == ("BTC/USDT", "ETH/USDT")
    assert 4 in instruments_
    assert 5 not in instruments_


def test_the_table_says_what_it_does_not_know() -> None:
    """Each way of asking has a typed error that names what was asked for."""
    instruments_ = table()
    with pytest.raises(UnknownInstrument, match="id 9"):
        instruments_.by_id(9)
    with pytest.raises(UnknownInstrument, match=r"'XRPUSDT' at venue 'binance'"):
        instruments_.by_venue_symbol("binance", "XRPUSDT")
    with pytest.raises(UnknownInstrument, match="XRP/USDT"):
        instruments_.by_symbol("XRP/USDT")


def test_the_table_refuses_duplicates_whole() -> None:
    """A taken id or venue symbol is refused with its holder, and leaves the table as it was."""
    instruments_ = table()
    with pytest.raises(DuplicateInstrument, match="id 1 is taken by BTCUSDT at binance"):
        instruments_.add(Instrument.from_text(**SPOT | {"venue_symbol": "NEW"}))
    with pytest.raises(DuplicateInstrument, match="BTCUSDT at binance is there already, with id 1"):
        instruments_.add(Instrument.from_text(**SPOT | {"instrument_id": 9}))
    assert len(instruments_) == 4
    assert len(instruments_.by_symbol("BTC/USDT")) == 3
    with pytest.raises(UnknownInstrument):
        instruments_.by_venue_symbol("binance", "NEW")
