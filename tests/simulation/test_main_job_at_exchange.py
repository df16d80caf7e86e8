"""The main job at an embedded exchange: what it believes to have is what the exchange says, and its end leaves nothing.

See `main_job_at_exchange.py` for what runs. Trades, faults and the moment of the end follow from the seed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from desk.summary import summary_lines, summary_of
from runtime.supervisor import UnitState
from tests.seeds import seeds
from tests.simulation.main_job_at_exchange import AtExchange, at_exchange

STEPS = 40
# A seed under which the end comes while the gateway waits to be started again.
ENDS_IN_A_PAUSE = 4


async def quoted(one: AtExchange) -> None:
    """Wait for a quote; at the largest position there is one on one side only."""
    ledger = one.session.system.lanes[0].core.ledger
    await one.until(lambda: len(ledger.open) > 0 and not ledger.halted)


async def ended(one: AtExchange) -> None:
    """Ask for the end, as a signal does, and wait for it."""
    supervisor = one.session.system.supervisor
    asked = trio.current_time()
    one.session.request_shutdown("SIGTERM")
    await one.until(lambda: supervisor.report is not None)
    assert trio.current_time() - asked <= one.session.blueprint.config.runtime.shutdown_deadline_ms / 1_000
    assert supervisor.report is not None
    assert (supervisor.report.flat, supervisor.report.unfinished) == (True, ())
    assert await one.working() == []


@pytest.mark.parametrize("seed", sorted({*seeds(2, 200), ENDS_IN_A_PAUSE}))
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
        # Where the gateway fails most of the time little is traded.
        assert await one.compare() > (5 if seed == 0 else 0)


@pytest.mark.parametrize("seed", seeds(3, 300))
async def test_the_end_at_any_moment_leaves_nothing_at_the_exchange(
    autojump_clock: MockClock, tmp_path: Path, seed: int
) -> None:
    """Asked to end while it starts, quotes, trades, has lost the exchange or its gateway, it leaves nothing there.

    One in three comes while it starts, the first of them before anything was started.
    """
    async with at_exchange(autojump_clock, tmp_path, seed) as one:
        until_s = one.draw.uniform(0.0, 0.1) if seed % 3 == 0 else one.draw.uniform(0.0, 3.0)
        with trio.move_on_after(until_s if seed else 0.0):
            while True:
                await trio.sleep(one.draw.uniform(0.01, 0.2))
                await one.trade()
                drawn = one.draw.random()
                if drawn < 0.1:
                    await one.cut(one.draw.uniform(0.01, 0.3))
                elif drawn < 0.15:
                    one.session.system.kills["gateway"].arm(one.draw.randrange(1, 6))
        one.is_up = True
        # What fails for ever cannot cancel; that it is said is another test.
        one.session.system.kills["gateway"].arm(0)
        await ended(one)
        await one.compare()


@pytest.mark.parametrize("how", ["fails", "is cut off"])
async def test_the_end_does_not_wait_out_a_pause_of_the_gateway(
    autojump_clock: MockClock, tmp_path: Path, how: str
) -> None:
    """It waits for its restart, or for its next connection, longer than an end may take: it goes at once."""
    async with at_exchange(autojump_clock, tmp_path, 1, pauses_ms=3_600_000) as one:
        await quoted(one)
        if how == "fails":
            one.session.system.kills["gateway"].arm(1)
            await one.until(lambda: one.session.system.supervisor.units["gateway"].state is UnitState.BACKING_OFF)
            one.session.system.kills["gateway"].arm(0)
        else:
            await one.cut(5.0)
            assert not one.streams
        await ended(one)
        await one.compare()


async def test_an_exchange_that_stays_away_is_said_with_its_orders(autojump_clock: MockClock, tmp_path: Path) -> None:
    """What cannot be confirmed in time is no orderly end, and every order that may work is named."""
    async with at_exchange(autojump_clock, tmp_path, 1) as one:
        await quoted(one)
        one.is_up = False
        before = set(one.session.system.lanes[0].core.ledger.open)
        await one.cut(0.0)
        one.is_up = False
        one.session.request_shutdown("SIGTERM")
        supervisor = one.session.system.supervisor
        await one.until(lambda: supervisor.report is not None)
        report = supervisor.report
        assert report is not None
        assert (report.flat, report.orderly, report.unfinished) == (False, False, ())
        summary = summary_of(one.session, report)
        open_orders = summary["lanes"]["main"]["open_orders"]
        assert {row["order_id"] for row in open_orders} == before != set()
        said = "\n".join(summary_lines(summary))
        assert "NOT in order" in said
        for row in open_orders:
            assert f"order {row['order_id']}: {row['side']} {row['size']}" in said
