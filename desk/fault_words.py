"""What fault injection did to the feeds of a run, and what the actors found of it, side by side."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from desk.told import by_instrument

if TYPE_CHECKING:
    from runtime.blueprint import Blueprint
    from runtime.session import Session


def faults_of_run(session: Session, words: dict[str, dict[str, object]]) -> dict[str, Any]:
    """The faults of a run as plain data; empty when no feed was to be damaged."""
    injected = {
        name: dict(port.faults.injected)
        for name, port in session.system.ports.items()
        if port.faults is not None
    }
    return {"injected": injected, "detected": _detected(session.blueprint, words)} if injected else {}


def _detected(blueprint: Blueprint, words: dict[str, dict[str, object]]) -> dict[str, int]:
    """What the books noticed, by cause; since the state was begun, as they count it."""
    found: Counter[str] = Counter()
    for told in by_instrument(blueprint, words).values():
        losses = told.get("losses", {})
        for cause, count in (losses.items() if isinstance(losses, dict) else ()):
            found[f"lost: {cause}"] += int(count)
        for key in ("recoveries", "trades_doubled"):
            found[key.replace("_", " ")] += int(told.get(key, 0))
    for told_of_actor in words.values():
        malformed = told_of_actor.get("malformed", 0)
        found["malformed frames"] += malformed if isinstance(malformed, int) else 0
    return {name: count for name, count in found.items() if count}


def fault_lines(faults: dict[str, Any]) -> list[str]:
    """The same for people."""
    if not faults:
        return []
    lines = [f"  injected   {name}: {_counts(counts)}" for name, counts in faults["injected"].items()]
    return [*lines, f"  detected   {_counts(faults['detected'])}"]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "nothing"
