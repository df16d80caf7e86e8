"""The numbers of a gateway's sessions, which tell connections apart for as long as anybody remembers them.

They promise: no two gateways of a process ever give the same one; they rise from connection to connection, and over
restarts, because they begin with the time of the start; every JSON library keeps them exactly. They say nothing about
when a session began.
"""

from __future__ import annotations

from typing import Final

GATEWAYS: Final = 64
"""Sessions of one gateway are so far apart; between them lie those of the other services' gateways."""

NANOSECONDS_PER_MICROSECOND: Final = 1_000


class SessionNumbers:
    """Gives one number after the other."""

    def __init__(self, service_number: int, start_ns: int) -> None:
        if not 0 <= service_number < GATEWAYS:
            raise ValueError(
                f"the service has the place {service_number + 1} in the configuration: "
                f"put every gateway among the first {GATEWAYS} services"
            )
        start_us = start_ns // NANOSECONDS_PER_MICROSECOND
        self._last = start_us // GATEWAYS * GATEWAYS + service_number

    def next(self) -> int:
        """The next number."""
        self._last += GATEWAYS
        return self._last
