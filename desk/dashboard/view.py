"""What a dashboard knows: the greeting, the newest state, and the little that it remembers itself.

Panels are written by actors, also those of users: nothing in them is trusted to be there or to be of a type, and what
is not understood is not drawn. Rates and the course of the profit are the dashboard's own memory, and are bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import attrs

from desk.dashboard.text import clean
from market.numbers import format_decimal, format_decimal_short

NANOSECONDS = 1_000_000_000
# No state for so long: what is shown is old.
OLD_SECONDS = 3.0
HISTORY = 600
HISTORY_SECONDS = 1.0
# Fractions of a unit of money that the course of the profit is remembered in.
PROFIT_PARTS = 1_000_000
MOST_DRAWN = 10**15
MODELS = ("pessimistic", "queue", "optimistic")


def rows_of(told: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The tables under a key."""
    rows = told.get(key)
    return [one for one in rows if isinstance(one, dict)] if isinstance(rows, list | tuple) else []


def list_of(told: Mapping[str, Any], key: str) -> list[Any]:
    """The list under a key."""
    found = told.get(key)
    return list(found) if isinstance(found, list | tuple) else []


def table_of(told: Mapping[str, Any], key: str) -> dict[Any, Any]:
    """The table under a key."""
    found = told.get(key)
    return found if isinstance(found, dict) else {}


def number_of(told: Mapping[str, Any], key: str) -> int:
    """The whole number under a key, 0 where there is none."""
    return whole(told.get(key))


def text_of(told: Mapping[str, Any], key: str) -> str:
    """The text under a key; empty where there is nothing."""
    found = told.get(key)
    return "" if found is None else clean(found)


def whole(value: object) -> int:
    """A number as a whole one, 0 where it is none."""
    if isinstance(value, bool | int):
        return int(value)
    return int(value) if isinstance(value, float) and abs(value) < 1e15 else 0


def share_of(value: object) -> float:
    """A number between 0 and 1, for a bar."""
    if isinstance(value, bool | int | float) and value == value:
        return max(0.0, min(1.0, float(value)))
    return 0.0


def numbers_of(told: Mapping[str, Any], key: str) -> list[int]:
    """The whole numbers under a key."""
    return [whole(one) for one in list_of(told, key)]


def decimal_of(text: object) -> Decimal | None:
    """The number that a text tells, where it tells one."""
    try:
        found = Decimal(str(text).replace(",", "").split(" ")[0])
    except (InvalidOperation, IndexError):
        return None
    return found if found.is_finite() else None


def parts_of(amount: object) -> int:
    """An amount in small parts, for a drawing; nothing that can be drawn is 0."""
    found = decimal_of(amount)
    return int(found * PROFIT_PARTS) if found is not None and abs(found) < MOST_DRAWN else 0


