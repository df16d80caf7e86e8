"""Lines of styled text of an exact width, and blocks of such lines put beside and below each other.

A line is a list of spans, each a text and the name of its style. Every function that gives a block gives lines that
are exactly as wide as asked, whatever was in them: what is too long ends in a mark, what a terminal would act on is
replaced. Nothing here knows a terminal or a colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size

Span = tuple[str, str]
Line = list[Span]
Block = list[Line]

CUT = "…"
# Of words that are cut so much has to be seen.
LEAST_WORDS = 4
EIGHTHS = " ▏▎▍▌▋▊▉█"
SPARKS = "▁▂▃▄▅▆▇█"


def clean(text: object) -> str:
    """A text without anything that a terminal would act on."""
    shown = str(text)
    return shown if shown.isprintable() else "".join(one if one.isprintable() else "·" for one in shown)


def width_of(text: str) -> int:
    """How many columns a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, width: int) -> str:
    """A text in exactly so many columns at most; the mark at its end says that there was more."""
    if width <= 0:
        return ""
    if width_of(text) <= width:
        return text
    if text.isascii():
        return text[: width - 1] + CUT
    return set_cell_size(text, width - 1) + CUT


def cell(text: str, width: int, style: str = "", right: bool = False) -> Span:
    """A text as a span of exactly this width."""
    shown = cut(text, width)
    space = " " * (width - width_of(shown))
    return (space + shown if right else shown + space), style


def fit(line: Line, width: int, style: str = "") -> Line:
    """A line of exactly this width; what is missing is filled with spaces of a style."""
    used = 0
    fitted: Line = []
    for told, own in line:
        text = told if told.isprintable() else clean(told)
        wide = width_of(text)
        if used + wide > width:
            shown = cut(text, width - used)
            fitted.append((shown, own))
            used += width_of(shown)
            break
        fitted.append((text, own))
        used += wide
    if used < width:
        fitted.append((" " * (width - used), style))
    return fitted


def spread(left: Line, right: Line, width: int, style: str = "") -> Line:
    """Spans at both ends of a line; the left ones give way."""
    wide = sum(width_of(text) for text, _ in right)
    if wide >= width:
        return fit(right, width, style)
    return fit(left, width - wide, style) + right


def wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    """A text in as many rows as it needs, broken between words; all but the first are indented."""
    rows: list[str] = []
    row = ""
    for word in clean(text).split(" "):
        if row.strip() and width_of(row) + 1 + width_of(word) > width:
            rows.append(row)
            row = " " * indent + word
        else:
            row = f"{row} {word}" if row else word
    return [*rows, row]


def whole_parts(parts: Iterable[Line], width: int) -> Line:
    """As many parts of a line, from the left, as fit whole."""
    line: Line = []
    for part in parts:
        if sum(width_of(text) for text, _ in line + part) > width:
            break
        line += part
    return line


def block(lines: Iterable[Line], width: int, height: int, is_tail: bool = False) -> Block:
    """Lines as a block of exactly this size; what is not shown is said, and of a tail the last ones are shown."""
    whole = list(lines)
    if len(whole) > height > 0:
        hidden = len(whole) - height + 1
        more: Line = [(f"⋮ {hidden} more", "dim")]
        whole = whole[-height:] if is_tail else [*whole[: height - 1], more]
    fitted = [fit(line, width) for line in whole[:height]]
    fitted += [[(" " * width, "")] for _ in range(height - len(fitted))]
    return fitted


def titled(
    title: str, lines: Iterable[Line], width: int, height: int, note: str = "", is_tail: bool = False
) -> Block:
    """A block under a rule that carries its title."""
    if height <= 0:
        return []
    shown = cut(clean(title), max(0, width - 6))
    rule: Line = [("── ", "frame"), (shown, "title"), (" ", "")]
    used = width_of(shown) + 4
    told = cut(clean(note), max(0, width - used - 4))
    tail: Line = [(f" {told} ", "dim"), ("─", "frame")] if told else []
    tail_wide = width_of(told) + 3 if told else 0
    rule.append(("─" * max(0, width - used - tail_wide), "frame"))
    return [fit(rule + tail, width), *block(lines, width, height - 1, is_tail)]


