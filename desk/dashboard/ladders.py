"""Draws a book as a ladder: asks above, bids below, the spread and the fair value between, our quotes marked.

Our own orders are marked where they rest, also between the levels that the venue shows; those that are further out
than what fits stand in the last rows of their side. A book that is not LIVE says so instead of pretending.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from desk.dashboard.text import Block, Line, bar, block, cell, spread, width_of
from desk.dashboard.view import Traded, View, list_of, number_of, numbers_of, table_of, text_of
from market.numbers import format_decimal

STATE_STYLES = {"LIVE": "good", "STALE": "warn", "BROKEN": "bad", "SYNCING": "warn"}
MARK = "▶"
# A size needs no more characters than this on a ladder.
SIZE_WIDTH = 9
LEAST_BAR = 4
VENUE_WIDTH = 8


@attrs.frozen
class Level:
    """One row: what is displayed at a price, by whom, and what of it, or beside it, is ours."""

    price: int
    size: int
    venue: str = ""
    own: int = 0


@attrs.frozen
class Ladder:
    """One book as it is to be drawn."""

    title: str
    state: str
    state_style: str
    price_scale: int
    size_scale: int
    bids: list[Level]
    asks: list[Level]
    fair: str = ""
    notes: list[Line] = attrs.field(factory=list)
    has_venues: bool = False


def ladder_of_book(view: View, book: dict[str, object], now_ns: int) -> Ladder:
    """The ladder of one venue's book."""
    traded = view.instrument(number_of(book, "instrument_id"))
    state = text_of(book, "state") or "?"
    cause = text_of(book, "cause")
    heard_ms = max(0, now_ns - number_of(book, "heard_ns")) // 1_000_000
    heard = f"heard {heard_ms} ms ago" if number_of(book, "heard_ns") else "not heard of yet"
    notes: list[Line] = [[(heard if book.get("connected") else "not connected", "dim")]]
    notes.append([(f"live {text_of(book, 'live_percent')} %, late {text_of(book, 'late_ms')} ms", "dim")])
    notes.append([(f"lost {number_of(book, 'losses')} times", "dim")])
    if state != "LIVE" and cause:
        notes.insert(0, [(cause, "warn")])
    return Ladder(
        f"{traded.venue} {traded.symbol}", state, STATE_STYLES.get(state, "warn"), traded.price_scale,
        traded.size_scale, _levels(book, "bid", view.own(traded.instrument_id, "buy"), -1),
        _levels(book, "ask", view.own(traded.instrument_id, "sell"), 1), fair_of(view, traded), notes,
    )  # fmt: skip


def fair_of(view: View, traded: Traded) -> str:
    """What an instrument is held to be worth, where somebody is sure of that."""
    for _, panel in view.panels("fair_value"):
        for one in list_of(panel, "values"):
            if isinstance(one, dict) and number_of(one, "instrument_id") == traded.instrument_id:
                unsure = text_of(one, "confidence") in ("", "0", "0.0", "0.00")
                return "" if unsure else text_of(one, "price")
    return ""


def _levels(book: dict[str, object], side: str, own: dict[int, int], away: int) -> list[Level]:
    """The displayed levels with our orders among them, from the touch outward."""
    shown = dict(zip(numbers_of(book, f"{side}_prices"), numbers_of(book, f"{side}_sizes"), strict=False))
    levels = [Level(price, size, own=own.get(price, 0)) for price, size in shown.items()]
    levels += [Level(price, 0, own=size) for price, size in own.items() if price not in shown]
    return sorted(levels, key=lambda one: one.price * away)


def ladder_of_group(view: View, group: dict[str, object]) -> Ladder:
    """The ladder of all venues together."""
    venues = table_of(group, "venues")
    live = number_of(group, "live_venues")
    price_scale = max(0, min(18, number_of(group, "price_scale")))
    out = [str(venue) for venue, included in venues.items() if not included]
    notes: list[Line] = [[(f"without {', '.join(out)}" if out else "every venue is in it", "warn" if out else "dim")]]
    notes.append([(f"locked {number_of(group, 'locked')}, crossed {number_of(group, 'crossed')} times", "dim")])
    return Ladder(
        f"all {text_of(group, 'symbol')}", f"{live} of {len(venues)}", "good" if live else "bad", price_scale,
        max(0, min(18, number_of(group, "size_scale"))), _common_levels(view, group, "bid", "buy", price_scale, -1),
        _common_levels(view, group, "ask", "sell", price_scale, 1), "", notes, has_venues=True,
    )  # fmt: skip


