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
from desk.dashboard.parts import Part
from desk.dashboard.text import Block, Line, allot, allot_first, beside, block, shares, titled, whole_parts
from desk.dashboard.view import View, duration_text, list_of, number_of, rows_of, text_of, whole
from market.numbers import format_decimal

# The least width in which a ladder can be read, and the most that it makes use of.
LADDER_WIDTH = 25
LADDER_MOST = 46
WIDE = 120
TALL = 36

Draw = Callable[[View, int], Part]


@attrs.frozen
class Choice:
    """What a person has chosen to look at: a base, and how many books to the right."""

    base: str = ""
    shift: int = 0


def drawn(part: Part, width: int, height: int) -> Block:
    """A part in exactly this much room."""
    return titled(part.title, part.lines, width, height, part.note, part.is_tail)


def side_by_side(view: View, draws: Sequence[Draw], width: int, height: int) -> Block:
    """Parts next to each other, equally wide."""
    wides = shares(width, len(draws), 2)
    return beside([drawn(draw(view, wide), wide, height) for draw, wide in zip(draws, wides, strict=True)], 2)


def wanted(view: View, draws: Sequence[Draw], width: int) -> int:
    """The rows that parts next to each other would like to have."""
    wides = shares(width, len(draws), 2)
    return max(len(draw(view, wide).lines) + 1 for draw, wide in zip(draws, wides, strict=True))


def stacked(view: View, draws: Sequence[Draw], width: int, height: int, first: bool = False) -> Block:
    """Parts below each other: who wants little leaves the rest to the others, and the last one has what is left.

    Where the first one matters most, the others have a least part each until it has all that it wants.
    """
    parts_drawn = [draw(view, width) for draw in draws]
    given = (allot_first if first else allot)([len(part.lines) + 1 for part in parts_drawn], height)
    given[-1] += height - sum(given)
    lines: Block = []
    for part, tall in zip(parts_drawn, given, strict=True):
        lines += drawn(part, width, tall)
    return lines


def ladders(view: View, choice: Choice, deep: bool) -> list[Ladder]:
    """The books of what is looked at, all venues together first."""
    now_ns = number_of(view.state, "now_ns")
    base = choice.base
    books = [one for one in view.books() if not base or view.instrument(number_of(one, "instrument_id")).base == base]
    groups = [one for one in view.groups() if not base or _base_of(view, one) == base]
    found = [ladder_of_group(view, one) for one in groups]
    found += [ladder_of_book(view, one, now_ns) for one in books]
    return found[choice.shift :] if deep and choice.shift < len(found) else found


def _base_of(view: View, group: dict[str, Any]) -> str:
    return view.instrument(number_of(group, "instrument_id")).base


