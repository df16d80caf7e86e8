"""The usual beginning of a venue's frames: it alone says which instrument they name, so a lane asks once for each."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.venue_book_legs import MOST_BEGINNINGS, KeptBook, Leg, Line
from actors.venue_book_recovery import Recovery, RecoveryRules
from actors.venue_lag import VenueLag
from market.dialect import Dialect
from market.instruments import Instrument
from tests.seeds import examples
from venues.binance import BinanceSpot
from venues.binance_futures import BinanceCoinm, BinanceUsdm
from venues.kraken import Kraken
from venues.okx import Okx

DIALECTS = (BinanceSpot(), BinanceUsdm(), BinanceCoinm(), Kraken(), Okx())
SYMBOLS = ("BTCUSDT", "ETHUSDT")


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.venue)
@settings(max_examples=examples(100, 2_000), deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=120), st.binary(max_size=120))
def test_what_comes_after_the_beginning_changes_no_name(
    dialect: Dialect, name: bytes, rest: bytes, other: bytes
) -> None:
    """Two frames that begin as usual and are equal up to the end of the name are of one instrument, or of none."""
    beginning, end = dialect.usual_beginning
    head = beginning + name.replace(end, b"") + end
    assert dialect.venue_symbol(head + rest) == dialect.venue_symbol(head + other)


class CountedSpot(BinanceSpot):
    """Counts how often it is asked for a name."""

    asked = 0

    def venue_symbol(self, frame: bytes) -> str:
        """The name, counted."""
        self.asked += 1
        return super().venue_symbol(frame)


def line_of(dialect: Dialect) -> Line:
    """A connection that brings two instruments."""
    line = Line(0, 1, dialect, True)
    for number, symbol in enumerate(SYMBOLS):
        instrument = Instrument.from_text(
            instrument_id=number + 1, symbol=symbol, venue="binance", venue_symbol=symbol, base="BTC", quote="USDT",
            kind="spot", tick="0.01", lot="0.00001", minimum_size="0.00001", minimum_notional="0", maker_fee_bps="0",
            taker_fee_bps="10",
        )  # fmt: skip
        recovery = Recovery(RecoveryRules(1, 1, 1, 1, 1, 1))
        line.add(Leg(number, line, KeptBook(instrument, True), dialect.decoder(symbol, 2, 5), VenueLag(0), recovery))
    return line


def test_a_line_asks_once_for_each_beginning() -> None:
    """Every frame goes to its own instrument; one of an instrument that is not kept to none, however often it comes."""
    dialect = CountedSpot()
    line = line_of(dialect)
    for _ in range(3):
        for leg, symbol in zip(line.legs, SYMBOLS, strict=True):
            assert line.leg_of_name(b'{"stream":"' + symbol.lower().encode() + b'@trade","data":{}}') is leg
            assert line.leg_of_name(b'{"e":"trade","E":1,"s":"' + symbol.encode() + b'"}') is leg
    assert dialect.asked == len(SYMBOLS) + 3 * len(SYMBOLS)
    for _ in range(3):
        assert line.leg_of_name(b'{"stream":"btcusd@trade","data":{"s":"BTCUSDT"}}') is None
        assert line.leg_of_name(b'{"e":"trade","s":"BTCUSDT","x":"@"}') is line.legs[0]
    assert len(line.leg_begun) == len(SYMBOLS)


def test_what_a_line_remembers_is_bounded() -> None:
    """Spellings without end are understood, and forgotten."""
    line = line_of(BinanceSpot())
    spellings = [
        "".join(letter.lower() if number >> place & 1 else letter for place, letter in enumerate(SYMBOLS[0]))
        for number in range(1 << len(SYMBOLS[0]))
    ]
    for spelling in spellings:
        assert line.leg_of_name(b'{"stream":"' + spelling.encode() + b'@trade"}') is line.legs[0]
    assert len(line.leg_begun) == MOST_BEGINNINGS * len(SYMBOLS)