def _common_levels(
    view: View, group: dict[str, object], side: str, word: str, price_scale: int, away: int
) -> list[Level]:
    """Levels of several venues; ours are marked at the level of their venue and price."""
    size_scale = max(0, min(18, number_of(group, "size_scale")))
    prices, sizes = numbers_of(group, f"{side}_prices"), numbers_of(group, f"{side}_sizes")
    instruments = numbers_of(group, f"{side}_instruments")
    levels = []
    for price, size, number in zip(prices, sizes, instruments, strict=False):
        traded = view.instrument(number)
        # In another currency our price is not the one that is shown: then nothing is marked.
        finer = price_scale - traded.price_scale
        own = 0
        if finer >= 0 and price % 10**finer == 0:
            own = view.own(number, word).get(price // 10**finer, 0) * in_common(traded, size_scale)
        levels.append(Level(price, size, traded.venue, own))
    # Ours between the levels; in another currency their price would not be one of these.
    quote = text_of(group, "symbol").partition("/")[2].partition(":")[0]
    marked = {(one.venue, one.price) for one in levels if one.own}
    for traded in view.traded.values():
        if traded.base != _base(view, group) or traded.quote != quote or traded.price_scale > price_scale:
            continue
        for price, size in view.own(traded.instrument_id, word).items():
            common = price * 10 ** (price_scale - traded.price_scale)
            if (traded.venue, common) not in marked:
                levels.append(Level(common, 0, traded.venue, size * in_common(traded, size_scale)))
    return sorted(levels, key=lambda one: one.price * away)


def in_common(traded: Traded, size_scale: int) -> int:
    """What a size of an instrument is multiplied by to be one of the book of all venues."""
    return int(10 ** max(0, size_scale - traded.size_scale))


def _base(view: View, group: dict[str, object]) -> str:
    return view.instrument(number_of(group, "instrument_id")).base


# ---- drawing


def draw_ladder(ladder: Ladder, width: int, height: int) -> Block:
    """A ladder in exactly this much room."""
    if height <= 0:
        return []
    notes = ladder.notes[: max(0, height - 12)]
    state: Line = [(ladder.state, ladder.state_style), (" ", "")]
    lines: list[Line] = [spread([(ladder.title, "title")], state, width)]
    room = height - 1 - len(notes)
    each = max(0, (room - 1) // 2)
    asks, bids = nearest(ladder.asks, each), nearest(ladder.bids, each)
    columns = Columns.of(ladder, asks + bids, width)
    lines += [[] for _ in range(each - len(asks))]
    lines += [columns.row(one, "sell") for one in reversed(asks)]
    if room > 0:
        lines.append(_middle(ladder, width))
    lines += [columns.row(one, "buy") for one in bids]
    lines += [[] for _ in range(height - len(notes) - len(lines))]
    return block([*lines, *notes], width, height)


def nearest(levels: Sequence[Level], most: int) -> list[Level]:
    """The levels next to the touch; our orders further out take the last places."""
    near = list(levels[:most])
    far = [one for one in levels[most:] if one.own][: most // 2]
    if not far:
        return near
    kept = near[: most - len(far)]
    # One of ours that would be pushed out by one further out stays.
    pushed = [one for one in near[most - len(far) :] if one.own]
    return [*kept[: most - len(far) - len(pushed)], *pushed, *far] if pushed else [*kept, *far]


def _middle(ladder: Ladder, width: int) -> Line:
    bids = [one for one in ladder.bids if one.size]
    asks = [one for one in ladder.asks if one.size]
    if not bids or not asks:
        return [("no levels" if not bids and not asks else "one side is empty", "warn")]
    gap = asks[0].price - bids[0].price
    word = "spread" if gap > 0 else "locked" if gap == 0 else "crossed"
    told: Line = [(f"{word} {format_decimal(gap, ladder.price_scale)}", "dim")]
    if not ladder.fair:
        return told
    return spread(told, [(" fair ", "dim"), (ladder.fair, "fair"), (" ", "")], width)


@attrs.frozen
class Columns:
    """Where the columns of a ladder stand in its width."""

    ladder: Ladder
    price: int
    size: int
    venue: int
    own: int
    bar: int
    largest: int

    @classmethod
    def of(cls, ladder: Ladder, levels: Sequence[Level], width: int) -> Columns:
        """As many columns as fit, the most wanted first: price, size, venue, our size, a bar."""
        prices = [format_decimal(one.price, ladder.price_scale) for one in levels]
        price = max((len(one) for one in prices), default=8)
        left = width - 1 - price - 1 - SIZE_WIDTH
        venue = own = bars = 0
        if ladder.has_venues and left >= 1 + 4:
            venue = min(VENUE_WIDTH, left - 1)
            left -= venue + 1
        if left >= 1 + SIZE_WIDTH:
            own = SIZE_WIDTH
            left -= own + 1
        if left >= 1 + LEAST_BAR:
            bars = left - 1
        return cls(ladder, price, SIZE_WIDTH, venue, own, bars, max((one.size for one in levels), default=0))

    def row(self, level: Level, side: str) -> Line:
        """One level."""
        price = format_decimal(level.price, self.ladder.price_scale)
        size = level.size or level.own
        style = f"own_{side}" if level.own else side
        line: Line = [
            (MARK if level.own else " ", side),
            cell(price, self.price, style, True),
            (" ", ""),
            cell(short_size(size, self.ladder.size_scale), self.size, "" if level.size else side, True),
        ]
        if self.venue:
            line += [(" ", ""), cell(level.venue, self.venue, "dim")]
        if self.own:
            own = short_size(level.own, self.ladder.size_scale) if level.own else ""
            line += [(" ", ""), cell(own, self.own, side, True)]
        if self.bar:
            share = level.size / self.largest if self.largest else 0.0
            line += [(" ", ""), (bar(share, self.bar), "bid_bar" if side == "buy" else "ask_bar")]
        return line


def short_size(size: int, scale: int) -> str:
    """A size in few characters, cut and never rounded up."""
    text = format_decimal(size, scale)
    if width_of(text) <= SIZE_WIDTH:
        return text
    head, _, tail = text.partition(".")
    return f"{head}.{tail[: max(0, SIZE_WIDTH - len(head) - 1)]}".rstrip(".") if len(head) < SIZE_WIDTH else head
