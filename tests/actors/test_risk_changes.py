"""Limits that change: tighter by anyone, looser only by an operator's command, never by a file."""

from __future__ import annotations

import json

import attrs
import pytest

from actors.risk_limits import MOST, Bound, LimitError, Limits
from actors.risk_params import InstrumentLimits, RiskParams
from market.messages import (
    BUY,
    REJECT_BALANCE,
    ConfigChanged,
    ConfigRefused,
    HaltReset,
    LimitChanged,
    OperatorCommand,
)
from runtime.config.rules import DecimalText
from tests.actors.risk_lane import BINANCE, COINBASE, KRAKEN, RiskLane


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
    assert "start with --limit 'maximum_position:binance BTC/USDT=0.7'" in refused[0].reason
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
    assert "start with --limit 'maximum_position:binance BTC/USDT=1'" in again.of(ConfigRefused)[0].reason
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


def restarted(lane: RiskLane, **limits: object) -> RiskLane:
    """The same state under an edited file, in its next run."""
    again = RiskLane(limits)
    again.core.load(json.loads(json.dumps(lane.core.save())))
    again.now_ns = lane.now_ns
    again.run_began(6)
    again.open_books()
    return again


def test_portfolio_that_an_edited_file_makes_richer_stays_as_it_was() -> None:
    """A higher start would lift the value from its floor; a lower one holds, an operator may set either."""
    floor: dict[str, object] = {"minimum_portfolio_value": DecimalText("900")}
    lane = lane_with(starting_value=DecimalText("1000"), **floor)
    lane.trade(BINANCE, BUY, "60000", "0.1")
    lane.touch(BINANCE, "59500", "59502")
    again = restarted(lane, starting_value=DecimalText("5000"), **floor)
    (refused,) = again.of(ConfigRefused)
    assert refused.key == "starting_value"
    assert "start with --limit 'starting_value=5000'" in refused.reason
    again.touch(BINANCE, "59500", "59502")
    assert again.risk.losses.told()["portfolio_value"] == "950.1"
    fall = again.risk.losses.told()["fall_from_peak"]
    again.take(OperatorCommand("limit", "starting_value=5000", "ann"))
    assert again.risk.losses.told()["portfolio_value"] == "4950.1"
    assert again.risk.losses.told()["fall_from_peak"] == fall
    again.take(OperatorCommand("limit", "starting_value=0", "ann"))
    assert again.core.ledger.halted
    assert "below minimum_portfolio_value 900" in again.core.ledger.halt_reason


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("gateways", {"kraken": "gateway"}, {}),
        ("gateways", {"kraken": "gateway"}, {"kraken": "another"}),
        ("connections", {"kraken": 3}, {}),
        ("rates", {"EUR": "EUR/USDT"}, {}),
        ("leased", True, False),
        ("day_begins", "00:00", "07:30"),
    ],
)
def test_what_is_neither_tighter_nor_looser_waits_for_a_person(name: str, before: object, after: object) -> None:
    """How money is counted and by what orders travel may be edited, but nothing trades before somebody saw it."""
    extra: dict[str, object] = {"parity": {"EUR": DecimalText("9")}} if name == "rates" else {}
    lane = lane_with(**{name: before})
    again = restarted(lane, **{name: after}, **extra)
    assert again.core.ledger.halted
    assert f"the file was edited since the last run: {name}" in again.core.ledger.halt_reason
    refused = {one.key: one.reason for one in again.of(ConfigRefused)}
    assert "end the halt by --reset-halt" in refused[name]
    again.ask(BINANCE, BUY, "60000", "0.1")
    assert again.passed == []
    again.take(HaltReset("ann"))
    again.ask(COINBASE, BUY, "60000", "0.1")
    assert again.passed == [2]
    assert not restarted(again, **{name: after}, **extra).core.ledger.halted


def test_nothing_waits_where_nothing_was_edited() -> None:
    """The order in which a file names venues is no edit."""
    lane = lane_with(gateways={"kraken": "one", "binance": "two"})
    assert not restarted(lane, gateways={"binance": "two", "kraken": "one"}).core.ledger.halted


