"""Writes the tables of keys in `docs/configuration.md` from the classes of `runtime.config.model`.

Run from the top of the tree: `python -m tools.generate_configuration_docs`. The prose around the tables is written by
hand and kept. A test fails when the tables are not what this writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from runtime.config.model import (
    ActorConfig,
    ChannelConfig,
    InstrumentConfig,
    JournalConfig,
    LogConfig,
    RestartConfig,
    RuntimeConfig,
    ServiceConfig,
    SystemConfig,
)
from runtime.config.rules import key_of
from runtime.config.structure import expected_of

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
BEGIN = "<!-- The tables from here on are written by tools/generate_configuration_docs.py -->\n"
END = "<!-- The tables end here -->\n"

TABLES: tuple[tuple[str, type[Any]], ...] = (
    ("Top of the file", SystemConfig),
    ("[runtime]", RuntimeConfig),
    ("[restart]", RestartConfig),
    ("[journal]", JournalConfig),
    ("[log]", LogConfig),
    ("[instruments.NAME]", InstrumentConfig),
    ("[actors.NAME]", ActorConfig),
    ("[services.NAME]", ServiceConfig),
    ("[channels.NAME]", ChannelConfig),
)


def tables() -> str:
    """All tables of keys, as Markdown."""
    return "\n".join(_table(title, kind) for title, kind in TABLES)


def page(old: str) -> str:
    """The page with its tables written anew; the rest stays as it is."""
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def _table(title: str, kind: type[Any]) -> str:
    attrs.resolve_types(kind)
    shown = f"`{title}`" if title.startswith("[") else title
    lines = [f"### {shown}", "", (kind.__doc__ or "").strip(), ""]
    lines += ["| key | what it is for | expected | default | reload |", "|---|---|---|---|---|"]
    for attribute in attrs.fields(kind):
        if kind is SystemConfig and any(attribute.name in title for title, _ in TABLES):
            continue  # a table of its own
        metadata = attribute.metadata
        reload = "yes" if metadata["reload"] else "no"
        cells = (f"`{key_of(attribute)}`", metadata["help"], _expected(attribute), _default(attribute), reload)
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join([*lines, ""])


def _expected(attribute: Any) -> str:  # noqa: ANN401  attrs.Attribute of any type
    if attribute.metadata["rule"] is None and attribute.type not in (str, bool, int, float):
        return "a table" if "Mapping" in str(attribute.type) else "a list of texts"
    unit = attribute.metadata["unit"]
    expected = expected_of(attribute)
    return expected if not unit or expected.endswith(unit) else f"{expected}, in {unit}"


def _default(attribute: Any) -> str:  # noqa: ANN401
    default = attribute.default
    if default is attrs.NOTHING:
        return "must be given"
    factory = getattr(default, "factory", None)
    if factory is not None:
        return "`{}`" if factory is dict else "`[]`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return "`[" + ", ".join(f'"{item}"' for item in default) + "]`"
    return f'`"{default}"`' if isinstance(default, str) else f"`{default}`"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
