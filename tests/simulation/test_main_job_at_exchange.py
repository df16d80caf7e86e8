"""The main job at an embedded exchange: what it believes to have is what the exchange says, and its end leaves nothing.

See `main_job_at_exchange.py` for what runs. Trades, faults and the moment of the end follow from the seed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.seeds import seeds
from tests.simulation.main_job_at_exchange import AtExchange, at_exchange

STEPS = 40


async def quoted(one: AtExchange) -> None:
    """Wait for a quote; at the largest position there is one on one side only."""
    ledger = one.session.system.lanes[0].core.ledger
    await one.until(lambda: len(ledger.open) > 0 and not ledger.halted)


async def ended(one: AtExchange) -> None:
    """Ask for the end, as a signal does, and wait for it."""
    supervisor = one.session.system.supervisor
    one.session.request_shutdown("SIGTERM")
    await one.until(lambda: supervisor.report is not None)
    assert supervisor.report is not None
    assert supervisor.report.flat
    assert await one.working() == []


@pytest.mark.parametrize("seed", seeds(2, 200))
async def test_positions_and_money_are_those_of_the_exchange(
    autojump_clock: MockClock, tmp_path: Path, seed: int
) -> None:
    """Connections are cut, the gateway fails, trading halts and goes on: at the end every unit is accounted for."""
    async with at_exchange(autojump_clock, tmp_path, seed) as one:
        await quoted(one)
        for _ in range(STEPS):
            await one.trade()
            await one.trouble()
            await trio.sleep(one.draw.uniform(0.01, 0.5))
        one.calm()
        await quoted(one)
        await one.trade()
        await ended(one)
        assert await one.compare() > 5


@pytest.mark.parametrize("seed", seeds(3, 300))
async def test_the_end_at_any_moment_leaves_nothing_at_the_exchange(
    autojump_clock: MockClock, tmp_path: Path, seed: int
) -> None:
    """Asked to end while it starts, quotes, trades or has lost the exchange, it goes when nothing works there."""
    async with at_exchange(autojump_clock, tmp_path, seed) as one:
        until_s = one.draw.uniform(0.0, 3.0)
        with trio.move_on_after(until_s):
            while True:
                await trio.sleep(one.draw.uniform(0.01, 0.2))
                await one.trade()
                if one.draw.random() < 0.1:
                    await one.cut(one.draw.uniform(0.01, 0.3))
        one.is_up = True
        await ended(one)
        await one.compare()
