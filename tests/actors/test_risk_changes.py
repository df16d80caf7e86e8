"""Limits that change: tighter by anyone, looser only by an operator's command, never by a file."""

from __future__ import annotations

import json

import attrs
import pytest

from actors.risk_limits import MOST, Bound, LimitError, Limits
from actors.risk_params import RiskParams
from market.messages import BUY, REJECT_BALANCE, ConfigChanged, ConfigRefused, LimitChanged, OperatorCommand
from runtime.config.rules import DecimalText
from tests.actors.risk_lane import BINANCE, KRAKEN, RiskLane


def lane_with(**limits: object) -> RiskLane:
    """Every book open, wide limits except these."""
    lane = RiskLane(limits)
    lane.open_books()
    return lane


def changed(lane: RiskLane) -> list[tuple[str, int, int]]:
    """Which limits were changed so far, from what to what."""
    assert lane.failures() == []
    return [(one.limit, one.previous, one.bound) for one in lane.of(LimitChanged)]


def test_operator_changes_a_limit_either_way() -> None:
    """The change is told and holds at once, for every instrument or for the one that is named."""
    lane = lane_with(maximum_order_size=DecimalText("0.1"))
    lane.take(OperatorCommand("limit", "maximum_order_size:binance BTC/USDT=0.2", "ann"))
    assert changed(lane) == [("maximum_order_size:binance BTC/USDT", 10_000, 20_000)]
    lane.ask(BINANCE, BUY, "60000", "0.2")
    lane.ask(KRAKEN, BUY, "60000", "0.2")
    assert lane.passed == [1]
    lane.take(OperatorCommand("limit maximum_order_size=0.05", "", "ann"))
    lane.ask(BINANCE, BUY, "60000", "0.06")
    assert lane.passed == [1]
    assert lane.of(LimitChanged)[0].operator == "ann"


def test_operator_switches_a_limit_on_and_off_again() -> None:
    """A limit that the file does not set can be set, and taken away; one that it sets cannot be taken away."""
    lane = lane_with()
    lane.take(OperatorCommand("limit", "maximum_gross_exposure=1000", "ann"))
    lane.ask(BINANCE, BUY, "60000", "0.1")
    assert lane.passed == []
    lane.take(OperatorCommand("limit", "maximum_gross_exposure=off", "ann"))
    lane.ask(BINANCE, BUY, "60000", "0.1")
    assert lane.passed == [2]
    lane.take(OperatorCommand("limit", "maximum_position=off", "ann"))
    assert "cannot be switched off" in lane.of(ConfigRefused)[0].reason


@pytest.mark.parametrize(
    ("argument", "remedy"),
    [
        ("maximum_positon=1", "there is no limit maximum_positon: there are collar_bps"),
        ("maximum_position", "write limit KEY=VALUE"),
        ("maximum_position=much", "maximum_position:"),
        ("maximum_position=-1", "give it a value above 0"),
        ("maximum_position:okx BTC/USDT=1", "it binds binance BTC/USDT"),
        ("maximum_orders:okx=1", "it binds the whole"),
        ("maximum_orders=20000000", "give it a value of at most 1000000"),
        ("collar_bps=10001", "give it a value of at most 10000"),
    ],
)
def test_command_that_cannot_be_followed_says_what_to_write(argument: str, remedy: str) -> None:
    """Nothing changes, and the refusal names the remedy."""
    lane = lane_with()
    lane.take(OperatorCommand("limit", argument, "ann"))
    (refused,) = lane.of(ConfigRefused)
    assert remedy in refused.reason
    assert changed(lane) == []


def test_command_may_set_what_the_file_may() -> None:
    """Limits on numbers end where those of the file end: a larger one would take more memory, or more than 64 bits."""
    for key, most in MOST.items():
        rule = attrs.fields_dict(RiskParams)[key].metadata["rule"]
        if rule is None:  # A switch.
            assert most == 1
            continue
        assert rule.holds(most)
        assert not rule.holds(most + 1)


def test_limit_may_be_larger_than_any_order() -> None:
    """Also beyond 64 bits: it lets everything pass."""
    lane = lane_with(maximum_order_size=DecimalText("9" + "0" * 14), maximum_position=DecimalText("9" + "0" * 14))
    order_id = lane.ask(BINANCE, BUY, "60000", "1")
    assert lane.passed == [order_id]
    assert lane.failures() == []


