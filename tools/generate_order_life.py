"""Writes `docs/order-life.md`, the picture and the table of an order's life, from the tables of `market.order_life`.

Run from the top of the tree: `python -m tools.generate_order_life`. A test fails when the page is not what this writes.
"""

from __future__ import annotations

import ast
from pathlib import Path

from market import order_life
from market.order_life import EVENT_NAMES, STATE_NAMES, TRANSITIONS

_TOP = Path(__file__).resolve().parent.parent
SOURCE = _TOP / "market" / "order_life.py"
PAGE = _TOP / "docs" / "order-life.md"

_HEAD = """\
# The life of an order

Written by `tools/generate_order_life.py` from the tables in `market/order_life.py`: change those, not this page.
"""


def _identifier(state: int) -> str:
    return STATE_NAMES[state].replace(",", "").replace(" ", "_")


def _diagram() -> list[str]:
    """The states and the events that lead from one to another; events that change nothing are left to the table."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{name}" as {_identifier(state)}' for state, name in enumerate(STATE_NAMES)]
    lines.append(f"    [*] --> {_identifier(order_life.PENDING)}")
    for state, row in TRANSITIONS.items():
        grouped: dict[int, list[str]] = {}
        for event, following in row.items():
            if following != state:
                grouped.setdefault(following, []).append(EVENT_NAMES[event])
        for following, events in grouped.items():
            lines.append(f"    {_identifier(state)} --> {_identifier(following)}: {', '.join(events)}")
    lines += [f"    {_identifier(state)} --> [*]" for state in TRANSITIONS if order_life.is_final(state)]
    return [*lines, "```"]


def _table() -> list[str]:
    """Every pair of state and event; a dash is an `ImpossibleTransition`."""
    lines = ["| state | " + " | ".join(EVENT_NAMES) + " |", "|---" * (len(EVENT_NAMES) + 1) + "|"]
    for state, row in TRANSITIONS.items():
        cells = [STATE_NAMES[row[event]] if event in row else "-" for event in range(len(EVENT_NAMES))]
        lines.append(f"| **{STATE_NAMES[state]}** | " + " | ".join(cells) + " |")
    return lines


def _rules() -> list[str]:
    """The rules in prose, as they stand at the head of the module."""
    # A compiled module keeps no docstring, so it is read from the source.
    text = ast.get_docstring(ast.parse(SOURCE.read_text(encoding="utf-8"))) or ""
    return text[text.index("The rules:") : text.index("`docs/order-life.md`")].strip().splitlines()


def rendered() -> str:
    """The whole page."""
    parts = [
        _HEAD.rstrip().splitlines(),
        _rules(),
        ["Only what changes the state is drawn; the table below has every event, a dash being impossible."],
        _diagram(),
        _table(),
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(rendered(), encoding="utf-8")
