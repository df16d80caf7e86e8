"""What the public sees of a book: the whole of it, and the levels that have changed since the last time.

Every change published has the next update id, so that whoever follows sees a gap: the first id of a change is the last
one before it plus one. A snapshot carries the id of the last change before it.
"""

from __future__ import annotations

from librt.vecs import append, vec
from mypy_extensions import i64

from exchange.records import Market
from market.messages import BUY, LIVE, SELL, BookDelta, BookSnapshot, TopOfBook


def book_snapshot(market: Market, now_ns: i64) -> BookSnapshot:
    """The whole displayed book."""
    bid_prices, bid_sizes = columns(market.engine.depth(BUY, market.most_orders))
    ask_prices, ask_sizes = columns(market.engine.depth(SELL, market.most_orders))
    return BookSnapshot(
        market.instrument_id, market.update_id, bid_prices, bid_sizes, ask_prices, ask_sizes, now_ns, now_ns
    )


def columns(levels: list[tuple[int, int]]) -> tuple[vec[i64], vec[i64]]:
    """Levels as their prices and their sizes."""
    return vec[i64]([price for price, _ in levels]), vec[i64]([size for _, size in levels])


def changed_levels(market: Market) -> list[tuple[int, int]]:
    """Side and price of every level that may have changed since the last time, each once."""
    touched = market.engine.touched
    if len(market.unpublished) == 0:
        return touched
    return list(dict.fromkeys([*market.unpublished, *touched]))


def book_delta(market: Market, now_ns: i64) -> BookDelta | None:
    """The levels that may have changed since the last time, each as it is now; None where there are none."""
    touched = changed_levels(market)
    if len(touched) == 0:
        return None
    market.unpublished = []
    bid_prices = vec[i64]()
    bid_sizes = vec[i64]()
    ask_prices = vec[i64]()
    ask_sizes = vec[i64]()
    for side, price in touched:
        shown = market.engine.shown(side, price)
        if side == BUY:
            bid_prices = append(bid_prices, price)
            bid_sizes = append(bid_sizes, shown)
        else:
            ask_prices = append(ask_prices, price)
            ask_sizes = append(ask_sizes, shown)
    market.engine.clear_touched()
    market.update_id += 1
    return BookDelta(
        market.instrument_id, market.update_id, market.update_id, bid_prices, bid_sizes, ask_prices, ask_sizes, now_ns,
        now_ns,
    )  # fmt: skip


def top_of_book(market: Market, delta: BookDelta) -> TopOfBook | None:
    """The touch, where a change of the book may have changed it; None where all of it lies behind the touch."""
    engine = market.engine
    bid = engine.best_bid
    ask = engine.best_ask
    changed = False
    for price in delta.bid_prices:
        if price >= bid:
            changed = True
    for price in delta.ask_prices:
        if ask == 0 or price <= ask:
            changed = True
    if not changed:
        return None
    bid_size: i64 = engine.shown(BUY, bid) if bid > 0 else 0
    ask_size: i64 = engine.shown(SELL, ask) if ask > 0 else 0
    return TopOfBook(
        market.instrument_id, LIVE, bid, bid_size, ask, ask_size, market.update_id, delta.venue_ns, delta.receive_ns
    )
