"""Random requests of every kind for an exchange, by few accounts that keep meeting each other and running out of money.

Prices lie close together, so that most orders trade sooner or later; steps, bounds, groups, stops, pegs, icebergs,
hidden orders, all times in force and all modes of self-trade prevention are drawn, good ones mostly.
"""

from __future__ import annotations

from random import Random

from exchange.params import AccountParams
from market.messages import (
    BUY,
    DAY,
    FOK,
    GROUP_BRACKET,
    GROUP_OCO,
    GTC,
    GTD,
    IOC,
    LIMIT,
    MARKET,
    PEG_FAR,
    PEG_MID,
    PEG_NEAR,
    PEGGED,
    SELL,
    STATE_BALANCES,
    STATE_FILLS,
    STATE_OPEN_ORDERS,
    STOP,
    STOP_LIMIT,
    TAKE_PROFIT,
    TAKE_PROFIT_LIMIT,
    TRAILING_STOP,
    TRAILING_STOP_LIMIT,
    EntryWanted,
    Message,
    OrderReported,
)
from tests.exchange.desk_of_orders import (
    ALICE,
    BOB,
    BTC,
    CAROL,
    INSTRUMENTS,
    ODD,
    SECOND,
    START_NS,
    UNIT,
    Desk,
    account,
)

MIDDLE = {BTC: 10_000, ODD: 3_000_000}
STEP = {BTC: (10, 1), ODD: (3 * 997, 7)}
LIMITED = (LIMIT, STOP_LIMIT, TAKE_PROFIT_LIMIT, TRAILING_STOP_LIMIT)
STOPS = (STOP, STOP_LIMIT, TAKE_PROFIT, TAKE_PROFIT_LIMIT)
TRAILING = (TRAILING_STOP, TRAILING_STOP_LIMIT)
PLAIN_TYPES = (LIMIT,) * 6 + (MARKET, *STOPS, *TRAILING, PEGGED)


def poor_accounts() -> dict[str, AccountParams]:
    """Accounts that can pay for a few orders, so that balances and holds decide much of what happens."""
    return {
        "alice": account(ALICE, 1, USDT="3000", BTC="2", ODD="40"),
        "bob": account(BOB, 2, USDT="500", BTC="20", ODD="2"),
        "carol": account(CAROL, 1, USDT="1000.000000000001", BTC="3", ODD="10.000001"),
    }


