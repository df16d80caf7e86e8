"""The gateway that speaks Coinbase's public protocol: market data of the embedded exchange as Advanced Trade has it.

It promises: a client of the venue that is pointed here finds its channels, one count of frames for each connection
without a gap, and its public requests. It takes no orders. `docs/exchange-venues.md` says what there is.
"""

from __future__ import annotations

from typing import ClassVar

from exchange.outside.coinbase_params import CoinbaseParams
from exchange.outside.coinbase_rest import CoinbaseSite
from exchange.outside.coinbase_streams import BEAT_MS, Streams
from exchange.outside.params import OutsideParams
from exchange.outside.public import Hub, PublicGateway
from exchange.outside.server import Site


class CoinbaseGateway(PublicGateway):
    """See the head of this file."""

    PARAMS: ClassVar[type | None] = CoinbaseParams
    BEAT_MS: ClassVar[int] = BEAT_MS
    LISTENS: ClassVar[str] = "coinbase gateway listens"

    def make(self, params: OutsideParams) -> tuple[Hub, Site]:
        """The channels, and the site that leads to them."""
        assert isinstance(params, CoinbaseParams)
        self.streams = Streams(params, self.clock.now_ns)
        return self.streams, CoinbaseSite(params, self.streams, self.clock)
