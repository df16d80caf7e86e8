"""What carries orders to each venue: a service, a connection, or both. Either being down keeps the venue down.

It fails closed: a connection that is configured is down until it was told to be up in this run. A service is up until
it was told to be down, for nobody tells that one has started. It never asks anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mypy_extensions import i64

from actors.risk_watched import Watched


class Road:
    """What carries the orders of one venue."""

    def __init__(self, venue: str, service: str, connection_id: i64, watched: list[Watched]) -> None:
        self.venue: Final = venue
        self.service: Final = service
        # 0 where no connection is configured.
        self.connection_id: Final = connection_id
        self.watched: Final = watched
        self.service_down: bool = False
        self.connection_down: bool = False

    def tell(self) -> None:
        """Let the checks know what is down, by name; an empty text when nothing is."""
        down = ""
        if self.service_down:
            down = self.service
        elif self.connection_down:
            down = f"connection {self.connection_id}"
        for one in self.watched:
            one.gateway_down = down


class Gateways:
    """See the head of this file."""

    def __init__(self, watched: list[Watched], services: Mapping[str, str], connections: Mapping[str, int]) -> None:
        self.roads: Final[list[Road]] = []
        for venue in dict.fromkeys([*services, *connections]):
            here = [one for one in watched if one.venue == venue]
            self.roads.append(Road(venue, services.get(venue, ""), connections.get(venue, 0), here))
        self.begin()

    def begin(self) -> None:
        """A run begins: no connection is up yet."""
        for road in self.roads:
            road.service_down = False
            road.connection_down = road.connection_id != 0
            road.tell()

    def service(self, name: str, down: bool) -> None:
        """A service is down, or back."""
        for road in self.roads:
            if road.service == name:
                road.service_down = down
                road.tell()

    def connection(self, connection_id: i64, down: bool) -> None:
        """A connection is down, or up."""
        for road in self.roads:
            if road.connection_id == connection_id:
                road.connection_down = down
                road.tell()

    def save(self) -> list[object]:
        """What is down, as plain data."""
        return [[road.venue, road.service_down, road.connection_down] for road in self.roads]

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, list)
        rows = {row[0]: row for row in state}
        for road in self.roads:
            row = rows.get(road.venue)
            if row is not None:
                road.service_down, road.connection_down = row[1], row[2]
            road.tell()