def test_loosening_ends_no_halt() -> None:
    """Neither by a command nor by a file over a restart: a halt ends by a person's word alone."""
    lane = lane_with(maximum_daily_loss=DecimalText("10"))
    lane.trade(BINANCE, BUY, "60000", "0.1")
    lane.touch(BINANCE, "59000", "59002")
    assert lane.core.ledger.halted
    lane.take(OperatorCommand("limit", "maximum_daily_loss=1000", "ann"))
    lane.touch(BINANCE, "60000", "60002")
    assert lane.core.ledger.halted
    again = restarted(lane, maximum_daily_loss=DecimalText("5000"))
    assert again.core.ledger.halted
    again.ask(BINANCE, BUY, "60000", "0.1")
    assert again.passed == []


def test_limit_that_is_tightened_below_what_was_lost_halts_at_once() -> None:
    """In the same step, not at the next touch."""
    lane = lane_with()
    lane.trade(BINANCE, BUY, "60000", "0.1")
    lane.touch(BINANCE, "59000", "59002")
    assert not lane.core.ledger.halted
    lane.take(OperatorCommand("limit", "maximum_daily_loss=50", "ann"))
    assert lane.core.ledger.halted
    other = lane_with(stop_loss_percent=DecimalText("50"))
    other.trade(BINANCE, BUY, "60000", "0.1")
    other.touch(BINANCE, "59000", "59002")
    other.take(ConfigChanged("actors.risk.params.stop_loss_percent", '"1"'))
    assert "stop_loss_percent" in other.core.ledger.halt_reason


def test_edit_of_what_is_no_limit_is_refused_while_it_runs() -> None:
    """It says what to do instead."""
    lane = lane_with()
    lane.take(ConfigChanged("actors.risk.params.gateways", '{ kraken = "another" }'))
    (refused,) = lane.of(ConfigRefused)
    assert refused.key == "gateways"
    assert "read when a state is begun" in refused.reason
    assert not lane.core.ledger.halted


def test_file_that_speaks_of_all_does_not_speak_of_a_symbol_with_its_own_limit() -> None:
    """What is large for one base is small for another; a command means both."""
    own = {"BTC/EUR": InstrumentLimits(maximum_position=DecimalText("3"), maximum_group_position=DecimalText("9"))}
    lane = lane_with(limits=own, maximum_position=DecimalText("1"))
    lane.take(ConfigChanged("actors.risk.params.maximum_position", '"0.5"'))
    lane.take(ConfigChanged("actors.risk.params.maximum_group_position", '"4"'))
    others = ("binance BTC/USDT", "kraken BTC/USDT", "coinbase BTC/USDT", "kraken EUR/USDT")
    told = {key for key, _, _ in changed(lane)}
    assert told == {f"maximum_position:{one}" for one in others} | {"maximum_group_position:EUR"}
    lane.take(OperatorCommand("limit", "maximum_position=0.1", "ann"))
    assert "maximum_position:kraken BTC/EUR" in {key for key, _, _ in changed(lane)}


def test_limit_that_a_file_switches_off_stays() -> None:
    """For some of them 0 is none."""
    lane = lane_with(maximum_requests=5)
    lane.take(ConfigChanged("actors.risk.params.maximum_requests", "0"))
    (refused,) = lane.of(ConfigRefused)
    assert "cannot be switched off" in refused.reason
    assert changed(lane) == []


def test_collar_around_a_fair_value_that_nobody_hears_is_not_switched_on() -> None:
    """It would let nothing pass, and not say why."""
    lane = lane_with()
    lane.take(OperatorCommand("limit", "fair_collar_bps=50", "ann"))
    assert "no fair value is heard" in lane.of(ConfigRefused)[0].reason
    lane.ask(BINANCE, BUY, "60000", "0.1")
    assert lane.passed == [1]


def test_limits_are_what_may_change_while_it_runs() -> None:
    """Each setting that the file may change then is a limit of one value, so that Risk knows what is tighter."""
    lane = lane_with()
    limits = {one.key for one in lane.risk.limits.bounds}
    assert {one.name for one in attrs.fields(RiskParams) if one.metadata["reload"]} == limits


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
