"""Colours and glyphs of the dashboard, and how far they go on this terminal.

Styles are named for what they mean. They are rich's, so that they degrade from true colour over 256 and 16 colours to
none (`NO_COLOR`); where the locale is not UTF-8 every glyph has an ASCII stand-in of the same width. What must be seen
is never told by colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style

from desk.dashboard.text import Line

STYLES: Final[dict[str, dict[str, Any]]] = {
    "dim": {"color": "grey58"},
    "bold": {"bold": True},
    "title": {"bold": True, "color": "#5fafff"},
    "frame": {"color": "grey42"},
    "buy": {"color": "#5fd787"},
    "sell": {"color": "#ff8787"},
    "own_buy": {"bold": True, "color": "#000000", "bgcolor": "#5fd787"},
    "own_sell": {"bold": True, "color": "#000000", "bgcolor": "#ff8787"},
    "bid_bar": {"color": "#2f6f4f"},
    "ask_bar": {"color": "#7f4040"},
    "good": {"color": "#5fd787"},
    "warn": {"color": "#ffd75f"},
    "bad": {"bold": True, "color": "#ff5f5f"},
    "fair": {"bold": True, "color": "#ffd75f"},
    "head": {"bold": True, "color": "#ffffff", "bgcolor": "#303050"},
    "head_dim": {"color": "#c0c0d0", "bgcolor": "#303050"},
    "paper": {"bold": True, "color": "#87ffff", "bgcolor": "#303050"},
    "live": {"bold": True, "color": "#ffffff", "bgcolor": "#d70000"},
    "banner": {"bold": True, "color": "#000000", "bgcolor": "#ffd75f"},
    "alert": {"bold": True, "color": "#ffffff", "bgcolor": "#af0000"},
    "note": {"bold": True, "color": "#000000", "bgcolor": "#ffd75f"},
    "tab": {"color": "#c0c0d0", "bgcolor": "#303050"},
    "tab_on": {"bold": True, "reverse": True, "color": "#c0c0d0", "bgcolor": "#303050"},
    "spark": {"color": "#5fafff"},
    "low": {"color": "#5fafff"},
}

STAND_INS: Final = {
    "─": "-", "│": "|", "┌": "+", "┐": "+", "└": "+", "┘": "+", "█": "#", "▉": "#", "▊": "#", "▋": "=", "▌": "=",
    "▍": "-", "▎": "-", "▏": ".", "▁": "_", "▂": ".", "▃": "-", "▄": "-", "▅": "=", "▆": "=", "▇": "#", "▶": ">",
    "◀": "<", "●": "*", "○": "o", "…": "~", "·": ".", "↑": "^", "↓": "v", "⋮": ":", "░": ".", "µ": "u", "▪": "*",
}  # fmt: skip


class Theme:
    """How lines become what a terminal takes."""

    def __init__(self, color_system: ColorSystem | None, no_color: bool = False, is_ascii: bool = False) -> None:
        self.color_system = color_system
        self.no_color = no_color
        self.is_ascii = is_ascii
        self._marks = {name: self._marks_of(Style(**told)) for name, told in STYLES.items()}
        self._table = str.maketrans(STAND_INS)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Theme:
        """What the terminal of this environment can show."""
        console = Console(force_terminal=True, _environ=environment)
        systems = {"standard": ColorSystem.STANDARD, "256": ColorSystem.EIGHT_BIT, "truecolor": ColorSystem.TRUECOLOR}
        return cls(systems.get(console.color_system or ""), console.no_color, not speaks_utf8(environment))

    def _marks_of(self, style: Style) -> tuple[str, str]:
        """What stands before and after a text of this style."""
        plain = style.without_color if self.no_color else style
        before, _, after = plain.render("\0", color_system=self.color_system).partition("\0")
        return before, after

    def paint(self, line: Line) -> str:
        """One line with its escape sequences."""
        parts = []
        for text, style in line:
            before, after = self._marks.get(style, ("", ""))
            parts.append(f"{before}{text}{after}" if before else text)
        painted = "".join(parts)
        if self.is_ascii and not painted.isascii():
            painted = painted.translate(self._table).encode("ascii", "replace").decode("ascii")
        return painted


def speaks_utf8(environment: Mapping[str, str]) -> bool:
    """Whether the locale of an environment is UTF-8, by the first of the three names that is set."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        value = environment.get(name, "")
        if value:
            return "utf-8" in value.lower() or "utf8" in value.lower()
    return False
