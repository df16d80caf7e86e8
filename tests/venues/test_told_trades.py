"""Trades that are told once: a number that is far from all others neither silences nor repeats what follows."""

from __future__ import annotations

from market.dialect import Decoder
from market.messages.constants import BUY
from venues.told_trades import MOST_JUMP, ToldTrades


def told(trades: ToldTrades, *numbers: int, are_past: bool = False) -> list[int]:
    """The numbers that are told of a frame with these."""
    decoder = Decoder()
    for number in numbers:
        decoder.add_trade(number, 1, 1, BUY, 1)
    trades.keep_new(decoder, are_past)
    return list(decoder.trade_ids)[: decoder.trade_count]


def test_a_trade_is_told_once() -> None:
    """Repeats are left out, numbers that are not there are counted, and trades of the past move what is told."""
    trades = ToldTrades()
    assert told(trades, 5, 6) == [5, 6]
    assert told(trades, 5, 6, 9) == [9]
    assert trades.skipped == 2
    assert told(trades, 12, are_past=True) == []
    assert told(trades, 11, 12, 13) == [13]


def test_an_absurd_number_does_not_silence_what_follows() -> None:
    """Its trade is told once, and those behind it as if it had not come; the same where it is the first of all."""
    trades = ToldTrades()
    absurd = 10**17
    assert [told(trades, number) for number in (5, 6, absurd, 7, absurd, 7, 8)] == [
        [5], [6], [absurd], [7], [], [], [8],
    ]  # fmt: skip
    trades = ToldTrades()
    assert [told(trades, number) for number in (2**63 - 1, 5, 5, 6, 6, 7)] == [[2**63 - 1], [5], [], [6], [], [7]]


def test_a_numbering_that_goes_on_elsewhere_is_followed() -> None:
    """Two numbers close to each other and far from the others are where the venue numbers now."""
    trades = ToldTrades()
    away = 7 + MOST_JUMP + 1
    assert [told(trades, number) for number in (7, away, away, away + 1, 8, away + 2)] == [
        [7], [away], [], [away + 1], [8], [away + 2],
    ]  # fmt: skip
    again = ToldTrades()
    again.load(trades.save())
    assert told(again, away + 2, away + 3) == [away + 3]
    trades.reset()
    assert told(trades, 3) == [3]
