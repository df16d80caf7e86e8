"""One run of a system: opens its state, recovers, runs under the supervisor, and tells how it went.

The same for the command, for tests and for use as a library. It reads no arguments, prints nothing and installs no
signal handler; whoever runs it asks for a shutdown through `Session.system.supervisor`.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

import hftrun_kernel
from market.messages import (
    ClockCorrected,
    HaltReset,
    Message,
    OperatorCommand,
    PauseQuoting,
    RunStarted,
)
from runtime.blueprint import Blueprint
from runtime.build_core import build_core
from runtime.clock import LiveClock
from runtime.collector import Collector
from runtime.config.show import config_sha256
from runtime.disk_room import LEAST_BYTES, LOOK_SECONDS, MEBIBYTE, SCARCE_BYTES, free_bytes, told_room
from runtime.faults import Faults, faults_of, inject
from runtime.histogram import Histogram
from runtime.journal.durability import DurabilitySetting
from runtime.lane_journal import JournalOptions, LaneJournal, Recovered
from runtime.lane_parts import LoadFailed, ReplayDiverged
from runtime.notices import Notices
from runtime.resume import resume
from runtime.session_settings import SessionSettings
from runtime.state import StateDirectory, StateDiverged, StateUnusable, changed_actors, explain_divergence
from runtime.supervisor import ShutdownReport
from runtime.watchdog import Watchdog
from runtime.wiring import System, build_system

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.clock import Clock
    from runtime.config.model import SystemConfig
    from runtime.journal.durability import RunBlocking
    from runtime.lane_core import LaneCore
    from runtime.logs import Logger
    from runtime.reload import Change

NANOSECONDS = 1_000_000_000
NANOSECONDS_PER_MILLISECOND = 1_000_000
CLOCK_LOOK_SECONDS = 1.0
BYTES_PER_MEBIBYTE = 1024 * 1024


def journal_options(blueprint: Blueprint, is_temporary: bool = False) -> JournalOptions:
    """How the configuration wants its journals kept; a temporary one keeps what a rebuilding of actors needs."""
    journal = blueprint.config.journal
    return JournalOptions(
        durability=DurabilitySetting(journal.durability),
        interval_ms=journal.interval_ms,
        segment_bytes=journal.segment_mb * BYTES_PER_MEBIBYTE,
        snapshot_every_ns=journal.snapshot_every_ms * NANOSECONDS_PER_MILLISECOND,
        keep_snapshots=journal.keep_snapshots,
        build=hftrun_kernel.mode(),
        forget=is_temporary,
    )


def asked_faults(blueprint: Blueprint, more: Faults) -> Faults:
    """The faults that the configuration asks for, and more; without a seed of their own they have the run's."""
    faults = faults_of(blueprint.config.faults).joined(more)
    return faults if faults.seed else attrs.evolve(faults, seed=blueprint.config.runtime.seed)