def test_file_may_tighten_but_not_loosen() -> None:
    """What it may not is refused with the command that may."""
    lane = lane_with(maximum_position=DecimalText("1"))
    lane.take(ConfigChanged("actors.risk.params.maximum_position", '"0.5"'))
    assert changed(lane)[0][2] == 50_000
    lane.take(ConfigChanged("actors.risk.params.maximum_position", '"0.7"'))
    refused = lane.of(ConfigRefused)
    assert "use the command limit maximum_position:binance BTC/USDT=0.7" in refused[0].reason
    lane.ask(BINANCE, BUY, "60000", "0.6")
    assert lane.passed == []
    lane.take(ConfigChanged("actors.other.params.maximum_position", '"0.1"'))
    assert len(lane.of(ConfigRefused)) == len(refused)


def test_file_that_was_edited_between_runs_loosens_nothing() -> None:
    """The limit in force stays, and the new run says so; a tighter one takes effect."""
    lane = lane_with(maximum_position=DecimalText("0.5"))
    again = RiskLane({"maximum_position": DecimalText("1"), "maximum_order_size": DecimalText("0.4")})
    again.core.load(json.loads(json.dumps(lane.core.save())))
    again.now_ns = lane.now_ns
    again.run_began(6)
    again.open_books()
    assert "use the command limit maximum_position:binance BTC/USDT=1" in again.of(ConfigRefused)[0].reason
    again.ask(BINANCE, BUY, "60000", "0.41")
    again.ask(BINANCE, BUY, "60000", "0.4")
    again.ask(BINANCE, BUY, "60000", "0.2")
    assert again.passed == [2]


def test_settings_that_are_edited_between_runs_loosen_nothing() -> None:
    """A shorter window, no age, no self-trade check, less room for cancels, an account that is richer or left out."""
    strict: dict[str, object] = {
        "maximum_orders": 3, "window_ms": 60_000, "maximum_book_age_ms": 1_000, "refuse_self_trade": True,
        "refuse_duplicates": True, "maximum_requests": 9, "cancel_room": 2,
        "balances": {"binance USDT": DecimalText("100000"), "kraken USDT": DecimalText("100")},
    }  # fmt: skip
    loose: dict[str, object] = {
        "maximum_orders": 3, "window_ms": 1, "refuse_self_trade": False, "maximum_requests": 9,
        "balances": {"binance USDT": DecimalText("200000")},
    }  # fmt: skip
    lane = lane_with(**strict)
    again = RiskLane(loose)
    again.core.load(json.loads(json.dumps(lane.core.save())))
    again.run_began(6)
    again.open_books()
    assert {one.key for one in again.of(ConfigRefused)} == {
        "window_ms", "maximum_book_age_ms", "refuse_self_trade", "refuse_duplicates", "cancel_room",
        "balances:binance USDT", "balances:kraken USDT",
    }  # fmt: skip
    again.ask(KRAKEN, BUY, "59990", "0.1")
    assert again.codes() == [REJECT_BALANCE]
    for step in range(5):
        again.pass_ms(2)
        again.ask(BINANCE, BUY, str(59_990 - step), "0.05")
    assert len(again.passed) == 3
    again.take(OperatorCommand("limit", "window_ms=1", "ann"))
    again.ask(BINANCE, BUY, "59980", "0.05")
    assert len(again.passed) == 4
    again.take(OperatorCommand("limit", "balances:kraken USDT=100000", "ann"))
    again.ask(KRAKEN, BUY, "59990", "0.1")
    assert len(again.passed) == 5


def test_what_an_operator_loosened_stays_so_over_a_restart() -> None:
    """As long as the file says what it said."""
    lane = lane_with(maximum_position=DecimalText("0.1"))
    lane.take(OperatorCommand("limit", "maximum_position=0.5", "ann"))
    again = RiskLane({"maximum_position": DecimalText("0.1")})
    again.core.load(json.loads(json.dumps(lane.core.save())))
    again.now_ns = lane.now_ns
    again.run_began(6)
    again.open_books()
    assert again.of(ConfigRefused) == []
    again.ask(BINANCE, BUY, "60000", "0.5")
    assert again.passed == [1]


def test_floor_is_tighter_the_higher_it_is() -> None:
    """Lowering it is loosening."""
    bound = Bound("minimum_portfolio_value", "", 0, 2, "900", floor=True)
    assert bound.is_looser(True, 80_000)
    assert bound.is_looser(False, 0)
    assert not bound.is_looser(True, 95_000)


def test_limit_that_is_off_can_only_become_tighter() -> None:
    """There is nothing looser than none; and a bound of another state that no longer exists is left out."""
    limits = Limits()
    bound = limits.add("maximum_drawdown", None, 8)
    assert not bound.is_looser(True, 1)
    limits.load([["maximum_drawdown", "", False, 0], ["gone", "1", True, 1]])
    assert not bound.on
    with pytest.raises(LimitError, match="cannot be 0"):
        limits.read("maximum_drawdown=0")
