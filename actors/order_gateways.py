"""Which instruments' orders reach their venue now, by what the gateways say and what is said of them.

A gateway is away while it is down (it failed) or cut off (it runs and reaches nobody), and gone when it has stopped for
good. What is away is expected back: nobody sends there, and what was asked there waits for its answer with the clock
stopped. What is gone is not waited for. Without gateways, as on paper, nothing is ever away. It never sends anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

from mypy_extensions import i64

from market.messages import ConnectionDown, ConnectionUp, ServiceFailed, ServiceRestarted, ServiceStopped


@final
class Reach:
    """One instrument: whether its orders reach the venue, and how much was asked for there."""

    def __init__(self, instrument_id: i64) -> None:
        self.instrument_id: Final = instrument_id
        # The name of a gateway that is down, and why a gateway that runs has no connection.
        self.down: str = ""
        self.cut_off: str = ""
        # Whether the one that is down will not come back.
        self.gone: bool = False
        # Since when it is away; and whether what it was told before may be lost.
        self.away_ns: i64 = 0
        self.lost: bool = False
        # Whether a person was told that orders are open there, and when that is to halt trading (0 is never).
        self.told: bool = False
        self.halt_ns: i64 = 0
        # Count the requests for buys and for sells: whoever remembers one sees whether any came since.
        self.buys_asked: i64 = 0
        self.sells_asked: i64 = 0

    def reason(self) -> str:
        """Why nothing can be sent; empty when it can."""
        return f"{self.down} is down" if self.down else self.cut_off

    def is_open(self) -> bool:
        """Whether what is sent now is taken."""
        return not self.down and not self.cut_off

    def is_awaited(self) -> bool:
        """Whether it is away and expected back."""
        return not self.gone and (len(self.down) > 0 or len(self.cut_off) > 0)

    def leave(self, now_ns: i64) -> None:
        """It is away from now on, unless it was before."""
        if self.is_open():
            self.away_ns = now_ns

    def forget(self) -> None:
        """Nothing stands in the way until it is said again."""
        self.down = ""
        self.cut_off = ""
        self.gone = False
        self.lost = False
        self.told = False
        self.halt_ns = 0

    def save(self) -> list[object]:
        """The reach as plain data; what it counts is for the present step alone."""
        return [self.down, self.cut_off, self.gone, int(self.away_ns), self.lost, self.told, int(self.halt_ns)]

    def load(self, row: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(row, list)
        self.down, self.cut_off, self.gone, self.away_ns, self.lost, self.told, self.halt_ns = row


@final
class Gateways:
    """See the head of this file. Each answer is the instruments that it concerns."""

    def __init__(
        self, instrument_ids: list[int], gateways: Mapping[str, tuple[int, ...]], connections: Mapping[int, str]
    ) -> None:
        self.reaches: Final[dict[int, Reach]] = {one: Reach(one) for one in instrument_ids}
        self.gateways: Final = gateways
        self.connections: Final = connections

    def reached_by(self, service: str) -> list[Reach]:
        """The instruments of a gateway; none when the service is no gateway."""
        instrument_ids = self.gateways.get(service)
        if instrument_ids is None:
            return []
        return [one for one in self.reaches.values() if not instrument_ids or one.instrument_id in instrument_ids]

    def service_of(self, connection_id: i64) -> str:
        """Whose connection it is; empty when it is no gateway's."""
        return self.connections.get(connection_id, "")

    def failed(self, failed: ServiceFailed, now_ns: i64) -> list[Reach]:
        """A gateway is down; what it had taken may be lost with it."""
        found = self.reached_by(failed.service)
        for one in found:
            one.leave(now_ns)
            one.down = failed.service
            one.lost = True
        return found

    def stopped(self, stopped: ServiceStopped, now_ns: i64) -> list[Reach]:
        """A gateway is gone."""
        found = self.reached_by(stopped.service)
        for one in found:
            one.leave(now_ns)
            one.down = stopped.service
            one.gone = True
        return found

    def restarted(self, restarted: ServiceRestarted) -> list[Reach]:
        """A gateway runs again."""
        found = self.reached_by(restarted.service)
        for one in found:
            one.down = ""
            one.gone = False
        return found

    def disconnected(self, down: ConnectionDown, now_ns: i64) -> list[Reach]:
        """A gateway runs and reaches nobody; it keeps the cancels for when it does."""
        service = self.service_of(down.connection_id)
        found = self.reached_by(service)
        for one in found:
            one.leave(now_ns)
            one.cut_off = f"{service} is not connected: {down.reason}"
        return found

    def connected(self, up: ConnectionUp) -> list[Reach]:
        """A gateway reaches its venue again."""
        found = self.reached_by(self.service_of(up.connection_id))
        for one in found:
            one.cut_off = ""
        return found

    def forget(self) -> None:
        """A new run: a gateway says so first thing when it is not connected yet."""
        for one in self.reaches.values():
            one.forget()
