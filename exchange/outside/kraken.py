"""The gateway that speaks Kraken's public protocol: market data of the embedded exchange over WebSocket v2 and REST.

It promises: a client of the venue that is pointed here finds its channels, answers and errors, books with the
checksums of the venue's guide, and no level told that has fallen out of a depth. It takes no orders.
`docs/exchange-venues.md` says what there is.
"""

from __future__ import annotations

from typing import ClassVar

from exchange.outside.kraken_params import KrakenParams
from exchange.outside.kraken_rest import KrakenSite
from exchange.outside.kraken_streams import BEAT_MS, Streams
from exchange.outside.params import OutsideParams
from exchange.outside.public import Hub, PublicGateway
from exchange.outside.server import Site


class KrakenGateway(PublicGateway):
    """See the head of this file."""

    PARAMS: ClassVar[type | None] = KrakenParams
    BEAT_MS: ClassVar[int] = BEAT_MS
    LISTENS: ClassVar[str] = "kraken gateway listens"

    def make(self, params: OutsideParams) -> tuple[Hub, Site]:
        """The channels, and the site that leads to them."""
        assert isinstance(params, KrakenParams)
        self.streams = Streams(self.clock.now_ns)
        return self.streams, KrakenSite(params, self.streams, self.clock)