def bracket_of(portfolios: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The bracket of one portfolio as it is; that of several, which must have one currency, model by model."""
    brackets = [table_of(one, "bracket") for one in portfolios]
    if len(brackets) <= 1 or len({text_of(one, "currency") for one in portfolios}) > 1:
        return brackets[0] if brackets else {}
    sums: dict[str, Any] = {}
    for key in (*MODELS, *(f"{model}_at_touch" for model in MODELS)):
        amounts = [decimal_of(one.get(key)) for one in brackets]
        known = [amount for amount in amounts if amount is not None]
        if len(known) == len(amounts):
            sums[key] = str(sum(known))
    totals = [Decimal(sums[model]) for model in MODELS if model in sums]
    return {**sums, "low": str(min(totals)), "high": str(max(totals))} if totals else {}


def style_of_amount(text: object) -> str:
    """The colour of money: lost or won."""
    amount = decimal_of(text)
    return "" if not amount else "bad" if amount < 0 else "good"


def duration_text(nanoseconds: int) -> str:
    """A duration of a latency in few characters: 850 ns, 12.3 µs, 4.5 ms."""
    if nanoseconds < 1_000:
        return f"{nanoseconds} ns"
    for unit, size in (("µs", 1_000), ("ms", 1_000_000), ("s", NANOSECONDS)):
        if nanoseconds < size * 1_000 or unit == "s":
            tenths = nanoseconds * 10 // size
            return f"{tenths // 10}.{tenths % 10} {unit}" if tenths < 1_000 else f"{tenths // 10} {unit}"
    return ""


def clock_text(now_ns: int) -> str:
    """The time of day, UTC."""
    seconds = now_ns // NANOSECONDS % 86_400
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def uptime_text(nanoseconds: int) -> str:
    """How long it runs."""
    seconds = max(0, nanoseconds) // NANOSECONDS
    days, rest = divmod(seconds, 86_400)
    text = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}d {text}" if days else text


def count_text(number: int) -> str:
    """A count in few characters: 950, 12.3k, 4.5M."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if abs(number) >= (size * 10 if unit == "k" else size):
            return f"{number // size}{unit}" if abs(number) >= size * 100 else f"{number * 10 // size / 10:.1f}{unit}"
    return str(number)


@attrs.frozen
class Traded:
    """One instrument as the greeting tells it."""

    instrument_id: int
    symbol: str
    venue: str
    base: str
    quote: str
    price_scale: int
    size_scale: int

    def price(self, number: int) -> str:
        """A price in words."""
        return format_decimal(number, self.price_scale)

    def size(self, number: int) -> str:
        """A size in words."""
        return format_decimal(number, self.size_scale)

    def short_size(self, number: int) -> str:
        """A size in words, without zeros at its end."""
        return format_decimal_short(number, self.size_scale)


@attrs.frozen
class OpenOrder:
    """One open order as the state tells it."""

    order_id: int
    strategy_id: int
    instrument_id: int
    side: str
    price: int
    size: int
    filled: int
    state: str


UNKNOWN = Traded(0, "?", "?", "?", "?", 0, 0)


class View:
    """See the head of this file."""

    def __init__(self) -> None:
        self.hello: dict[str, Any] = {}
        self.state: dict[str, Any] = {}
        self.traded: dict[int, Traded] = {}
        self.actors: dict[int, str] = {}
        self.heard_at = 0.0
        self.states = 0
        self.profits: deque[int] = deque(maxlen=HISTORY)
        self.orders: list[OpenOrder] = []
        self.rates: dict[str, float] = {}
        self._panels: list[tuple[str, dict[str, Any]]] = []
        self._remembered_at = -HISTORY_SECONDS
        self._rated: tuple[int, dict[str, int]] = (0, {})

    # ---- what comes

    def greet(self, hello: dict[str, Any], now: float) -> None:
        """Take what stays."""
        self.hello = hello
        self.heard_at = now
        self.traded = {
            whole(number): _traded(whole(number), one)
            for number, one in table_of(hello, "instruments").items()
            if isinstance(one, dict)
        }
        self.actors = {whole(number): clean(name) for number, name in table_of(hello, "actors").items()}

    def update(self, state: dict[str, Any], now: float) -> None:
        """Take what changes."""
        self.state = state
        self.states += 1
        self.heard_at = now
        self._panels = [
            (clean(one[0]), one[1])
            for one in list_of(state, "panels")
            if isinstance(one, list | tuple) and len(one) == 2 and isinstance(one[1], dict)
        ]
        self.orders = [
            OpenOrder(
                whole(one[0]), whole(one[1]), whole(one[2]), clean(one[3]), whole(one[4]), whole(one[5]),
                whole(one[6]), clean(one[7]),
            )
            for one in list_of(state, "orders")
            if isinstance(one, list | tuple) and len(one) == 8
        ]  # fmt: skip
        self._remember(now)
        self._rate()

    def _remember(self, now: float) -> None:
        if now - self._remembered_at < HISTORY_SECONDS:
            return
        self._remembered_at = now
        amount = decimal_of(self.bracket().get("queue"))
        if amount is not None:
            self.profits.append(parts_of(amount))

    def _rate(self) -> None:
        """How much of what is counted came in the last second or so."""
        now_ns = number_of(self.state, "now_ns")
        then_ns, before = self._rated
        elapsed_ns = now_ns - then_ns
        if 0 < elapsed_ns < NANOSECONDS:
            return
        counts = {f"lane {text_of(one, 'name')}": number_of(one, "inputs") for one in rows_of(self.state, "lanes")}
        for row in list_of(self.state, "actors"):
            if isinstance(row, list | tuple) and len(row) >= 4:
                counts[clean(row[0])] = whole(row[3])
        if then_ns and elapsed_ns > 0:
            self.rates = {
                name: max(0, count - before.get(name, count)) * NANOSECONDS / elapsed_ns
                for name, count in counts.items()
            }
        self._rated = (now_ns, counts)

    # ---- questions

    def is_old(self, now: float) -> bool:
        """Whether what is shown may no longer be so."""
        return now - self.heard_at > OLD_SECONDS

    def instrument(self, instrument_id: int) -> Traded:
        """An instrument by its number."""
        return self.traded.get(instrument_id, UNKNOWN)

    def panels(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        """The panels of a kind, each with the name of its actor."""
        return [one for one in self._panels if one[1].get("kind") == kind]

    def all_panels(self) -> list[tuple[str, dict[str, Any]]]:
        """Every panel with the name of its actor."""
        return list(self._panels)

    def panel(self, kind: str) -> dict[str, Any]:
        """The first panel of a kind; empty where there is none."""
        return next((panel for _, panel in self._panels if panel.get("kind") == kind), {})

    def rows(self, kind: str, key: str) -> list[dict[str, Any]]:
        """The tables under a key of all panels of a kind: there may be one for each lane."""
        return [row for _, panel in self.panels(kind) for row in rows_of(panel, key)]

    def texts(self, kind: str, key: str) -> list[str]:
        """The texts under a key of all panels of a kind."""
        return [clean(one) for _, panel in self.panels(kind) for one in list_of(panel, key)]

    def bracket(self) -> dict[str, Any]:
        """Profit and loss by the three models; of several portfolios in one currency, the sums."""
        return bracket_of([panel for _, panel in self.panels("portfolio")])

    def course(self) -> list[int]:
        """The course of the profit: as the one portfolio remembers it, or as this dashboard does."""
        told = [panel for _, panel in self.panels("portfolio")]
        history = list_of(told[0], "profit_history") if len(told) == 1 else []
        parts = [parts_of(one) for one in history]
        return parts if len(parts) > 1 else list(self.profits)

    def currency(self) -> str:
        """What money is counted in."""
        return text_of(self.panel("portfolio"), "currency")

    def books(self) -> list[dict[str, Any]]:
        """Every book of every venue, in the order of the instruments."""
        found = [book for _, panel in self.panels("book") for book in rows_of(panel, "books")]
        return sorted(found, key=lambda one: number_of(one, "instrument_id"))

    def groups(self) -> list[dict[str, Any]]:
        """Every aggregated book."""
        return [group for _, panel in self.panels("aggregated") for group in rows_of(panel, "groups")]

    def bases(self) -> list[str]:
        """What is traded, in the order of the instruments: pages that show one thing show one of these."""
        return list(dict.fromkeys(one.base for one in self.traded.values()))

    def own(self, instrument_id: int, side: str) -> dict[int, int]:
        """What is left of our orders in an instrument, by price."""
        sizes: dict[int, int] = {}
        for order in self.orders:
            if order.instrument_id == instrument_id and order.side == side:
                sizes[order.price] = sizes.get(order.price, 0) + order.size - order.filled
        return sizes

    def actor_name(self, actor_id: int) -> str:
        """An actor by its number."""
        return self.actors.get(actor_id, str(actor_id))

    def quotes_paused(self) -> bool:
        """Whether quoting is paused, by an operator of this run or of an earlier one."""
        told = any(panel.get("paused") is True for _, panel in self.panels("orders"))
        return told or bool(self.state.get("paused"))

    def total(self, key: str) -> int:
        """A count over the lanes whose ledgers know every order."""
        return sum(number_of(one, key) for one in rows_of(self.state, "lanes") if one.get("complete"))


def _traded(number: int, told: dict[str, Any]) -> Traded:
    return Traded(
        number, text_of(told, "symbol"), text_of(told, "venue"), text_of(told, "base"), text_of(told, "quote"),
        max(0, min(18, number_of(told, "price_scale"))), max(0, min(18, number_of(told, "size_scale"))),
    )  # fmt: skip
