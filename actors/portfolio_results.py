"""What is told of the three accounts from time to time: results, the bracket of the fill models, and what is at risk.

Only what has changed since the last time is told, and nothing whose money never had a rate. The bracket compares the
very same orders: the strategy was driven by the queue model, the two others only judge its orders, and their profits
are not what another strategy would have made.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from actors.portfolio_accounts import AT_MID, AT_TOUCH, Account, Result
from actors.portfolio_rates import BASE_SCALE
from market.messages import ExposureChanged, Message, ProfitBracket, ProfitChanged
from runtime.ledger import Ledger
from runtime.ledger_orders import MoneyTerms

HISTORY_KEPT: Final = 240


class Bracket:
    """Six profits of the same orders: three fill models, at the mid and as closed at the touch."""

    def __init__(self, queue: Account, optimistic: Account, pessimistic: Account, strategy_id: int) -> None:
        self.profits: Final[list[int]] = []
        self.known: bool = True
        for account in (queue, optimistic, pessimistic):
            holdings = account.of(strategy_id, 0)
            result = account.result(holdings, AT_MID)
            self.known = self.known and result.known
            self.profits.append(result.profit)
            self.profits.append(account.result(holdings, AT_TOUCH).profit)

    def message(self, strategy_id: int, now_ns: i64) -> ProfitBracket:
        """As it is told."""
        one = self.profits
        return ProfitBracket(strategy_id, 0, one[0], one[1], one[2], one[3], one[4], one[5], now_ns)

    def lowest(self, at: int) -> int:
        """The lowest of the three, at the mid or at the touch."""
        return min(self.profits[at], self.profits[2 + at], self.profits[4 + at])

    def highest(self, at: int) -> int:
        """The highest of the three."""
        return max(self.profits[at], self.profits[2 + at], self.profits[4 + at])


class Results:
    """See the head of this file."""

    def __init__(self, queue: Account, optimistic: Account, pessimistic: Account, starting_value: int) -> None:
        self.queue: Final = queue
        self.optimistic: Final = optimistic
        self.pessimistic: Final = pessimistic
        self.starting_value: Final = starting_value
        self.peak_value: int = starting_value
        # What was told last, by strategy and instrument: parts of results, brackets, exposure.
        self.told: dict[tuple[int, int], list[int]] = {}
        self.told_brackets: dict[int, list[int]] = {}
        self.told_exposure: list[int] = []
        # The whole profit at the mid, one a telling, oldest first.
        self.history: list[int] = []

    def bracket(self, strategy_id: int = 0) -> Bracket:
        """The profits of a strategy, or of all, by the three models."""
        return Bracket(self.queue, self.optimistic, self.pessimistic, strategy_id)

    def is_moving(self) -> bool:
        """Whether results move with the market."""
        return not (self.queue.is_flat() and self.optimistic.is_flat() and self.pessimistic.is_flat())

    def news(self, ledger: Ledger, now_ns: i64) -> list[Message]:
        """What has changed since the last time."""
        found: list[Message] = []
        strategies = self.strategies()
        for strategy_id, instrument_id in self.queue.holdings:
            self.add_profit(strategy_id, instrument_id, now_ns, found)
        for strategy_id in strategies:
            self.add_profit(strategy_id, 0, now_ns, found)
            self.add_bracket(strategy_id, now_ns, found)
        total = self.add_profit(0, 0, now_ns, found)
        self.add_bracket(0, now_ns, found)
        if not total.known:
            return found
        self.history = [*self.history[1 - HISTORY_KEPT :], total.profit]
        self.peak_value = max(self.peak_value, self.starting_value + total.profit)
        self.add_exposure(ledger, self.starting_value + total.profit, now_ns, found)
        return found

    def strategies(self) -> list[int]:
        """Those that ever traded, by any model."""
        found: dict[int, bool] = {}
        for account in (self.queue, self.optimistic, self.pessimistic):
            for key in account.holdings:
                found[key[0]] = True
        return list(found)

    def add_profit(self, strategy_id: int, instrument_id: int, now_ns: i64, found: list[Message]) -> Result:
        """The result of a strategy in an instrument, or of more of them, if it is another one."""
        result = self.queue.result(self.queue.of(strategy_id, instrument_id))
        parts = [result.realised, result.unrealised, result.fees, result.funding]
        key = (strategy_id, instrument_id)
        if result.known and self.told.get(key) != parts:
            self.told[key] = parts
            found.append(
                ProfitChanged(strategy_id, instrument_id, parts[0], parts[1], parts[2], parts[3], now_ns)
            )  # fmt: skip
        return result

    def add_bracket(self, strategy_id: int, now_ns: i64, found: list[Message]) -> None:
        """The bracket of a strategy, or of all, if it is another one."""
        bracket = self.bracket(strategy_id)
        if bracket.known and self.told_brackets.get(strategy_id) != bracket.profits:
            self.told_brackets[strategy_id] = bracket.profits
            found.append(bracket.message(strategy_id, now_ns))

    def add_exposure(self, ledger: Ledger, value: int, now_ns: i64, found: list[Message]) -> None:
        """What is at risk, if it is another."""
        gross, net, working = self.exposure(ledger)
        parts = [gross, net, working, value, self.peak_value]
        if parts != self.told_exposure:
            self.told_exposure = parts
            found.append(ExposureChanged(0, gross, net, working, value, self.peak_value, now_ns))

    def exposure(self, ledger: Ledger) -> tuple[int, int, int]:
        """Gross and net of all positions at the mid, and what open orders could add to gross, each at its worst."""
        gross: int = 0
        net: int = 0
        worst: int = 0
        for number, mark in self.queue.marks.items():
            standing = ledger.standing(number)
            if standing.net_size == 0 and standing.count() == 0:
                continue
            mid = mark.mid
            if mid <= 0:
                continue
            one = mark.instrument
            terms = MoneyTerms(one.money_multiplier, one.money_divisor, one.inverse)
            rate = self.queue.rates.of(one.money_asset)
            above: int = rate.above * 10**BASE_SCALE
            below: int = rate.below * 10**one.money_scale
            held = worth(terms, mid, standing.net_size) * above
            longest = worth(terms, mid, standing.longest()) * above
            shortest = worth(terms, mid, standing.shortest()) * above
            net += held // below
            gross += -(-abs(held) // below)
            worst += -(-max(abs(held), longest, -shortest) // below)
        return gross, net, worst - gross

    # ---- state

    def save(self) -> dict[str, object]:
        """What was told, as plain data."""
        return {
            "peak_value": self.peak_value,
            "told": [[key[0], key[1], *parts] for key, parts in self.told.items()],
            "brackets": [[strategy_id, *profits] for strategy_id, profits in self.told_brackets.items()],
            "exposure": list(self.told_exposure),
            "history": list(self.history),
        }

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, dict)
        self.peak_value = state["peak_value"]
        self.told = {(row[0], row[1]): row[2:] for row in state["told"]}
        self.told_brackets = {row[0]: row[1:] for row in state["brackets"]}
        self.told_exposure = list(state["exposure"])
        self.history = list(state["history"])


def worth(terms: MoneyTerms, mid: int, size: int) -> int:
    """What a size, short below zero, is worth at the mid."""
    return terms.worth(mid, size) if size >= 0 else -terms.worth(mid, -size)
