"""What `Portfolio` tells people: positions, results by model, last fills and markouts as text. It decides nothing."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from actors.markouts import Markouts
from actors.portfolio_accounts import AT_MID, AT_TOUCH, Account, Holding, Mark, Result
from actors.portfolio_rates import BASE_SCALE
from actors.portfolio_results import Results
from market.instruments import Instrument
from market.messages import BUY, MAKER, TAKER, OrderFilled
from market.numbers import format_decimal_short

# Money on a screen has this many decimals, and so has a result in its history.
SHOWN_SCALE: Final = 2
ROWS_KEPT: Final = 40
SAME_ORDERS: Final = "same orders"
# A result in money that never had a rate.
NOT_KNOWN: Final = "unknown"


class Traded:
    """What was traded in one instrument since the beginning."""

    def __init__(self) -> None:
        self.fills: i64 = 0
        self.maker_fills: i64 = 0
        self.size: int = 0
        self.notional: int = 0

    def add(self, instrument: Instrument, fill: OrderFilled) -> None:
        """One fill more."""
        self.fills += 1
        if fill.liquidity == MAKER:
            self.maker_fills += 1
        size: int = fill.size
        self.size += size
        self.notional += instrument.notional(fill.price, fill.size)

    def save(self) -> list[int]:
        """The sums as plain data."""
        return [self.fills, self.maker_fills, self.size, self.notional]

    def load(self, row: list[int]) -> None:
        """Take back what `save` gave."""
        self.fills, self.maker_fills, self.size, self.notional = row[0], row[1], row[2], row[3]


class FillRow:
    """One of the last fills; its texts are made when somebody looks, and only once."""

    def __init__(
        self, time_ns: i64, instrument_id: i64, side: i64, price: i64, size: i64, liquidity: i64, fee: int
    ) -> None:
        self.time_ns: Final = time_ns
        self.instrument_id: Final = instrument_id
        self.side: Final = side
        self.price: Final = price
        self.size: Final = size
        self.liquidity: Final = liquidity
        self.fee: Final = fee
        self.shown: dict[str, object] | None = None

    def told(self, instrument: Instrument) -> dict[str, object]:
        """The fill as text."""
        shown = self.shown
        if shown is None:
            liquidity = "maker" if self.liquidity == MAKER else "taker" if self.liquidity == TAKER else ""
            shown = {
                "time_ns": int(self.time_ns),
                "venue": instrument.venue,
                "symbol": instrument.symbol,
                "side": "buy" if self.side == BUY else "sell",
                "price": instrument.format_price(self.price),
                "size": instrument.format_size(self.size),
                "liquidity": liquidity,
                "fee": instrument.format_money(self.fee),
            }
            self.shown = shown
        return shown

    def save(self) -> list[int]:
        """The fill as plain data."""
        return [self.time_ns, self.instrument_id, self.side, self.price, self.size, self.liquidity, self.fee]


class Words:
    """See the head of this file."""

    def __init__(
        self, names: dict[int, str], marks: dict[int, Mark], results: Results, markouts: Markouts,
        traded: dict[int, Traded],
    ) -> None:  # fmt: skip
        self.names: Final = names
        self.marks: Final = marks
        self.results: Final = results
        self.markouts: Final = markouts
        self.traded: Final = traded
        self.account: Final[Account] = results.queue
        self.currency: Final[str] = results.queue.rates.currency

    # ---- the end of a run

    def summary(self) -> dict[str, object]:
        """Positions and results as decimal text: by symbol and venue, strategy, group and fill model."""
        instruments: dict[str, object] = {}
        words: list[str] = []
        symbols = [mark.instrument.symbol for mark in self.marks.values()]
        for number, mark in self.marks.items():
            one = mark.instrument
            # A symbol that is traded at one venue only is named by itself.
            name = one.symbol if symbols.count(one.symbol) == 1 else f"{one.symbol} {one.venue}"
            row = self.instrument_row(number, mark)
            instruments[name] = row
            if self.traded[number].fills > 0 or len(self.marks) == 1:
                words.append(f"{name} {row['position']}, profit {row['profit']} {one.money_asset}")
        total = self.account.result(self.account.of(0, 0))
        if len(self.marks) > 1:
            words.insert(0, f"profit {self.money(total.profit, total.known)} {self.currency}")
        return {
            "status": "; ".join(words),
            "currency": self.currency,
            "profit": self.exact(total.profit, total.known),
            "total": self.parts(total),
            "instruments": instruments,
            "strategies": {
                self.name(strategy_id): self.parts(self.account.result(self.account.of(strategy_id, 0)))
                for strategy_id in self.results.strategies()
            },
            "venues": self.by("venue"),
            "groups": self.by("group"),
            "models": self.models(),
            "bracket": self.bracket(),
            "markouts": self.markouts.told(),
        }

    def instrument_row(self, number: int, mark: Mark) -> dict[str, object]:
        """One instrument over all strategies, in its own money."""
        one = mark.instrument
        net, total = self.account.held(number)
        traded = self.traded[number]
        return {
            "position": one.format_size(net),
            "mark": "" if mark.mid == 0 else one.format_price(mark.mid),
            "currency": one.money_asset,
            "realised": one.format_money(total.realised),
            "unrealised": one.format_money(total.unrealised),
            "fees": one.format_money(total.fees),
            "funding": one.format_money(total.funding),
            "profit": one.format_money(total.profit),
            "fills": int(traded.fills),
            "maker_fills": int(traded.maker_fills),
            "traded_size": one.format_size(traded.size),
            "traded_notional": one.format_money(traded.notional),
        }

    def by(self, what: str) -> dict[str, object]:
        """Positions and results by venue, or by group of one base asset."""
        holdings: dict[str, list[Holding]] = {}
        for holding in self.account.holdings.values():
            one = holding.mark.instrument
            holdings.setdefault(one.venue if what == "venue" else one.base, []).append(holding)
        told: dict[str, object] = {}
        for name, found in holdings.items():
            row = self.parts(self.account.result(found))
            if what == "group":
                row["position"] = group_size(found)
            told[name] = row
        return told

    def parts(self, result: Result) -> dict[str, object]:
        """A result in the common currency."""
        return {
            "realised": self.exact(result.realised, result.known),
            "unrealised": self.exact(result.unrealised, result.known),
            "fees": self.exact(result.fees, result.known),
            "funding": self.exact(result.funding, result.known),
            "profit": self.exact(result.profit, result.known),
        }

    def models(self) -> dict[str, object]:
        """Profit, fills and inventory by fill model."""
        told: dict[str, object] = {}
        for name, account in (
            ("queue", self.results.queue),
            ("optimistic", self.results.optimistic),
            ("pessimistic", self.results.pessimistic),
        ):
            holdings = account.of(0, 0)
            groups: dict[str, list[Holding]] = {}
            for holding in holdings:
                groups.setdefault(holding.mark.instrument.base, []).append(holding)
            at_mid, at_touch = account.result(holdings, AT_MID), account.result(holdings, AT_TOUCH)
            told[name] = {
                "profit_at_mid": self.exact(at_mid.profit, at_mid.known),
                "profit_at_touch": self.exact(at_touch.profit, at_touch.known),
                "fees": self.exact(at_mid.fees, at_mid.known),
                "fills": int(account.fills),
                "inventory": {base: group_size(found) for base, found in groups.items()},
            }
        return told

    def bracket(self) -> dict[str, object]:
        """The lowest and the highest of the three profits of the same orders."""
        one = self.results.bracket()
        names = ("queue", "queue_at_touch", "optimistic", "optimistic_at_touch", "pessimistic", "pessimistic_at_touch")
        told: dict[str, object] = {
            "label": SAME_ORDERS,
            "low": self.money(one.lowest(AT_MID), one.known),
            "high": self.money(one.highest(AT_MID), one.known),
            "low_at_touch": self.money(one.lowest(AT_TOUCH), one.known),
            "high_at_touch": self.money(one.highest(AT_TOUCH), one.known),
        }
        for name, profit in zip(names, one.profits, strict=True):
            told[name] = self.money(profit, one.known)
        return told

    # ---- a dashboard

    def panel(self, fills: list[FillRow]) -> dict[str, object]:
        """Positions, bracket, last fills, markouts and the course of the profit."""
        return {
            "kind": "portfolio",
            "currency": self.currency,
            "positions": self.positions(),
            "bracket": self.bracket(),
            "fills": [row.told(self.marks[row.instrument_id].instrument) for row in fills],
            "markouts": self.markouts.told(),
            "profit_history": [profit / 10**BASE_SCALE for profit in self.results.history],
            "total": self.shown(self.account.result(self.account.of(0, 0))),
        }

    def shown(self, result: Result) -> dict[str, str]:
        """A result for a screen."""
        return {
            "realised": self.money(result.realised, result.known),
            "unrealised": self.money(result.unrealised, result.known),
            "fees": self.money(result.fees, result.known),
            "profit": self.money(result.profit, result.known),
        }

    def positions(self) -> list[dict[str, object]]:
        """One row for each strategy and instrument."""
        rows: list[dict[str, object]] = []
        for holding in list(self.account.holdings.values())[:ROWS_KEPT]:
            one = holding.mark.instrument
            position = holding.position
            result = self.account.in_currency(holding, holding.result())
            average = position.average_price()
            price = "" if average is None else one.format_price(average[0] // average[1])
            rows.append(
                {
                    "strategy": self.name(holding.strategy_id),
                    "symbol": one.symbol,
                    "venue": one.venue,
                    "net": one.format_size(position.net_size),
                    "average": price,
                    "mark": "" if holding.mark.mid == 0 else one.format_price(holding.mark.mid),
                    **self.shown(result),
                }
            )
        return rows

    # ---- texts

    def name(self, strategy_id: int) -> str:
        """A strategy by its name in the configuration."""
        return self.names.get(strategy_id, str(strategy_id))

    def exact(self, amount: int, known: bool) -> str:
        """An amount of the common currency, to its last unit."""
        return NOT_KNOWN if not known else format_decimal_short(amount, BASE_SCALE)

    def money(self, amount: int, known: bool) -> str:
        """An amount of the common currency for a screen: two decimals, rounded down."""
        if not known:
            return NOT_KNOWN
        cents: int = amount // 10 ** (BASE_SCALE - SHOWN_SCALE)
        sign = "-" if cents < 0 else ""
        return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def group_size(holdings: list[Holding]) -> str:
    """The position in one base asset over several instruments, in base."""
    scale = max((one.mark.instrument.size_scale + one.mark.instrument.multiplier_scale for one in holdings), default=0)
    total: int = 0
    for holding in holdings:
        one = holding.mark.instrument
        net: int = holding.position.net_size
        larger: int = 10 ** (scale - one.size_scale - one.multiplier_scale)
        total += net * one.multiplier * larger
    return format_decimal_short(total, scale)
