"""The whole screen as lines: header, state, the page that is chosen, keys; help, questions and warnings over it.

It promises exactly as many lines as the terminal has, each exactly as wide. Pure: the size, the time and the view are
handed in, and nothing is written anywhere.
"""

from __future__ import annotations

import attrs

from desk.dashboard.pages import PAGES, Choice, fair_parts
from desk.dashboard.text import Block, Line, block, fit, spread, whole_parts, width_of
from desk.dashboard.view import (
    OLD_SECONDS,
    View,
    clock_text,
    count_text,
    number_of,
    style_of_amount,
    text_of,
    uptime_text,
)

LEAST_WIDTH = 40
LEAST_HEIGHT = 10

HELP = (
    ("1 - 6", "overview, books, orders and fills, profit, risk, system"),
    ("p", "pause quoting, or resume it: quotes go, positions stay"),
    ("k k", "kill switch: cancel everything; latched until a reset"),
    ("r r", "reset a halt, once its cause is understood"),
    ("c", "read the configuration again; page 6 has what came of it"),
    ("q", "quit: cancel, confirm, print a summary; again to hurry"),
    ("tab", "the next thing that is traded, where there are several"),
    ("left, right", "further books, on the page of books"),
    ("ctrl-l", "draw everything anew, as is done every five seconds"),
    ("?", "this help"),
)
READ = (
    "▶ marks our quotes, also between the levels that a venue shows.",
    "Profit is a bracket: three models judge the very same orders; the",
    "queue model drives. A book that is not LIVE is not quoted on, and is",
    "left out of the book of all venues.",
)


