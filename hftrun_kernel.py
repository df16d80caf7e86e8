"""Decides, before the first module loads, whether this process runs compiled or interpreted modules.

It promises that compiled code is never older than its source: the build records the SHA-256 of every compiled module
in `runtime/kernel_stamp.json`, and a module that differs from its record, or has none, is refused with the command
that mends it. `HFTRUN_PURE=1` makes the interpreter take the sources although compiled files lie beside them.
It never compiles, never writes, and never mixes: either every listed module is compiled or none is.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Final, Literal, NamedTuple

Mode = Literal["compiled", "pure"]

PACKAGES: Final = (
    "market", "runtime", "venues", "actors", "strategies", "exchange", "history", "desk", "benchmarks",
)  # fmt: skip
STAMP: Final = "runtime/kernel_stamp.json"
LIST: Final = "compiled_modules.txt"


class StaleKernel(Exception):
    """A compiled module does not match its source; the message names it and the command that mends it."""


class Decision(NamedTuple):
    """What this process runs, why, and, when nothing may run, the refusal."""

    mode: Mode
    modules: tuple[str, ...]
    reason: str
    refusal: str = ""
    asked: bool = False


def read_list(path: str) -> list[str]:
    """The compiled modules named in a list file, in its order."""
    with open(path, encoding="utf-8") as file:
        lines = (line.split("#", 1)[0].strip() for line in file)
        return [line for line in lines if line]


def sha256_of(path: str) -> str:
    """The digest of a file as the stamp records it."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def compiled_files(root: str) -> dict[str, str]:
    """Every compiled module below the packages that this interpreter would load: source path to compiled file."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        for folder, _, names in os.walk(os.path.join(root, package)):
            for name in names:
                suffix = next((s for s in EXTENSION_SUFFIXES if name.endswith(s)), None)
                stem = name.removesuffix(suffix or "")
                if suffix is None or "." in stem or stem.endswith("__mypyc"):
                    continue  # the dot: a file tagged for another Python
                source = os.path.join(os.path.relpath(folder, root), stem + ".py")
                found[source.replace(os.sep, "/")] = os.path.join(folder, name)
    return found


def decide(root: str, pure_asked: bool) -> Decision:
    """Judges the tree at `root`: compiled, pure, or refused."""
    if pure_asked:
        return Decision("pure", (), "HFTRUN_PURE=1 asks for interpreted modules", asked=True)
    found = compiled_files(root)
    python, reason, recorded = _read_stamp(os.path.join(root, STAMP))
    if not found:
        return Decision("pure", (), reason or f"no module is compiled for {sys.implementation.cache_tag}")
    fault = _fault(root, found, recorded if python == sys.implementation.cache_tag else {})
    if fault:
        remedy = "run `make compile`" if os.path.exists(os.path.join(root, LIST)) else "install hftrun again"
        return Decision("compiled", (), fault, f"{fault}: {remedy}, or set HFTRUN_PURE=1 to run interpreted")
    return Decision("compiled", tuple(sorted(found)), f"{len(found)} modules are compiled and match their sources")


def _read_stamp(path: str) -> tuple[str, str, dict[str, str]]:
    """Interpreter, reason and digests of a stamp; a missing or damaged stamp vouches for nothing."""
    try:
        with open(path, encoding="utf-8") as file:
            stamp = json.load(file)
        return str(stamp["python"]), str(stamp["reason"]), dict(stamp["modules"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", "", {}


def _fault(root: str, found: dict[str, str], recorded: dict[str, str]) -> str:
    """The first thing wrong with the compiled files, or an empty text."""
    for source in sorted(found):
        path = os.path.join(root, source)
        if not os.path.exists(path):
            return f"{source} is compiled but its source is gone"
        if source not in recorded:
            return f"{source} is compiled but the build did not record it for this Python"
        if sha256_of(path) != recorded[source]:
            return f"{source} has changed since it was compiled"
    for source in sorted(recorded):
        if source not in found:
            return f"{source} is recorded as compiled but its compiled file is missing"
    listed = os.path.join(root, LIST)
    for source in read_list(listed) if os.path.exists(listed) else ():
        if source not in found:
            return f"{source} is listed in {LIST} but not compiled"
    return ""


class _SourceFinder:
    """Stands before the ordinary import: loads the source of a compiled module, or refuses to load it at all."""

    def __init__(self, root: str, sources: Sequence[str], refusal: str) -> None:
        self._sources = {source[:-3].replace("/", "."): os.path.join(root, source) for source in sources}
        self._refusal = refusal

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        source = self._sources.get(fullname)
        if source is None:
            return None
        if self._refusal:
            raise StaleKernel(self._refusal)
        from importlib.util import spec_from_file_location  # milliseconds that the ordinary, compiled start saves

        return spec_from_file_location(fullname, source, loader=SourceFileLoader(fullname, source))


_ROOT: Final = os.path.dirname(os.path.abspath(__file__))
_DECISION: Final = decide(_ROOT, os.environ.get("HFTRUN_PURE") == "1")

if _DECISION.asked or _DECISION.refusal:
    sys.meta_path.insert(0, _SourceFinder(_ROOT, tuple(compiled_files(_ROOT)), _DECISION.refusal))


def check() -> None:
    """Raises `StaleKernel` when the compiled modules may not be used."""
    if _DECISION.refusal:
        raise StaleKernel(_DECISION.refusal)


def mode() -> Mode:
    """Which kind of modules this process runs; raises `StaleKernel` when it may run none."""
    check()
    return _DECISION.mode


def compiled_modules() -> tuple[str, ...]:
    """The source paths of the modules that run compiled, sorted; empty in pure mode."""
    return _DECISION.modules


def reason() -> str:
    """Why this mode, in one sentence."""
    return _DECISION.reason


def notice() -> str:
    """The line that tells a user that everything runs interpreted, or an empty text when that was asked for."""
    if _DECISION.mode == "pure" and not _DECISION.asked:
        return f"running interpreted, several times slower: {_DECISION.reason} (`hftrun doctor` tells more)"
    return ""
