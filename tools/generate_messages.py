"""Writes the message catalogue from its schema: classes, binary form, constants, the package's names, documentation.

Run `python -m tools.generate_messages` after a change in `market/message_schema/`. With `--check` it writes nothing
and names the files that are not current, which is also what a test does. What it writes is checked in.
"""

from __future__ import annotations

import sys
from pathlib import Path

from market.message_schema.catalogue import GROUPS, VALUES, schema_faults
from tools.message_classes import group_module
from tools.message_documents import constants_module, document, package_module

ROOT = Path(__file__).resolve().parent.parent


def outputs() -> dict[str, str]:
    """Every generated file, by its path from the root of the project."""
    faults = schema_faults(GROUPS, VALUES)
    if faults:
        raise SystemExit("the message schema is wrong:\n  " + "\n  ".join(faults))
    files = {f"market/messages/{group.module}.py": group_module(group) for group in GROUPS}
    files["market/messages/constants.py"] = constants_module(GROUPS, VALUES)
    files["market/messages/__init__.py"] = package_module(GROUPS, VALUES)
    files["docs/messages.md"] = document(GROUPS, VALUES)
    return files


def stale(root: Path = ROOT) -> list[str]:
    """The generated files that differ from what the schema gives."""
    return [
        path
        for path, text in outputs().items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str]) -> int:
    """Write what is not current, or only say so with `--check`."""
    names = stale()
    if "--check" in arguments:
        for name in names:
            print(f"{name} is not current: run python -m tools.generate_messages")
        return 1 if names else 0
    files = outputs()
    for name in names:
        (ROOT / name).write_text(files[name], encoding="utf-8")
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