class Storm:
    """Sends one random request after the other."""

    def __init__(self, desk: Desk, random: Random) -> None:
        self.desk = desk
        self.random = random
        self.bought: dict[tuple[int, str], int] = {}
        self.last: list[Message] = []

    def step(self) -> None:
        """One request, or a while that passes."""
        random, desk = self.random, self.desk
        who = random.choice((ALICE, BOB, CAROL))
        open_orders = desk.open_orders(who)
        kind = random.randrange(100)
        if kind < 55:
            desk.send(self.order(who, random.choice((BTC, BTC, ODD))))
        elif kind < 65:
            self.group(who, random.choice((BTC, BTC, ODD)))
        elif kind < 78 and open_orders:
            desk.cancel(who, random.choice(open_orders))
        elif kind < 90 and open_orders:
            self.change(who, random.choice(open_orders))
        elif kind < 92:
            desk.cancel_all(who, random.choice((0, BTC, ODD)))
        elif kind < 94:
            desk.ask(who, random.choice((STATE_OPEN_ORDERS, STATE_FILLS, STATE_BALANCES)), random.randrange(50))
        elif kind < 96:
            self.transfer(who)
        else:
            desk.expire(desk.now_ns + random.randrange(20) * SECOND)
        self.account_for_fills()

    def change(self, who: int, order_id: int) -> None:
        """Another price, another size or both."""
        order = self.desk.exchange.reports.orders[order_id]
        step, lot = STEP[order.market.instrument_id]
        price = order.price + self.random.choice((0, 0, -2, -1, 1, 2)) * step
        size = order.size + self.random.choice((0, 0, -5, -1, 1, 5, 40)) * lot
        self.desk.replace(who, order_id, price, size)

    def transfer(self, who: int) -> None:
        """A deposit, or a withdrawal of up to everything."""
        accounts = self.desk.exchange.accounts
        chosen = accounts.by_id[who]
        place = self.random.randrange(len(accounts.assets))
        amount = self.random.choice((self.random.randrange(UNIT), -self.random.randrange(1 + chosen.total[place])))
        if not accounts.transfer(chosen, place, amount):
            key = (who, accounts.assets[place])
            self.bought[key] = self.bought.get(key, 0) + amount
        self.desk.exchange.reports.now_ns = self.desk.now_ns
        self.desk.exchange.reports.tell_balances()
        self.desk.listen()

    def price(self, instrument_id: int) -> int:
        """A price near the middle, on the tick."""
        step, _ = STEP[instrument_id]
        return MIDDLE[instrument_id] + self.random.randint(-8, 8) * step

    def size(self, instrument_id: int) -> int:
        """A size of some lots, now and then a large one."""
        _, lot = STEP[instrument_id]
        return self.random.choice((1, 7, 30, 100, 333, 1_500, 20_000)) * lot * (1 if instrument_id == BTC else 60)

    def order(self, who: int, instrument_id: int) -> EntryWanted:
        """An order of any type."""
        random = self.random
        order_type = random.choice(PLAIN_TYPES)
        step, lot = STEP[instrument_id]
        size = self.size(instrument_id)
        price = self.price(instrument_id) if order_type in LIMITED or random.random() < 0.3 else 0
        time_in_force = random.choice((GTC, GTC, GTC, IOC, FOK, GTD, DAY)) if order_type == LIMIT else GTC
        if order_type == MARKET:
            time_in_force = random.choice((IOC, IOC, FOK))
        display = random.choice((0, 0, 0, -1, max(1, size // lot // 5) * lot)) if order_type == LIMIT else 0
        post_only = random.choice((0, 0, 0, 1, 2)) if order_type == LIMIT and time_in_force == GTC else 0
        return self.desk.wanted(
            who, random.choice((BUY, SELL)), price, size, instrument_id=instrument_id, order_type=order_type,
            time_in_force=time_in_force, display_size=display, post_only=post_only,
            stop_price=self.price(instrument_id) if order_type in STOPS else 0,
            expire_ns=self.desk.now_ns + random.randrange(30) * SECOND if time_in_force == GTD else 0,
            self_trade=random.randrange(6), peg_reference=random.choice((PEG_NEAR, PEG_FAR, PEG_MID))
            if order_type == PEGGED else 0,
            offset=random.randint(1, 4) * step if order_type in (*TRAILING, PEGGED) else 0,
            client_order_id=random.choice(("", "", "a", "b", "c")),
        )  # fmt: skip

    def group(self, who: int, instrument_id: int) -> None:
        """A pair, or an entry with its exits."""
        random = self.random
        kind = random.choice((GROUP_OCO, GROUP_BRACKET))
        count = 2 if kind == GROUP_OCO else random.choice((2, 3))
        side = random.choice((BUY, SELL))
        size = self.size(instrument_id)
        entries = []
        for number in range(count):
            is_exit = kind == GROUP_BRACKET and number > 0
            of_pair = kind == GROUP_OCO and random.random() < 0.5
            order_type = random.choice((LIMIT, LIMIT, *STOPS, *TRAILING))
            if kind == GROUP_BRACKET and number == 0:
                order_type = random.choice((LIMIT, LIMIT, LIMIT, MARKET, STOP))
            entries.append(
                self.desk.wanted(
                    who, -side if is_exit else side, self.price(instrument_id) if order_type in LIMITED else 0,
                    self.size(instrument_id) if of_pair else size, instrument_id=instrument_id,
                    order_type=order_type, stop_price=self.price(instrument_id) if order_type in STOPS else 0,
                    offset=STEP[instrument_id][0] * random.randint(1, 3) if order_type in TRAILING else 0,
                    self_trade=random.randrange(6), group_kind=kind, group_count=count,
                )
            )  # fmt: skip
        self.desk.send_group(*entries)

    # ---- a second account of everything, from the reports alone

    def account_for_fills(self) -> None:
        """Add up what the fills that were told say about balances, and forget what was said."""
        for report in self.desk.of(OrderReported):
            if report.trade_id and report.event:
                self.add_fill(report)
        self.last = [*self.desk.heard]
        self.desk.heard.clear()

    def add_fill(self, report: OrderReported) -> None:
        """One side of a trade."""
        instrument = INSTRUMENTS[report.instrument_id - 1]
        size = report.trade_size * 10 ** (12 - instrument.size_scale)
        money = report.trade_price * report.trade_size * 10 ** (12 - instrument.money_scale)
        side = report.side
        for asset, change in ((instrument.base, side * size), (instrument.quote, -side * money)):
            key = (report.account_id, asset)
            self.bought[key] = self.bought.get(key, 0) + change
        for who, change in ((report.account_id, -report.fee), (0, report.fee)):
            key = (who, report.fee_asset)
            self.bought[key] = self.bought.get(key, 0) + change

    def check_reports(self, began: dict[tuple[int, str], int]) -> None:
        """The balances are what the deposits and the fills that were told make of them."""
        for (who, asset), amount in began.items():
            assert self.desk.balance(who, asset)[0] == amount + self.bought.get((who, asset), 0)


def totals(desk: Desk) -> dict[tuple[int, str], int]:
    """What every account has of every asset."""
    assets = desk.exchange.accounts.assets
    return {(who, asset): desk.balance(who, asset)[0] for who in (0, ALICE, BOB, CAROL) for asset in assets}


def stormy(seed: int, steps: int, fee_in: str = "quote", most_triggers: int = 3) -> Desk:
    """A storm of so many steps; gives the exchange after it."""
    random = Random(seed)
    desk = Desk(poor_accounts(), fee_in=fee_in, most_triggers=most_triggers, fills_kept=20, ended_kept=10)
    began = totals(desk)
    storm = Storm(desk, random)
    for _ in range(steps):
        storm.step()
    storm.check_reports(began)
    assert desk.now_ns >= START_NS
    return desk
