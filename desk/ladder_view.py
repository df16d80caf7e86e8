"""Draws books as ladders for a terminal: asks above, bids below, the touch in the middle, and each book's health.

It reads the actors between two inputs and keeps nothing. It never decides: a book that is not LIVE is drawn as that.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from actors.venue_book_legs import STATE_NAMES, UP
from market.messages import BROKEN, BUY, LIVE, SELL, STALE
from market.numbers import format_decimal

if TYPE_CHECKING:
    from actors.aggregated_book import AggregatedBookActor
    from actors.aggregated_book import Group as VenueGroup
    from actors.venue_book import VenueBook
    from actors.venue_book_legs import KeptBook
    from market.book import Book
    from runtime.session import Session

NANOSECONDS = 1_000_000_000
STATE_STYLES = {LIVE: "bold green", STALE: "bold yellow", BROKEN: "bold red"}
# Rows of a panel beside its levels: borders, state, head, spread, and the lines of health.
ROWS_BESIDE = 8
BOOK_WIDTH = 39
GROUP_WIDTH = 39


def screen_of(
    session: Session,
    books: Sequence[VenueBook],
    together: Sequence[AggregatedBookActor],
    depth: int,
    troubles: Iterable[str] = (),
) -> RenderableType:
    """Everything, fitted to the height of the terminal as far as that goes."""
    kept = [one for book in books for one in book.books]
    groups = [(group, actor.quote) for actor in together for group in actor.groups]
    lines = [Text(line, "yellow", no_wrap=True, overflow="ellipsis") for line in troubles]
    levels = _levels_that_fit(depth, len(lines), [BOOK_WIDTH] * len(kept) + [GROUP_WIDTH] * len(groups))
    # All together first: it is what is looked at, and what must be seen where not everything fits.
    panels = [_group_panel(group, quote, levels) for group, quote in groups]
    panels += [_book_panel(one, session.clock.now_ns(), levels) for one in kept]
    return Group(_head(session, kept), *lines, Columns(panels, padding=(0, 1)))


def _levels_that_fit(depth: int, lines: int, widths: Sequence[int]) -> int:
    """So many levels a side that all panels, in rows beside each other, are seen; one at least."""
    size = shutil.get_terminal_size()
    # `Columns` gives each column the width of its widest panel.
    beside = max(1, min(len(widths), (size.columns + 1) // (max(widths, default=1) + 1)))
    rows = -(-len(widths) // beside)
    return max(1, min(depth, ((size.lines - 1 - lines) // max(rows, 1) - ROWS_BESIDE) // 2))


def _head(session: Session, kept: Sequence[KeptBook]) -> Text:
    now_ns = session.clock.now_ns()
    live = sum(1 for one in kept if one.state == LIVE)
    text = Text(time.strftime("%H:%M:%S UTC", time.gmtime(now_ns // NANOSECONDS)), "bold")
    text.append(f"  {live} of {len(kept)} books LIVE", "green" if live == len(kept) else "yellow")
    inputs = sum(int(lane.drain.inputs) for lane in session.system.lanes)
    text.append(f"  {inputs:,} inputs", "dim")
    text.append("  Ctrl-C stops", "dim")
    for unit in session.system.supervisor.units.values():
        if unit.state.value in ("backing off", "failed"):
            text.append(f"  {unit.name} {unit.state.value}", "bold red")
    return text


def _book_panel(kept: KeptBook, now_ns: int, levels: int) -> Panel:
    instrument = kept.instrument
    book = kept.decoder.book
    table = _ladder(instrument.quote, instrument.base)
    for price, size in reversed(list(zip(book.asks.prices(levels), book.asks.sizes(levels), strict=True))):
        _add_level(table, SELL, instrument.format_price(price), instrument.format_size(size))
    _add_middle(table, instrument.format_price(book.best_ask_price - book.best_bid_price) if _has_both(book) else "")
    for price, size in zip(book.bids.prices(levels), book.bids.sizes(levels), strict=True):
        _add_level(table, BUY, instrument.format_price(price), instrument.format_size(size))
    state = Text(STATE_NAMES[kept.state], STATE_STYLES.get(kept.state, "yellow"))
    if kept.state != LIVE:
        state.append(f"  {kept.leader.cause}", "dim")
    told = kept.summary(now_ns)
    parts: list[RenderableType] = [state, table]
    parts += [Text(line, "dim", no_wrap=True, overflow="ellipsis") for line in _health(kept, told, now_ns)]
    return Panel(Group(*parts), title=f"{instrument.venue} {instrument.venue_symbol}", width=BOOK_WIDTH, padding=(0, 1))


def _has_both(book: Book) -> bool:
    return bool(book.bids.count > 0 and book.asks.count > 0)


def _health(kept: KeptBook, told: dict[str, object], now_ns: int) -> list[str]:
    """How often and why it was lost, how late it is, how old."""
    losses = told["losses"]
    assert isinstance(losses, dict)
    lost = ", ".join(f"{count} {cause}" for cause, count in losses.items() if count) or "never lost"
    age_ms = max(0, now_ns - kept.leader.receive_ns) // 1_000_000
    heard = f"heard {age_ms} ms ago" if kept.leader.line.presence == UP else "not connected"
    return [
        f"{kept.decoder.book.bids.count} bids, {kept.decoder.book.asks.count} asks, live {told['live_percent']} %",
        f"{heard}, late {told['late_ms']} ms (most {told['most_late_ms']})",
        f"{lost}; {told['checksums_passed']} checksums agreed",
    ]


def _group_panel(group: VenueGroup, quote: str, levels: int) -> Panel:
    book = group.book
    first = group.instruments[0]
    names = {one.instrument_id: one.venue for one in group.instruments}
    table = _ladder(quote or first.quote, first.base, "venue")
    for price, size, number in reversed(book.depth(SELL, levels).levels()):
        _add_level(table, SELL, *_group_words(group, price, size), names[number])
    spread = format_decimal(book.ask_price - book.bid_price, group.price_scale)
    _add_middle(table, spread if book.bid_size and book.ask_size else "", "")
    for price, size, number in book.depth(BUY, levels).levels():
        _add_level(table, BUY, *_group_words(group, price, size), names[number])
    state = Text(f"{book.live_venues} of {len(names)} venues", "bold green" if book.live_venues else "bold red")
    if book.crossed:
        state.append("  crossed between venues" if book.bid_price > book.ask_price else "  locked", "magenta")
    seen = Text(f"locked {group.locked} times, crossed {group.crossed}", "dim")
    return Panel(
        Group(state, table, seen), title=f"all venues, {first.base}/{quote or first.quote}", width=GROUP_WIDTH,
        border_style="cyan", padding=(0, 1),
    )  # fmt: skip


def _group_words(group: VenueGroup, price: int, size: int) -> tuple[str, str]:
    return format_decimal(price, group.price_scale), format_decimal(size, group.size_scale)


def _ladder(quote: str, base: str, *more: str) -> Table:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column(quote, justify="right", no_wrap=True)
    table.add_column(base, justify="right", no_wrap=True)
    for name in more:
        table.add_column(name, no_wrap=True)
    return table


def _add_level(table: Table, side: int, price: str, size: str, *more: str) -> None:
    table.add_row(Text(price, "green" if side == BUY else "red"), size, *more)


def _add_middle(table: Table, spread: str, *more: str) -> None:
    table.add_row(Text(f"spread {spread}" if spread else "one side is empty", "dim"), "", *more)
