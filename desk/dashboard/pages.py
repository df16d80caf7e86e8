"""The six pages: which parts stand where, for a small terminal and for a large one.

A page takes the view and the room under the header, and gives exactly so many lines. It arranges; what is drawn is in
`parts` and `ladders`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from desk.dashboard import parts
from desk.dashboard.ladders import Ladder, draw_ladder, ladder_of_book, ladder_of_group
from desk.dashboard.text import Block, Line, beside, block, shares, titled
from desk.dashboard.view import View, duration_text, list_of, number_of, rows_of, text_of, whole
from market.numbers import format_decimal

# The least width in which a ladder can be read, and the most that it makes use of.
LADDER_WIDTH = 25
LADDER_MOST = 46
WIDE = 120
TALL = 36

Part = Callable[[View, int, int], Block]


@attrs.frozen
class Choice:
    """What a person has chosen to look at: a base, and how many books to the right."""

    base: str = ""
    shift: int = 0


def side_by_side(view: View, drawn: Sequence[Part], width: int, height: int) -> Block:
    """Parts next to each other, equally wide."""
    wides = shares(width, len(drawn), 2)
    return beside([part(view, wide, height) for part, wide in zip(drawn, wides, strict=True)], 2)


def stacked(view: View, drawn: Sequence[tuple[Part, int]], width: int, height: int) -> Block:
    """Parts below each other; each number is a weight, and nobody gets less than three lines while there are some."""
    weights = sum(weight for _, weight in drawn)
    lines: Block = []
    left = height
    for place, (part, weight) in enumerate(drawn):
        last = place == len(drawn) - 1
        tall = left if last else min(left, max(3, height * weight // weights))
        lines += part(view, width, tall)
        left -= tall
    return lines


def ladders(view: View, choice: Choice, deep: bool) -> list[Ladder]:
    """The books of what is looked at, all venues together first."""
    now_ns = number_of(view.state, "now_ns")
    base = choice.base
    books = [one for one in view.books() if not base or view.instrument(number_of(one, "instrument_id")).base == base]
    groups = [one for one in view.groups() if not base or _base_of(view, one) == base]
    drawn = [ladder_of_group(view, one) for one in groups]
    drawn += [ladder_of_book(view, one, now_ns) for one in books]
    return drawn[choice.shift :] if deep and choice.shift < len(drawn) else drawn


def _base_of(view: View, group: dict[str, Any]) -> str:
    return view.instrument(number_of(group, "instrument_id")).base


def ladder_row(found: list[Ladder], width: int, height: int, more: str = "") -> Block:
    """As many ladders as fit beside each other."""
    if not found:
        return block(parts.none("no book yet"), width, height)
    fits = max(1, min(len(found), (width + 1) // (LADDER_WIDTH + 1)))
    hidden = len(found) - fits
    wides = [min(wide, LADDER_MOST) for wide in shares(width, fits)]
    told: list[Line] = [[(f"{hidden} more books{more}", "dim")]] if hidden else []
    drawn = [draw_ladder(one, wide, height - len(told)) for one, wide in zip(found, wides, strict=False)]
    return block([*beside(drawn), *told], width, height)


def overview(view: View, choice: Choice, width: int, height: int) -> Block:
    """Everything at a glance."""
    found = ladders(view, choice, False)
    bottom: list[Part] = [_money, parts.fills]
    if width >= WIDE:
        bottom = [_money, parts.quotes, parts.fills]
    if width >= WIDE and height >= TALL:
        bottom = [_money, parts.quotes, _risk_and_health]
    summary: Block = []
    if len(found) > 1 and found[0].has_venues and width < (LADDER_WIDTH + 1) * len(found) - 1:
        # Where not all fit, all venues together are told in a line, so that each venue is seen.
        summary = block([_together(view, found[0])], width, 1)
        found = found[1:]
    room = height - len(summary)
    top = max(8, min(2 * 25 + 5, room * (11 if height < TALL else 12) // 21))
    return [
        *ladder_row(found, width, top, " (page 2)"),
        *summary,
        *side_by_side(view, bottom, width, room - top),
    ]


def _together(view: View, ladder: Ladder) -> Line:
    """All venues together in one line."""
    line: Line = [(f"{ladder.title} ", "title")]
    if ladder.bids and ladder.asks:
        places = ladder.price_scale
        bid, ask = ladder.bids[0], ladder.asks[0]
        line += [(format_decimal(bid.price, places), "buy"), (f" {bid.venue}", "dim"), (" / ", "dim")]
        line += [(format_decimal(ask.price, places), "sell"), (f" {ask.venue} ", "dim")]
    line.append((f" {ladder.state} live ", ladder.state_style))
    fair = fair_line(view)
    return line + fair


def fair_line(view: View) -> Line:
    """The first fair value that is told, with its confidence."""
    for one in rows_of(view.panel("fair_value"), "values"):
        return [(" fair ", "dim"), (text_of(one, "price"), "fair"), (f" sure {text_of(one, 'confidence')}", "dim")]
    return []


def _money(view: View, width: int, height: int) -> Block:
    bracket = min(height // 2 + 1, 6 if height < 20 else 7)
    return [*parts.profit(view, width, bracket), *parts.positions(view, width, height - bracket)]


def _risk_and_health(view: View, width: int, height: int) -> Block:
    return stacked(view, [(parts.fills, 3), (parts.gauges, 3), (health, 2)], width, height)


def health(view: View, width: int, height: int) -> Block:
    """Lanes, actors and services in few lines: what is wrong first."""
    wrong: list[Line] = []
    running = 0
    for row in list_of(view.state, "units"):
        if isinstance(row, list | tuple) and len(row) == 6:
            if row[2] in ("running", "finished"):
                running += 1
            else:
                wrong.append([("○ ", "bad"), (f"{row[0]} {row[2]} ", "bad"), (str(row[5]), "dim")])
    for row in list_of(view.state, "actors"):
        if isinstance(row, list | tuple) and len(row) == 8 and row[2] is True:
            wrong.append([("○ ", "bad"), (f"{row[0]} is down", "bad")])
    lines: list[Line] = [*wrong, [("● ", "good"), (f"{running} actors, lanes and services run", "dim")]]
    for row in list_of(view.state, "latency")[:3]:
        if isinstance(row, list | tuple) and len(row) == 6 and row[1]:
            times = f"p50 {duration_text(whole(row[2]))}, p99 {duration_text(whole(row[3]))}"
            lines.append([(f"{row[0]} ", "dim"), (times, "")])
    return titled("health", lines, width, height)


def books(view: View, choice: Choice, width: int, height: int) -> Block:
    """Deep ladders side by side."""
    found = ladders(view, choice, True)
    return ladder_row(found, width, height, ": arrows left and right")


def orders(view: View, choice: Choice, width: int, height: int) -> Block:
    """What is working, why, and what traded."""
    if width >= WIDE:
        top = height // 2
        return [
            *side_by_side(view, [parts.open_orders, parts.quotes], width, top),
            *side_by_side(view, [parts.fills, parts.routes], width, height - top),
        ]
    return stacked(view, [(parts.open_orders, 3), (parts.quotes, 2), (parts.fills, 3)], width, height)


def money(view: View, choice: Choice, width: int, height: int) -> Block:
    """Profit and positions."""
    if width >= WIDE:
        top = max(8, height // 4)
        return [
            *side_by_side(view, [parts.profit, parts.markouts], width, top),
            *parts.positions(view, width, max(5, (height - top) // 2)),
            *parts.fills(view, width, height - top - max(5, (height - top) // 2)),
        ]
    return stacked(view, [(parts.profit, 3), (parts.positions, 4), (parts.markouts, 2)], width, height)


def risk(view: View, choice: Choice, width: int, height: int) -> Block:
    """Limits, halts and refusals."""
    if width >= WIDE:
        top = height * 2 // 3
        return [
            *side_by_side(view, [parts.gauges, parts.halts], width, top),
            *parts.refusals(view, width, height - top),
        ]
    return stacked(view, [(parts.gauges, 4), (parts.halts, 2), (parts.refusals, 2)], width, height)


def system(view: View, choice: Choice, width: int, height: int) -> Block:
    """Actors, lanes, services, channels, latencies and the log."""
    if width >= WIDE:
        tall = max(6, height // 4)
        rest = height - tall
        small = min(len(list_of(view.state, "lanes")) + 2, rest // 4)
        slow = min(len(list_of(view.state, "latency")) + 3, rest // 3)
        wides = shares(width, 2, 2)
        right = [
            *parts.lanes(view, wides[1], small),
            *parts.latencies(view, wides[1], slow),
            *parts.channels(view, wides[1], rest - small - slow),
        ]
        return [*beside([parts.units(view, wides[0], rest), right], 2), *parts.log(view, width, tall)]
    found: list[tuple[Part, int]] = [(parts.units, 4), (parts.latencies, 3), (parts.channels, 2), (parts.log, 3)]
    return stacked(view, found, width, height)


PAGES: tuple[tuple[str, Callable[[View, Choice, int, int], Block]], ...] = (
    ("overview", overview),
    ("books", books),
    ("orders", orders),
    ("profit", money),
    ("risk", risk),
    ("system", system),
)
