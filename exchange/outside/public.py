"""A gateway of public data alone: what a venue's protocol without order entry needs around its words.

It promises: what the lane sends is taken at once, whatever clients do; the venue's hub hears of everything in order
and is asked at each beat for what is batched. A venue's gateway names its hub and its site, nothing else. It never
gives the exchange an order.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Final, Protocol

import trio

from exchange.certificates import certificate_context
from exchange.outside.books import PUBLIC_MESSAGES, Market, MarketListener, MarketSide
from exchange.outside.intake import take_in
from exchange.outside.link import LaneLink
from exchange.outside.params import OutsideParams
from exchange.outside.server import OutsideServer, Site
from market.messages import Message, SnapshotWanted
from runtime.service import Service, ServiceSetup

MILLISECONDS: Final = 1_000


class Hub(MarketListener, Protocol):
    """What a venue makes of the markets, for all its clients."""

    def begin(self, markets: list[Market]) -> None:
        """Know the markets, before anything is told of them."""

    def at_end(self) -> None:
        """No more comes of what the lane told at once."""

    def beat(self) -> None:
        """A beat of the clock has passed."""


class PublicGateway(Service):
    """See the head of this file. A subclass sets `PARAMS`, `BEAT_MS` and `LISTENS`, and makes hub and site."""

    TAKES: ClassVar[tuple[type[Message], ...]] = PUBLIC_MESSAGES
    GIVES: ClassVar[tuple[type[Message], ...]] = (SnapshotWanted,)
    BEAT_MS: ClassVar[int] = 100
    LISTENS: ClassVar[str] = "gateway listens"

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, OutsideParams)
        params = setup.params
        if params.keys_file:
            raise ValueError(
                f"keys_file is {params.keys_file!r}, and this protocol has public data alone: leave keys_file out"
            )
        self.link = LaneLink(self.offer, self.send)
        self.hub, self.site = self.make(params)
        self.side = MarketSide(
            [self.instruments.by_id(instrument_id) for instrument_id in self.instrument_ids],
            params.exchange_id,
            params.trades_kept,
            self.hub,
            self.link.forward,
            self._warn_unanswered,
        )
        self.hub.begin(list(self.side.markets.values()))
        connected = self.metrics.gauge("gateway_connections", "Clients that are connected.", {"service": self.name})
        self.server = OutsideServer(params, self.site, self.clock, self.log, connected)
        self._exchange_id = params.exchange_id
        self._certificate = certificate_context(params)

    @abstractmethod
    def make(self, params: OutsideParams) -> tuple[Hub, Site]:
        """The venue's hub and site."""

    async def run(self) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_in, self.mailbox, self.side.on_message, self.hub.at_end)
            nursery.start_soon(self.link.run)
            nursery.start_soon(self.side.keep_books)
            nursery.start_soon(self._beat)
            await self.server.serve(self._certificate, self.LISTENS)

    async def _beat(self) -> None:
        """Beat by the clock; a beat that comes late is not made up for."""
        due = trio.current_time()
        while True:
            due = max(due + self.BEAT_MS / MILLISECONDS, trio.current_time())
            await trio.sleep_until(due)
            self.hub.beat()

    def _warn_unanswered(self, symbols: list[str]) -> None:
        self.log.warning(
            "the exchange does not answer the gateway: give both the same exchange_id and the same instruments",
            exchange_id=self._exchange_id, books_missing=symbols,
        )  # fmt: skip
