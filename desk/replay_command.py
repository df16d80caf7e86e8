"""`hftrun replay JOURNAL`: runs a journal again and says whether every decision is the recorded one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from desk.exits import EXIT_OK, EXIT_USAGE, EXIT_WRONG
from desk.loading import tell_errors
from desk.order_trail import OrderTrail, Row, words_of_row
from runtime.blueprint import Blueprint
from runtime.config.errors import ConfigErrors
from runtime.lane import words_of
from runtime.lane_core import LaneCore
from runtime.replay import LaneReplay, Taken, replay_state
from runtime.state import StateError


def replay_journal(path: Path, as_json: bool, with_orders: bool = False) -> int:
    """Replay, with every order where asked for; exit code 1 when a decision differs or the journal is damaged."""
    rows: dict[str, list[Row]] = {}

    def reader(blueprint: Blueprint, core: LaneCore) -> Taken:
        kept = rows.setdefault(core.name, [])
        # A journal may hold more orders than fit into memory: as lines they are told while they are read.
        return OrderTrail(blueprint, core, kept.append if as_json else _print_row).taken

    try:
        lanes = replay_state(path, reader if with_orders else None)
    except ConfigErrors as errors:
        tell_errors(errors)
        return EXIT_USAGE
    except StateError as error:
        sys.stderr.write(f"hftrun: {error}\n")
        return EXIT_USAGE

    def orders_of(lane: str) -> dict[str, object]:
        return {"orders": rows.get(lane, [])} if with_orders else {}

    if as_json:
        told = [{**_plain(lane), **orders_of(lane.lane)} for lane in lanes]
        print(json.dumps({"lanes": told}, indent=2, default=str))
    else:
        for lane in lanes:
            sys.stdout.writelines(line + "\n" for line in _words(lane))
    return EXIT_OK if all(lane.agrees for lane in lanes) else EXIT_WRONG


def _print_row(row: Row) -> None:
    sys.stdout.write(words_of_row(row) + "\n")


def _plain(lane: LaneReplay) -> dict[str, object]:
    ledger = lane.core.ledger
    return {
        "lane": lane.lane,
        "records": lane.records,
        "decisions": lane.decisions,
        "digest": f"{lane.digest:016x}",
        "seconds": round(lane.seconds, 6),
        "torn": str(lane.torn) if lane.torn else "",
        "agrees": lane.agrees,
        "divergence": lane.divergence,
        "damage": lane.damage,
        "ledger": ledger.save(),
        "summaries": {slot.name: words_of(slot) for slot in lane.core.slots},
    }


def _words(lane: LaneReplay) -> list[str]:
    rate = lane.records / lane.seconds if lane.seconds else 0.0
    lines = [
        f"lane {lane.lane}: {lane.records} inputs replayed in {lane.seconds:.3f} s ({rate:,.0f}/s), "
        f"{lane.decisions} decisions, digest {lane.digest:016x}"
    ]
    if lane.torn:
        lines.append(f"  {lane.torn} (left in place; the next run cuts it)")
    if lane.damage:
        lines.append(f"  DAMAGED: {lane.damage}")
    if lane.divergence:
        lines.append(f"  DIVERGED: {lane.divergence}")
    if lane.agrees:
        lines.append("  every decision is the recorded one")
    return lines
