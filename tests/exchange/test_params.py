"""The settings of the exchange as a file holds them: nested tables, and errors told with their key."""

from __future__ import annotations

from typing import Any

import pytest
import tomli

from exchange.params import ExchangeParams, amount_of
from exchange.records import ExchangeError
from market.messages import BUY, SELL
from runtime.config.errors import Problem, RuleBroken
from runtime.config.structure import structure_params
from tests.exchange.desk_of_orders import ALICE, BOB, Desk, account, amount, text

GOOD = """
fee_in = "quote"
[limits]
messages = 100
[tiers.vip]
maker_fee_bps = "-0.5"
limits = { messages = 7 }
[accounts.alice]
id = 1
group = 1
tier = "vip"
deposits = { USDT = "100000" }
[accounts.bob]
id = 2
deposits = { BTC = "2", ODD = "0.000000000001" }
[markets.BTCUSDT]
band_bps = 100
maximum_price = "1000"
maximum_size = "5"
[calendar]
open = "09:00"
close = "17:30"
weekdays = ["mon", "tue", "wed", "thu", "fri"]
holidays = ["2026-12-25"]
"""


class Problems:
    """Collects what is wrong."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def add_problem(self, problem: Problem) -> None:
        """Note where a problem is."""
        self.keys.append(".".join(problem.key))


def read(text: str) -> tuple[ExchangeParams | None, list[str]]:
    """The settings in a text, and the keys of what is wrong with them."""
    problems = Problems()
    return structure_params(tomli.loads(text), ExchangeParams, (), problems), problems.keys


def test_nested_tables_make_an_exchange() -> None:
    """Accounts, tiers, limits, markets and the calendar are tables by name; what is left out has its default."""
    params, wrong = read(GOOD)
    assert wrong == []
    assert params is not None
    desk = Desk(params.accounts, tiers=params.tiers, limits=params.limits, markets=params.markets)
    assert desk.balance(ALICE, "USDT") == (amount("100000"), 0)
    assert desk.balance(BOB, "ODD") == (1, 0)
    assert desk.exchange.rules[ALICE].messages == 7
    assert desk.exchange.rules[BOB].messages == 100
    desk.enter(ALICE, BUY, 10_000, 1_000)
    desk.enter(BOB, SELL, 10_000, 1_000)
    assert desk.fills(ALICE)[0].fee == -amount("0.005")
    assert desk.enter(ALICE, BUY, 100_001, 1).refused
    assert desk.enter(ALICE, BUY, 10_000, 5_001).refused
    assert params.calendar.calendar().next_change_ns(0) > 0


@pytest.mark.parametrize(
    ("good", "bad", "key"),
    [
        ("id = 2", "id = 1", "accounts.bob.id"),
        ("id = 2", "id = 0", "accounts.bob.id"),
        ('tier = "vip"', 'tier = "vap"', "accounts.alice.tier"),
        ('"-0.5"', '"-0.555"', "tiers.vip.maker_fee_bps"),
        ('"100000"', "100000", "accounts.alice.deposits.USDT"),
        ('"100000"', '"-1"', "accounts.alice.deposits.USDT"),
        ('"17:30"', '"25:30"', "calendar.close"),
        ('"mon"', '"mo"', "calendar.weekdays"),
        ("2026-12-25", "2026-02-30", "calendar.holidays"),
        ("messages = 100", "messages = 0", "limits.messages"),
        ("band_bps = 100", "band_bps = 0", "markets.BTCUSDT.band_bps"),
        ('fee_in = "quote"', 'fee_in = "base"', "fee_in"),
        ('fee_in = "quote"', "most_orders = 1", "most_orders"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(good: str, bad: str, key: str) -> None:
    """Each wrong setting is named, down to the account, the day or the tier."""
    _, wrong = read(GOOD.replace(good, bad, 1))
    assert [one.split(".[")[0] for one in wrong] == [key]


def test_amounts_are_exact() -> None:
    """Twelve decimal places are kept, more are refused with the key, zeros behind them are none."""
    assert amount_of("1.000000000001", "k") == 10**12 + 1
    assert amount_of("0.1000000000000000", "k") == 10**11
    with pytest.raises(ExchangeError, match=r"deposits\.USDT: 0\.0000000000001 has more"):
        amount_of("0.0000000000001", "deposits.USDT")


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"accounts": {"alice": account(ALICE, USTD="5")}}, ("accounts", "alice", "deposits", "USTD")),
        ({"fee_deposits": {"BTX": text("5")}}, ("fee_deposits", "BTX")),
    ],
)
def test_a_deposit_in_an_asset_that_nothing_trades_is_refused(settings: dict[str, Any], key: tuple[str, ...]) -> None:
    """A slip of the pen is told with its key and the assets that there are."""
    with pytest.raises(RuleBroken, match="that an instrument of the exchange has: BTC, ODD, USDT") as refused:
        Desk(**settings)
    assert refused.value.key == key
    assert refused.value.value == '"5"'
