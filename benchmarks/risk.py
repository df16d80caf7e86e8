"""What it costs to judge one order by every check, from compiled code, beside the same checks in `Decimal`.

Three venues with three levels of quotes a side, as the shipped market maker has; every limit is on. Each order is one
of the open ones at another price or size: nearly all pass, and one in a hundred is refused. The
checksum is over all verdicts. The ledger's own work, which holds the order already, is no part of it.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from time import perf_counter_ns
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from actors.risk_params import RiskParams
from actors.risk_setup import RiskParts
from actors.risk_watched import Watched
from benchmarks.figures import Measured, Run, Sample, figure
from benchmarks.naive_risk import NaiveLimits, NaiveOrder, NaiveRisk
from benchmarks.risk_loops import judge_all
from market.instruments import Instrument, InstrumentTable
from market.messages import BUY, GTC, LIMIT, SELL, ChildOrder, NewOrder, OrderAccepted
from runtime.actor import ActorSetup, Outlet
from runtime.config.rules import DecimalText
from runtime.ledger import Ledger
from runtime.ledger_orders import LedgerOrder

VENUES: Final = (("binance", "0.01", "0.00001"), ("kraken", "0.1", "0.00000001"), ("coinbase", "0.01", "0.00000001"))
LEVELS: Final = 3
ORDERS: Final = 400
ROUNDS: Final = 50
START_NS: Final = 1_700_000_000_000_000_000
STEP_NS: Final = 1_000_000
MID: Final = 60_000
TEXTS: Final = {
    "maximum_order_size": "0.05", "maximum_order_notional": "2400", "maximum_position": "0.3",
    "maximum_group_position": "0.6", "maximum_gross_exposure": "50000", "maximum_net_exposure": "50000",
}  # fmt: skip


def instruments() -> list[Instrument]:
    """One pair at three venues, with ticks and lots of each."""
    return [
        Instrument.from_text(
            instrument_id=number, symbol="BTC/USDT", venue=venue, venue_symbol="BTCUSDT", base="BTC", quote="USDT",
            kind="spot", tick=tick, lot=lot, taker_fee_bps="10",
        )
        for number, (venue, tick, lot) in enumerate(VENUES, start=1)
    ]  # fmt: skip


def settings() -> RiskParams:
    """Every limit on."""
    balances = {f"{venue} {asset}": DecimalText("100000") for venue, _, _ in VENUES for asset in ("BTC", "USDT")}
    return RiskParams(
        **{name: DecimalText(text) for name, text in TEXTS.items()},  # type: ignore[arg-type]
        maximum_daily_loss=DecimalText("1000"), collar_bps=100, fair_collar_bps=100, maximum_positions=3,
        maximum_open_orders=40, maximum_orders=2_000, maximum_requests=2_000, maximum_book_age_ms=10_000,
        refuse_duplicates=True, balances=balances,
    )  # fmt: skip


def open_orders(pairs: list[Instrument]) -> list[tuple[int, int, int, int, int]]:
    """Order id, instrument, side, price and size of what is open: three levels a side at each venue."""
    found: list[tuple[int, int, int, int, int]] = []
    for one in pairs:
        unit = 10**one.price_scale
        for level in range(1, LEVELS + 1):
            for side in (BUY, SELL):
                price = MID * unit - side * level * 2 * unit
                size = one.parse_size("0.01") + level * one.lot
                found.append((len(found) + 1, one.instrument_id, side, price, size))
    return found


def candidates(orders: list[tuple[int, int, int, int, int]], pairs: list[Instrument]) -> list[tuple[int, int, int]]:
    """Which open order is judged, at which price and size: one in a hundred breaks a limit."""
    random = Random(11)
    found: list[tuple[int, int, int]] = []
    for _ in range(ORDERS):
        place = random.randrange(len(orders))
        _, number, side, price, size = orders[place]
        unit = 10 ** pairs[number - 1].price_scale
        price -= side * random.randint(0, 50) * unit // 10
        fault = len(found) % 400
        if fault == 50:
            size = size * 6
        elif fault == 150:
            price -= side * 700 * unit
        elif fault == 250:
            price += side * 20 * unit
        elif fault == 350:
            size = pairs[number - 1].parse_size("0.045")
        found.append((place, price, size))
    return found


class Desk:
    """The checks with their ledger, and the prepared orders."""

    def __init__(self) -> None:
        pairs = instruments()
        ledger = Ledger()
        table = InstrumentTable(pairs)
        setup = ActorSetup("risk", 1, settings(), table, [1, 2, 3], {"risk": 1}, Outlet(ledger, 1_000))
        self.parts = RiskParts(setup, settings())
        orders = open_orders(pairs)
        for order_id, number, side, price, size in orders:
            fields = (order_id, 0, 9, number, side, LIMIT, GTC, price, size, 0, 0, True, False, 0, START_NS)
            for message in (ChildOrder(*fields), NewOrder(*fields), OrderAccepted(order_id, number, "", 0)):
                ledger.observe(message)
        chosen = candidates(orders, pairs)
        for one in self.parts.watched.values():
            unit = 10**one.instrument.price_scale
            one.set_reference(2 * MID * unit, START_NS)
            one.fair_collar.set(2 * MID * unit)
        self.watched: list[Watched] = [self.parts.watched[orders[place][1]] for place, _, _ in chosen]
        self.orders: list[LedgerOrder] = [ledger.open[orders[place][0]] for place, _, _ in chosen]
        self.prices: vec[i64] = vec[i64]([price for _, price, _ in chosen])
        self.sizes: vec[i64] = vec[i64]([size for _, _, size in chosen])
        self.codes: vec[i64] = vec[i64]([0] * len(chosen))

    def judge(self) -> int:
        """Judge all orders once; gives the time that it took."""
        checks = self.parts.checks
        checks.order_window.load([])
        checks.request_window.load([])
        begin_ns = perf_counter_ns()
        judge_all(checks, self.watched, self.orders, self.prices, self.sizes, self.codes, START_NS, STEP_NS)
        return perf_counter_ns() - begin_ns


def subject() -> Sample:
    """Nanoseconds a check in a compiled loop."""
    desk = Desk()
    # The median of the rounds: each is over in a few hundredths of a millisecond, and some meet another process.
    taken_ns = sorted(desk.judge() for _ in range(ROUNDS))[ROUNDS // 2]
    return taken_ns / ORDERS, checksum([int(code) for code in desk.codes])


def naive() -> NaiveRisk:
    """The same limits, orders and accounts in `Decimal`."""
    pairs = instruments()
    limits = NaiveLimits(
        order_size=Decimal(TEXTS["maximum_order_size"]), order_notional=Decimal(TEXTS["maximum_order_notional"]),
        collar_bps=Decimal(100), fair_collar_bps=Decimal(100), position=Decimal(TEXTS["maximum_position"]),
        group_position=Decimal(TEXTS["maximum_group_position"]), positions=3,
        gross=Decimal(TEXTS["maximum_gross_exposure"]), net=Decimal(TEXTS["maximum_net_exposure"]), open_orders=40,
        orders=2_000, requests=2_000, book_age_ns=10_000_000_000,
    )  # fmt: skip
    risk = NaiveRisk(pairs, limits)
    for order_id, number, side, price, size in open_orders(pairs):
        one = pairs[number - 1]
        real_price, real_size = Decimal(one.format_price(price)), Decimal(one.format_size(size))
        risk.orders.append(NaiveOrder(order_id, 9, number, side, real_price, real_size))
    for one in pairs:
        risk.mids[one.instrument_id] = risk.fairs[one.instrument_id] = Decimal(MID)
        risk.told_ns[one.instrument_id] = START_NS
        for asset in ("BTC", "USDT"):
            risk.balances[(one.venue, asset)] = Decimal(100_000)
    return risk


def reference() -> Sample:
    """Nanoseconds a check by the checks as one would write them down."""
    risk = naive()
    pairs = instruments()
    orders = open_orders(pairs)
    prepared: list[tuple[NaiveOrder, Decimal, Decimal]] = []
    for place, price, size in candidates(orders, pairs):
        one = pairs[orders[place][1] - 1]
        told = (Decimal(one.format_price(price)), Decimal(one.format_size(size)))
        prepared.append((risk.orders[place], *told))
    codes: list[int] = []
    now_ns = START_NS
    begin_ns = perf_counter_ns()
    for order, real_price, real_size in prepared:
        now_ns += STEP_NS
        codes.append(risk.verdict(order, real_price, real_size, now_ns))
    taken_ns = perf_counter_ns() - begin_ns
    return taken_ns / ORDERS, checksum(codes)


def checksum(codes: list[int]) -> int:
    """Over all verdicts, in their order."""
    total = 0
    for code in codes:
        total = (total * 31 + code + 2) % (2**61 - 1)
    return total


@figure(name="risk.check_ns", unit="ns", limit=150)
def risk_check(run: Run) -> Measured:
    """One order judged by every check, from compiled code."""
    return run.measure(subject, "Decimal and a walk over all orders", reference)