def ladder_row(found: list[Ladder], width: int, height: int, more: str = "", chosen: str = "") -> Block:
    """As many ladders as fit beside each other."""
    if not found:
        return block(parts.none("no book yet"), width, height)
    fits = max(1, min(len(found), (width + 1) // (LADDER_WIDTH + 1)))
    hidden = len(found) - fits
    wides = [min(wide, LADDER_MOST) for wide in shares(width, fits)]
    words = [f"{hidden} more book{'s' * (hidden > 1)}{more}"] if hidden else []
    words += [chosen] if chosen else []
    told: list[Line] = [[("   ".join(words), "dim")]] if words else []
    rows = [draw_ladder(one, wide, height - len(told)) for one, wide in zip(found, wides, strict=False)]
    return block([*beside(rows), *told], width, height)


def overview(view: View, choice: Choice, width: int, height: int) -> Block:
    """Everything at a glance; of several things that are traded the books of one."""
    bases = view.bases()
    shown = Choice(choice.base or (bases[0] if bases else ""))
    chosen = f"{shown.base}; tab: the next of {', '.join(bases)}" if len(bases) > 1 else ""
    found = ladders(view, shown, False)
    columns: list[list[Draw]] = [[parts.profit, parts.positions], [parts.fills]]
    if width >= WIDE:
        columns = [[parts.profit, parts.positions, health], [parts.quotes], [parts.fills, parts.gauges]]
    summary: Block = []
    if len(found) > 1 and found[0].has_venues and width < (LADDER_WIDTH + 1) * len(found) - 1:
        # Where not all fit, all venues together are told in a line, so that each venue is seen.
        summary = block([_together(view, found[0], width)], width, 1)
        found = found[1:]
    room = height - len(summary)
    top = max(8, min(2 * 25 + 5, room * (11 if height < TALL else 12) // 21))
    return [
        *ladder_row(found, width, top, " (page 2)", chosen),
        *summary,
        *beside_stacks(view, columns, width, room - top),
    ]


def beside_stacks(view: View, columns: Sequence[Sequence[Draw]], width: int, height: int) -> Block:
    """Stacks of parts next to each other."""
    wides = shares(width, len(columns), 2)
    return beside([stacked(view, one, wide, height) for one, wide in zip(columns, wides, strict=True)], 2)


def _together(view: View, ladder: Ladder, width: int) -> Line:
    """All venues together in one line."""
    line: Line = [(f"{ladder.title} ", "title")]
    if ladder.bids and ladder.asks:
        places = ladder.price_scale
        bid, ask = ladder.bids[0], ladder.asks[0]
        line += [(format_decimal(bid.price, places), "buy"), (f" {bid.venue}", "dim"), (" / ", "dim")]
        line += [(format_decimal(ask.price, places), "sell"), (f" {ask.venue} ", "dim")]
    line.append((f" {ladder.state} live", ladder.state_style))
    return whole_parts([line, *fair_parts(view)], width)


def fair_parts(view: View) -> list[Line]:
    """The first fair value that is told, and its confidence."""
    for one in rows_of(view.panel("fair_value"), "values"):
        sure: Line = [(f" sure {text_of(one, 'confidence')}", "dim")]
        return [[("  fair ", "dim"), (text_of(one, "price"), "fair")], sure]
    return []


def health(view: View, width: int) -> Part:
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
    return Part("health", lines)


def books(view: View, choice: Choice, width: int, height: int) -> Block:
    """Deep ladders side by side."""
    found = ladders(view, choice, True)
    return ladder_row(found, width, height, ": arrows left and right")


def orders(view: View, choice: Choice, width: int, height: int) -> Block:
    """What is working, why, and what traded."""
    if width >= WIDE:
        upper: list[Draw] = [parts.open_orders, parts.quotes]
        lower: list[Draw] = [parts.fills, parts.routes]
        top, _ = allot([wanted(view, upper, width), wanted(view, lower, width)], height)
        return [*side_by_side(view, upper, width, top), *side_by_side(view, lower, width, height - top)]
    return stacked(view, [parts.open_orders, parts.quotes, parts.fills], width, height, first=True)


def money(view: View, choice: Choice, width: int, height: int) -> Block:
    """Profit and positions."""
    if width >= WIDE:
        top = min(height // 3, wanted(view, [parts.profit, parts.markouts], width))
        return [
            *side_by_side(view, [parts.profit, parts.markouts], width, top),
            *stacked(view, [parts.positions, parts.fills], width, height - top),
        ]
    return stacked(view, [parts.profit, parts.positions, parts.markouts], width, height)


def risk(view: View, choice: Choice, width: int, height: int) -> Block:
    """Limits, halts and refusals."""
    if width >= WIDE:
        upper: list[Draw] = [parts.gauges, parts.halts]
        top = min(height * 2 // 3, wanted(view, upper, width))
        return [*side_by_side(view, upper, width, top), *stacked(view, [parts.refusals], width, height - top)]
    return stacked(view, [parts.gauges, parts.halts, parts.refusals], width, height, first=True)


def system(view: View, choice: Choice, width: int, height: int) -> Block:
    """Actors, lanes, services, channels, latencies and the log."""
    others: list[Draw] = [parts.others] if parts.others(view, width).lines else []
    if width >= WIDE:
        right: list[Draw] = [parts.lanes, parts.latencies, parts.channels, *others]
        wides = shares(width, 2, 2)
        most = max(wanted(view, [parts.units], wides[0]), sum(wanted(view, [one], wides[1]) for one in right))
        top = min(height * 3 // 4, most)
        return [
            *beside_stacks(view, [[parts.units], right], width, top),
            *stacked(view, [parts.log], width, height - top),
        ]
    found: list[Draw] = [parts.units, parts.latencies, parts.channels, *others, parts.log]
    return stacked(view, found, width, height, first=True)


PAGES: tuple[tuple[str, Callable[[View, Choice, int, int], Block]], ...] = (
    ("overview", overview),
    ("books", books),
    ("orders", orders),
    ("profit", money),
    ("risk", risk),
    ("system", system),
)