@attrs.define
class Screen:
    """What is chosen on it, and what is asked and said."""

    view: View = attrs.field(factory=View)
    page: int = 0
    choice: Choice = attrs.field(factory=Choice)
    help: bool = False
    question: str = ""
    said: str = ""
    quitting: bool = False

    def lines(self, width: int, height: int, now: float) -> Block:
        """The screen at this size and time."""
        if width < LEAST_WIDTH or height < LEAST_HEIGHT:
            return block([[(f"{width}x{height} is too small: {LEAST_WIDTH}x{LEAST_HEIGHT}", "warn")]], width, height)
        room = height - 3
        if not self.view.hello or not self.view.state:
            body = block([[], [("  waiting for the first state of the trading process", "dim")]], width, room)
        else:
            _, draw = PAGES[self.page]
            body = block(draw(self.view, self.choice, width, room), width, room)
        if self.help:
            body = over(body, help_box(width, room), width)
        return [self.header(width, now), self.second(width, now), *body, self.footer(width)]

    def header(self, width: int, now: float) -> Line:
        """Name, mode, and everything that must not be overlooked; uptime and time to the right."""
        view = self.view
        hello, state = view.hello, view.state
        is_live = text_of(hello, "mode") == "live"
        left: Line = [
            (f" {text_of(hello, 'name') or 'hftrun'} ", "head"),
            (f" {(text_of(hello, 'mode') or '?').upper()} ", "live" if is_live else "paper"),
        ]
        if text_of(hello, "banner"):
            # What it means stands in the log; the header has room for what it is.
            left += [(" ", "head"), (f" {text_of(hello, 'banner').partition(':')[0]} ", "banner")]
        if view.hello and view.is_old(now):
            left += [(" ", "head"), (" OLD ", "alert")]
        if state.get("halted"):
            left += [(" ", "head"), (" HALTED ", "alert")]
        if view.quotes_paused():
            left += [(" ", "head"), (" PAUSED ", "note")]
        if state.get("closing") or self.quitting:
            left += [(" ", "head"), (" STOPPING ", "note")]
        now_ns = number_of(state, "now_ns")
        up = uptime_text(now_ns - number_of(hello, "started_ns")) if now_ns else ""
        right: Line = [(f"up {up} ", "head_dim"), (f"{clock_text(now_ns)} UTC ", "head_dim")] if up else []
        while right and sum(width_of(text) for text, _ in left + right) > width:
            right.pop(0)
        return spread(left, right, width, "head")

    def second(self, width: int, now: float) -> Line:
        """What is asked or wrong; when all is well, the state of the trade in one line."""
        view = self.view
        if self.question:
            return fit([(f" {self.question} ", "alert")], width, "alert")
        if view.hello and view.is_old(now):
            words = f" no news from the trading process for {now - view.heard_at:.0f} s: what you see is old; q leaves"
            return fit([(words, "alert")], width, "alert")
        if self.said:
            return fit([(f" {self.said}", "note")], width, "note")
        if view.state.get("halted"):
            words = f" HALTED: {text_of(view.state, 'halt_reason')}; r twice resets it "
            return fit([(words, "alert")], width, "alert")
        return fit(whole_parts(self.trade(), width), width)

    def trade(self) -> list[Line]:
        """Profit, what is open and done, books and news in few words, what matters most first."""
        view = self.view
        line: Line = [(" ", "")]
        parts: list[Line] = [line]
        bracket = view.bracket()
        if bracket:
            amount = text_of(bracket, "queue")
            line += [("profit ", "dim"), (amount, style_of_amount(amount) or "bold"), (f" {view.currency()}", "dim")]
            line += [(f" [{text_of(bracket, 'low')} .. {text_of(bracket, 'high')}]  ", "dim")]
        parts.append([("open ", "dim"), (str(len(view.orders)), "bold")])
        parts.append([("  fills ", "dim"), (count_text(view.total("fills")), "bold")])
        books = view.books()
        if books:
            live = sum(1 for one in books if one.get("state") == "LIVE")
            parts.append([("  books ", "dim"), (f"{live}/{len(books)} LIVE", "good" if live == len(books) else "warn")])
        rate = sum(rate for name, rate in view.rates.items() if name.startswith("lane "))
        parts.append([(f"  {rate:,.0f}/s", "dim")])
        return [*parts, *fair_parts(view)]

    def footer(self, width: int) -> Line:
        """The pages and the keys."""
        line: Line = []
        for number, (name, _) in enumerate(PAGES, start=1):
            words = f" {number} {name} " if width >= 100 else f"{number} {name}"
            line += [(words, "tab_on" if number == self.page + 1 else "tab"), (" ", "tab")]
        keys = [("p", "resume" if self.view.quotes_paused() else "pause"), ("k", "kill"), ("q", "quit"), ("?", "help")]
        if self.view.state.get("halted"):
            keys.insert(2, ("r", "reset"))
        right: Line = []
        for key, meaning in keys:
            right += [(f" {key}", "head"), (f" {meaning}", "tab")]
        right.append((" ", "tab"))
        used = sum(width_of(text) for text, _ in line)
        if used + sum(width_of(text) for text, _ in right) > width:
            right = [(text if style == "head" or text == " " else "", style) for text, style in right]
        return spread(line, right, width, "tab")


def help_box(width: int, height: int) -> Block:
    """What the keys do, in a box."""
    wide = min(width - 4, 86)
    lines: list[Line] = [[("keys", "title")], []]
    lines += [[(f"{key:>12}  ", "bold"), (meaning, "")] for key, meaning in HELP]
    lines += [[], *[[(one, "dim")] for one in READ], [], [(f"old after {OLD_SECONDS:.0f} s without news", "dim")]]
    inner = wide - 4
    rows = lines[: max(0, height - 2)]
    drawn: Block = [[("┌" + "─" * (wide - 2) + "┐", "frame")]]
    drawn += [[("│ ", "frame"), *fit(one, inner), (" │", "frame")] for one in rows]
    drawn.append([("└" + "─" * (wide - 2) + "┘", "frame")])
    return drawn


def over(body: Block, box: Block, width: int) -> Block:
    """A box in the middle; what is beside it goes dark, for half a line is no information."""
    first = max(0, (len(body) - len(box)) // 2)
    wide = sum(width_of(text) for text, _ in box[0]) if box else 0
    left = max(0, (width - wide) // 2)
    shown = list(body)
    for number, line in enumerate(box):
        if first + number < len(shown):
            shown[first + number] = fit([(" " * left, ""), *line], width)
    return shown