class Session:
    """See the head of this file. Use it as a context manager: it holds the state directory."""

    def __init__(
        self,
        blueprint: Blueprint,
        clock: Clock,
        log: Logger,
        state: Path | None = None,
        faults: Faults | None = None,
        run_blocking: RunBlocking | None = None,
    ) -> None:
        self.blueprint = blueprint
        # Where fsync and snapshots are written; by default in a thread.
        self.run_blocking = run_blocking
        self.clock = clock
        self.log = log
        self.is_temporary = state is None
        # Which market the feeds are connected to, as people are to be told: public, simulated, or nothing to say.
        self.market = ""
        # Without a directory of its own a run still journals: a critical actor is rebuilt from it.
        path = Path(tempfile.mkdtemp(prefix="hftrun-")) if state is None else state
        self.state = StateDirectory(path)
        self._check_room(path)
        self.recovered: list[Recovered] = []
        # The ledger of each lane as the recovery left it, before anything new was taken.
        self.ledgers_found: dict[str, dict[str, object]] = {}
        # From the receipt of the frame that caused an order to the order's leave from risk.
        self.tick_to_order = Histogram()
        self.started_ns = 0
        self.sources_sha256 = ""
        # What an operator has asked for last, in this run or in an earlier one on the same state.
        self.paused = False
        self.is_ending = False
        self._halt_reset_by = ""
        # What an operator asked for before the start.
        self._commands: list[Message] = []
        self.watchdog: Watchdog | None = None
        # Why the run had to end early although it ended in order, or an empty text.
        self.failure = ""
        is_built = False
        try:
            self.system = self._build(asked_faults(blueprint, faults or Faults()))
            self.collector = Collector(self._is_idle, self.system.metrics)
            is_built = True
        finally:
            if not is_built:
                self.close()

    def _check_room(self, path: Path) -> None:
        free = free_bytes(path)
        if free < LEAST_BYTES:
            self.close()
            least = LEAST_BYTES // MEBIBYTE
            raise StateUnusable(f"{told_room(path, free)}, and a run needs {least} MiB: free some, or use another disk")

    def _build(self, faults: Faults) -> System:
        resumed = resume(self.state, self.blueprint)
        blueprint = self.blueprint = resumed.blueprint
        changed = changed_actors(self.state.path, blueprint)
        options = journal_options(blueprint, self.is_temporary)
        randomness = random.Random(blueprint.config.runtime.seed)

        def journal_of(core: LaneCore) -> LaneJournal:
            def build() -> LaneCore:
                return build_core(blueprint, core.name)

            return LaneJournal(core, self.state.storage(core.name), self.clock, options, build, self.run_blocking)

        system = build_system(blueprint, self.clock, randomness, self.log, journal_of)
        for lane in system.lanes:
            assert lane.journal is not None
            lane.journal.on_trouble = self.log.error
            try:
                recovered = lane.journal.recover()
            except (ReplayDiverged, LoadFailed) as error:
                told = explain_divergence(lane.name, error, changed)
                raise StateDiverged(f"{self.state.path} cannot be gone on from: {told}") from error
            self.recovered.append(recovered)
            self.ledgers_found[lane.name] = lane.core.ledger.save()
            lane.core.order_time, lane.core.clock = self.tick_to_order, self.clock.now_ns
            if recovered.torn is not None:
                self.log.warning("torn journal tail cut", lane=lane.name, detail=str(recovered.torn))
            for skipped in recovered.skipped:
                self.log.warning("snapshot passed over", lane=lane.name, name=skipped.name, reason=skipped.reason)
        self.paused = any(getattr(slot.actor, "paused", False) for lane in system.lanes for slot in lane.core.slots)
        self._go_on_in_time(system)
        for told in system.settle_after_recovery():
            system.supervisor.halt(f"the journals of two lanes do not fit: {told}", "recovery")
        kept_in = None if self.is_temporary else self.state.path
        self.settings = SessionSettings(system, resumed.in_force, resumed.due, self.log, kept_in)
        self.notices = Notices(system, self.settings, self.log)
        inject(system, faults)
        self.sources_sha256 = self.state.keep_sources(blueprint)
        return system

    def _go_on_in_time(self, system: System) -> None:
        """A wall clock that was set back must not stop the time of the lanes, and with it all that they wait for."""
        reached_ns = max(int(lane.core.outlet.now_ns) for lane in system.lanes)
        forward_ns = self.clock.begin_at_least(reached_ns)
        if forward_ns:
            self.log.warning(
                "the wall clock is behind the journal: this run goes on from the journal's time", behind_ns=forward_ns
            )

    async def run(self, duration_ns: int | None = None) -> ShutdownReport:
        """Run until the duration is over or a shutdown is asked for."""
        self.started_ns = self.clock.now_ns()
        self._announce()
        watchdog = self.watchdog = self._watchdog()
        watchdog.start()
        try:
            with self.collector.collecting_later():
                return await self._run_system(duration_ns)
        finally:
            watchdog.stop()
            self.notices.tell()

    async def _run_system(self, duration_ns: int | None) -> ShutdownReport:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_clock)
            nursery.start_soon(self.collector.run)
            nursery.start_soon(self.notices.run)
            nursery.start_soon(self._watch_disk)
            if duration_ns is not None:
                nursery.start_soon(self._end_after, duration_ns)
            report = await self.system.supervisor.run()
            nursery.cancel_scope.cancel()
        return report

    def _is_idle(self) -> bool:
        """Whether every lane has taken what had arrived."""
        return all(lane.drain.is_empty() for lane in self.system.lanes)

    # ---- what an operator asks for: everything enters as a numbered input of every lane

    def reset_halt(self, operator: str) -> None:
        """A person ends a latched halt: at once, or before the start as the first thing that the lanes hear then."""
        if self.started_ns:
            self.log.warning("halt reset", operator=operator)
            self.system.supervisor.tell_lanes(HaltReset(operator))
        else:
            self._halt_reset_by = operator

    def pause_quoting(self, paused: bool, operator: str) -> None:
        """Pull all quotes, or let them be wanted again, at once or from the start on; a pause outlives the run."""
        self.paused = paused
        self.log.warning("quoting paused" if paused else "quoting resumed", operator=operator)
        if self.started_ns:
            self.system.supervisor.tell_lanes(PauseQuoting(paused, operator))
        else:
            self._commands.append(PauseQuoting(paused, operator))

    def change_limit(self, argument: str, operator: str) -> None:
        """Another value for a limit, as KEY=VALUE, looser ones too: at once, or as soon as the lanes have started."""
        command = OperatorCommand("limit", argument, operator)
        if self.started_ns:
            self.log.warning("limit changed", limit=argument, operator=operator)
            self.system.supervisor.tell_lanes(command)
        else:
            self._commands.append(command)

    def change_settings(self, changes: Sequence[Change], config: SystemConfig) -> None:
        """Put settings of a file that was read again in force, each as an input; the configuration has them all."""
        self.settings.change(changes, config, self.watchdog)

    def kill(self, operator: str) -> None:
        """The kill switch: cancel everything, send nothing more, and stay so until a person resets it."""
        supervisor = self.system.supervisor
        supervisor.tell_lanes(OperatorCommand("kill", "", operator))
        supervisor.halt(f"kill switch, by {operator}", "operator")

    def request_shutdown(self, reason: str) -> None:
        """Begin the orderly end of the run; asked for once more, it makes it hurry."""
        self.is_ending = True
        self.system.supervisor.request_shutdown(reason)

    def _announce(self) -> None:
        """The first input of every lane in every run."""
        blueprint = self.blueprint
        started = RunStarted(
            self.started_ns,
            self.started_ns // NANOSECONDS,
            config_sha256(blueprint.config),
            hftrun_kernel.mode(),
            self.sources_sha256,
        )
        settings = self.settings.begin()
        for lane in self.system.lanes:
            lane.channels.urgent.offer(started)
            for message in settings:
                lane.channels.urgent.offer(message)
            if self._halt_reset_by:
                lane.channels.urgent.offer(HaltReset(self._halt_reset_by))
            for command in self._commands:
                lane.channels.urgent.offer(command)

    async def _watch_clock(self) -> None:
        """Tell the lanes, as an input, when the wall clock has moved away from the clock of the run."""
        clock = self.clock
        while isinstance(clock, LiveClock):
            await trio.sleep(CLOCK_LOOK_SECONDS)
            offset_ns = clock.correction_ns()
            if offset_ns is not None:
                self.log.warning("wall clock corrected", offset_ns=offset_ns)
                self.system.supervisor.tell_lanes(ClockCorrected(offset_ns))

    async def _watch_disk(self) -> None:
        """End the run while its journal can still be written: afterwards nothing could be cancelled."""
        is_told = False
        while True:
            free = free_bytes(self.state.path)
            told = told_room(self.state.path, free)
            if free < LEAST_BYTES:
                self.failure = f"{told}: stopped while the journal could be written. Free some, then start again"
                self.log.error(told)
                self.request_shutdown("the disk is nearly full")
                return
            if free < SCARCE_BYTES and not is_told:
                is_told = True
                self.log.warning(f"{told}: the run ends in order below {LEAST_BYTES // MEBIBYTE} MiB")
            await trio.sleep(LOOK_SECONDS)

    async def _end_after(self, duration_ns: int) -> None:
        await trio.sleep(duration_ns / NANOSECONDS)
        self.request_shutdown("the duration is over")

    def _watchdog(self) -> Watchdog:
        limit_ns = self.blueprint.config.runtime.watchdog_ms * NANOSECONDS_PER_MILLISECOND
        return Watchdog([lane.drain for lane in self.system.lanes], limit_ns, self.system.supervisor.on_stall)

    def close(self) -> None:
        """Let go of the state; a temporary one is removed."""
        self.state.release()
        if self.is_temporary:
            shutil.rmtree(self.state.path, ignore_errors=True)

    def __enter__(self) -> Session:
        """The state is held from the making on."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        self.close()