def beside(blocks: Sequence[Block], gap: int = 1) -> Block:
    """Blocks of one height next to each other."""
    height = max((len(one) for one in blocks), default=0)
    joined: Block = []
    for row in range(height):
        line: Line = []
        for number, one in enumerate(blocks):
            if number and gap:
                line.append((" " * gap, ""))
            line += one[row] if row < len(one) else []
        joined.append(line)
    return joined


def shares(width: int, count: int, gap: int = 1) -> list[int]:
    """The widths of so many columns that fill a width together with the gaps between them."""
    if count <= 0:
        return []
    free = max(0, width - gap * (count - 1))
    each, rest = divmod(free, count)
    return [each + (1 if number < rest else 0) for number in range(count)]


def allot(wanted: Sequence[int], room: int) -> list[int]:
    """Shares of a room: nobody gets more than is wanted, and who wants little leaves the rest to the others."""
    given = [0] * len(wanted)
    left = room
    open_places = sorted(range(len(wanted)), key=lambda place: wanted[place])
    while open_places:
        place = open_places.pop(0)
        given[place] = min(wanted[place], -(-left // (len(open_places) + 1)))
        left -= given[place]
    return given


def allot_first(wanted: Sequence[int], room: int, least: int = 5) -> list[int]:
    """Shares of a room where the first matters most: it gets what is wanted, but for a least part of the others."""
    given: list[int] = []
    left = room
    for place, one in enumerate(wanted):
        kept = sum(min(other, least) for other in wanted[place + 1 :])
        given.append(max(0, min(one, max(left - kept, min(one, least, left)))))
        left -= given[-1]
    return given


def table(
    heads: Sequence[tuple[str, int]], rows: Iterable[Sequence[object]], width: int, most: int = 1_000
) -> list[Line]:
    """Rows under heads. A head's number is the least width of its column, negative where it stands to the right.

    Columns are as wide as their content; when that is too wide, the last ones that do not fit are left out. Words may
    be cut to the least width of their column, numbers never. A cell is a text, or a text and a style.
    """
    body = [[_cell_of(one) for one in row] for row in list(rows)[:most]]
    wides = []
    for place, (head, least) in enumerate(heads):
        content = max((width_of(row[place][0]) for row in body if place < len(row)), default=0)
        wides.append(max(abs(least), width_of(head), content))
    shown = 0
    used = 0
    for place, wide in enumerate(wides):
        left = width - used
        if shown and wide > left:
            if heads[place][1] < 0 or left < max(heads[place][1], LEAST_WORDS):
                break
            wides[place] = left
        used += wides[place] + 1
        shown += 1
    lines = [_row([(head, "dim") for head, _ in heads], heads, wides, shown)]
    lines += [_row(row, heads, wides, shown) for row in body]
    return [fit(line, width) for line in lines]


def _cell_of(value: object) -> Span:
    if isinstance(value, tuple):
        text, style = value
        return clean(text), str(style)
    return clean(value), ""


def _row(cells: Sequence[Span], heads: Sequence[tuple[str, int]], wides: Sequence[int], shown: int) -> Line:
    line: Line = []
    for place in range(shown):
        text, style = cells[place] if place < len(cells) else ("", "")
        line.append(cell(text, wides[place], style, heads[place][1] < 0))
        line.append((" ", ""))
    return line


def bar(share: float, width: int) -> str:
    """A bar that fills a share of a width, in eighths of a column."""
    parts = max(0, min(width * 8, round(share * width * 8)))
    whole, rest = divmod(parts, 8)
    shown = "█" * whole + (EIGHTHS[rest] if rest else "")
    return shown + " " * (width - len(shown))


def gauge(share: float, width: int) -> Line:
    """A bar of how much of something is used, in the colour of how much that is, on a ground that shows the rest."""
    style = "good" if share < 0.6 else "warn" if share < 0.9 else "bad"
    filled = max(0, min(width, round(share * width)))
    if share > 0 and not filled:
        filled = 1
    return [("█" * filled, style), ("░" * (width - filled), "frame")]


def sparkline(values: Sequence[int], width: int) -> str:
    """The course of a number in one row; the newest values where not all fit."""
    if width <= 0:
        return ""
    last = list(values)[-width:]
    if not last:
        return ""
    low, high = min(last), max(last)
    span = high - low
    return "".join(SPARKS[(one - low) * 7 // span if span else 3] for one in last)
