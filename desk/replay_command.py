"""`hftrun replay JOURNAL`: runs a journal again and says whether every decision is the recorded one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from desk.loading import tell_errors
from runtime.config.errors import ConfigErrors
from runtime.journal.errors import JournalError
from runtime.replay import LaneReplay, replay_state
from runtime.state import StateMismatch


def replay_journal(path: Path, as_json: bool) -> int:
    """Replay; exit code 0 when everything agrees, 1 when a decision differs or the journal is damaged."""
    try:
        lanes = replay_state(path)
    except ConfigErrors as errors:
        tell_errors(errors)
        return 2
    except StateMismatch as error:
        sys.stderr.write(f"hftrun: {error}\n")
        return 2
    except JournalError as error:
        sys.stderr.write(f"hftrun: {error}\n")
        return 1
    if as_json:
        print(json.dumps({"lanes": [_plain(lane) for lane in lanes]}, indent=2))
    else:
        for lane in lanes:
            sys.stdout.writelines(line + "\n" for line in _words(lane))
    return 1 if any(lane.divergence for lane in lanes) else 0


def _plain(lane: LaneReplay) -> dict[str, object]:
    ledger = lane.core.ledger
    return {
        "lane": lane.lane,
        "records": lane.records,
        "decisions": lane.decisions,
        "digest": f"{lane.digest:016x}",
        "seconds": round(lane.seconds, 6),
        "torn": str(lane.torn) if lane.torn else "",
        "divergence": lane.divergence,
        "ledger": ledger.save(),
        "summaries": {slot.name: slot.actor.summary() for slot in lane.core.slots},
    }


def _words(lane: LaneReplay) -> list[str]:
    rate = lane.records / lane.seconds if lane.seconds else 0.0
    lines = [
        f"lane {lane.lane}: {lane.records} inputs replayed in {lane.seconds:.3f} s ({rate:,.0f}/s), "
        f"{lane.decisions} decisions, digest {lane.digest:016x}"
    ]
    if lane.torn:
        lines.append(f"  {lane.torn} (left in place; the next run cuts it)")
    lines.append(f"  DIVERGED: {lane.divergence}" if lane.divergence else "  every decision is the recorded one")
    return lines
