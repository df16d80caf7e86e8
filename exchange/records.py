"""What the exchange keeps in memory: accounts, open orders, groups of orders, markets, sessions.

Plain holders with exact integers; the rules stand in the modules that use them. Amounts of assets are integers at
10^-12. What can be derived from the rest, holds above all, is never saved.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from exchange.statistics import Statistics
from market.matching.engine import MatchingEngine
from market.matching.settings import MatchingSettings
from market.messages import BUY, GROUP_NONE, STATUS_TRADING, EntryWanted, OrderReported

AMOUNT_SCALE: Final = 12
PPM: Final = 1_000_000
# No engine takes an iceberg of as many; the bound keeps sums of what clients only ask for within 64 bits.
MOST_SLICES: Final[i64] = 2**40


class ExchangeError(ValueError):
    """A configuration that the exchange cannot work with; the message says what to change."""


class Market:
    """One instrument: its engine, its assets, the factors that turn its integers into amounts, its public counters."""

    def __init__(
        self,
        place: i64,
        instrument_id: i64,
        name: str,
        base: i64,
        quote: i64,
        money_factor: int,
        size_factor: int,
        tick: i64,
        lot: i64,
        settings: MatchingSettings,
        engine: MatchingEngine,
    ) -> None:
        self.place: Final[i64] = place
        self.instrument_id: Final[i64] = instrument_id
        self.name: Final = name
        self.base: Final[i64] = base
        self.quote: Final[i64] = quote
        # Price times size, and size, times these are amounts.
        self.money_factor: Final = money_factor
        self.size_factor: Final = size_factor
        # The smallest step of price times size, as an amount.
        wide_tick: int = tick
        wide_lot: int = lot
        self.money_step: Final[int] = wide_tick * wide_lot * money_factor
        self.tick: Final[i64] = tick
        self.lot: Final[i64] = lot
        self.maximum_price: Final[i64] = settings.maximum_price
        self.band_ppm: Final[i64] = settings.band_ppm
        self.most_orders: Final[i64] = settings.most_orders
        self.engine: Final = engine
        # From here on the engine notes which levels change.
        engine.clear_touched()
        # How an administrator wants it to trade; outside of a session it is closed all the same.
        self.wanted_status: i64 = STATUS_TRADING
        self.status: i64 = STATUS_TRADING
        self.update_id: i64 = 0
        # Levels that had changed and were not published when the state was saved that this one was loaded from.
        self.unpublished: list[tuple[int, int]] = []
        # Open orders, an iceberg counted once for each of its slices.
        self.open_slices: i64 = 0
        self.statistics: Final = Statistics()


class FeeTerms:
    """What an account pays in one market, in parts per million, and how much a hold adds for rounding."""

    def __init__(self, maker_ppm: i64, taker_ppm: i64, market: Market) -> None:
        self.maker_ppm: Final[i64] = maker_ppm
        self.taker_ppm: Final[i64] = taker_ppm
        highest: int = max(maker_ppm, taker_ppm, 0)
        wide_lot: int = market.lot
        self.hold_ppm: Final[i64] = highest
        # Each fill rounds its fee up, by less than one unit. Where no fee at the highest rate can have a fraction, and
        # so none at a lower rate can round to more than it, nothing is added; else one unit a lot, for there are no
        # more fills than lots.
        self.money_lot: Final[i64] = 0 if (market.money_step * highest) % PPM == 0 else market.lot
        self.base_lot: Final[i64] = 0 if (wide_lot * market.size_factor * highest) % PPM == 0 else market.lot


class Account:
    """One account: balances by the place of the asset, open orders, what ended lately, fills, limits."""

    def __init__(self, account_id: i64, name: str, group: i64, assets: i64, terms: list[FeeTerms]) -> None:
        self.account_id: Final[i64] = account_id
        self.name: Final = name
        self.group: Final[i64] = group
        self.terms: Final = terms
        self.total: list[int] = [0] * assets
        self.held: list[int] = [0] * assets
        self.changed: list[bool] = [False] * assets
        self.sequence: i64 = 0
        self.orders: dict[int, OpenOrder] = {}
        self.by_client: dict[str, OpenOrder] = {}
        # What ended lately: order ids in a ring, and where a client's id was last used.
        self.ended: list[int] = []
        self.ended_clients: list[str] = []
        self.ended_at: i64 = 0
        self.ended_orders: dict[int, bool] = {}
        self.ended_by_client: dict[str, int] = {}
        self.fills: list[OrderReported] = []
        self.fills_at: i64 = 0
        self.fills_dropped: i64 = 0
        # Limits: what is left in the bucket, since when, and the counts of the day.
        self.tokens: i64 = -1
        self.tokens_ns: i64 = 0
        self.day_end_ns: i64 = 0
        self.day_orders: i64 = 0
        self.day_trades: i64 = 0


class OrderGroup:
    """Orders that depend on each other, and what is held for all of them together."""

    def __init__(self, kind: i64) -> None:
        self.kind: Final[i64] = kind
        self.members: list[OpenOrder] = []
        self.held_quote: int = 0
        self.held_base: int = 0
        self.changed: bool = False


class OpenOrder:
    """One order that works or waits, as its owner sees it."""

    def __init__(
        self,
        order_id: i64,
        market: Market,
        account: Account,
        session_id: i64,
        client_order_id: str,
        side: i64,
        order_type: i64,
        time_in_force: i64,
        price: i64,
        size: i64,
        stop_price: i64,
        display_size: i64 = 0,
        request_id: i64 = 0,
    ) -> None:
        self.order_id: Final[i64] = order_id
        self.market: Final = market
        self.account: Final = account
        self.session_id: Final[i64] = session_id
        self.client_order_id: Final = client_order_id
        self.side: Final[i64] = side
        self.order_type: Final[i64] = order_type
        self.time_in_force: Final[i64] = time_in_force
        # Where it stands now, and the worst price at which it can trade; pegged orders move below their cap.
        self.price: i64 = price
        self.worst_price: i64 = price
        self.stop_price: i64 = stop_price
        self.size: i64 = size
        self.remaining: i64 = size
        self.display_size: Final[i64] = display_size
        self.slices: i64 = slices_of(size, display_size)
        self.filled: i64 = 0
        self.turnover: int = 0
        self.held: int = 0
        self.changed: bool = False
        self.group: OrderGroup | None = None
        # Of a member of a group: what can still trade of it, which for an exit includes what its entry may bring.
        self.room: i64 = size
        self.is_exit: bool = False
        # The request that brought it, and why the engine refused it; of no use once that was answered.
        self.request_id: Final[i64] = request_id
        self.refused_code: i64 = -1

    def held_asset(self) -> i64:
        """The place of the asset that it holds."""
        return self.market.quote if self.side == BUY else self.market.base


def slices_of(size: i64, display_size: i64) -> i64:
    """How many times an order can show something: once, or as often as an iceberg has slices."""
    if 0 < display_size < size:
        return min((size - 1) // display_size + 1, MOST_SLICES)
    return 1


class Session:
    """A client's connection that may trade."""

    def __init__(self, session_id: i64, account: Account, cancel_on_disconnect: bool) -> None:
        self.session_id: Final[i64] = session_id
        self.account: Final = account
        self.cancel_on_disconnect: Final = cancel_on_disconnect


class Collecting:
    """The orders of a group that has not arrived whole."""

    def __init__(self, first: EntryWanted) -> None:
        self.kind: Final[i64] = first.group_kind
        self.count: Final[i64] = first.group_count
        self.entries: Final[list[EntryWanted]] = [first]

    def fits(self, entry: EntryWanted) -> bool:
        """Whether an order is the next of this group."""
        first = self.entries[0]
        return (
            entry.group_kind == self.kind
            and entry.group_kind != GROUP_NONE
            and entry.group_count == self.count
            and entry.account_id == first.account_id
            and entry.instrument_id == first.instrument_id
        )
