"""The gateway that speaks Binance's spot protocol: market data and order entry of the embedded exchange.

It promises: a client of the venue that is pointed here finds the paths, streams, limits and errors of the venue, and
books whose update ids have no gap; what the lane sends is taken at once, whatever clients do; orders go to the
exchange as its own messages. It decides nothing about orders. `docs/exchange-venues.md` says what there is.
"""

from __future__ import annotations

import os
from typing import ClassVar, Final

import trio

from exchange.certificates import certificate_context
from exchange.keys import KeyRing, create_demo_keys, read_keys
from exchange.outside.binance_calls import Context
from exchange.outside.binance_params import BinanceParams
from exchange.outside.binance_rest import BinanceSite
from exchange.outside.binance_streams import FAST_MS, Streams
from exchange.outside.binance_users import ListenKeys
from exchange.outside.books import PUBLIC_MESSAGES, MarketSide
from exchange.outside.desk import OrderDesk
from exchange.outside.intake import take_in
from exchange.outside.link import LaneLink
from exchange.outside.server import OutsideServer
from exchange.session_numbers import SessionNumbers
from market.messages import (
    AccountStateWanted,
    BalanceReported,
    CancelWanted,
    EntryWanted,
    Message,
    OrderReported,
    RequestAnswered,
    SessionAnswered,
    SessionClosed,
    SessionOpened,
    SnapshotWanted,
)
from runtime.service import Service, ServiceSetup

MILLISECONDS: Final = 1_000
NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
FAREWELL_SECONDS: Final = 0.5


class BinanceGateway(Service):
    """See the head of this file."""

    TAKES: ClassVar[tuple[type[Message], ...]] = (
        *PUBLIC_MESSAGES,
        SessionAnswered,
        RequestAnswered,
        OrderReported,
        BalanceReported,
    )
    GIVES: ClassVar[tuple[type[Message], ...]] = (
        SnapshotWanted,
        SessionOpened,
        SessionClosed,
        EntryWanted,
        CancelWanted,
        AccountStateWanted,
    )
    PARAMS: ClassVar[type | None] = BinanceParams

    def __init__(self, setup: ServiceSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, BinanceParams)
        params = self.params = setup.params
        self.link = LaneLink(self.offer, self.send)
        self.streams = Streams(self.clock.now_ns)
        self.side = MarketSide(
            [self.instruments.by_id(instrument_id) for instrument_id in self.instrument_ids],
            params.exchange_id,
            params.trades_kept,
            self.streams,
            self.link.forward,
            self._warn_unanswered,
        )
        self.streams.begin(self.side.by_symbol)
        self.desk = OrderDesk(
            params, self.name, SessionNumbers(setup.number, self.clock.now_ns()), self.clock, self.link.forward
        )
        self.listen_keys = ListenKeys(
            self.streams, self.clock.now_ns, params.listen_key_ms * NANOSECONDS_PER_MILLISECOND
        )
        self.listen_keys.markets = self.side.markets
        context = Context(params, self.clock, self.side.by_symbol, self.desk, self.listen_keys)
        self.site = BinanceSite(params, context, self.streams)
        connected = self.metrics.gauge("gateway_connections", "Clients that are connected.", {"service": self.name})
        self.server = OutsideServer(params, self.site, self.clock, self.log, connected)
        self._certificate = certificate_context(params)
        self._use_keys(KeyRing() if self._lacks_keys() else read_keys(params.keys_file))

    async def run(self) -> None:
        """Serve until cancelled; however it ends, the lane learns that all sessions are over."""
        path = self.params.keys_file
        if path and self._lacks_keys():
            if create_demo_keys(path, self.params.demo_accounts):
                self.log.info("demo keys made", file=path, accounts=list(self.params.demo_accounts))
            self._use_keys(read_keys(path))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(take_in, self.mailbox, self._take, self._at_end)
                nursery.start_soon(self.link.run)
                nursery.start_soon(self.side.keep_books)
                nursery.start_soon(self._beat)
                await self.server.serve(self._certificate, "binance gateway listens")
        finally:
            with trio.move_on_after(FAREWELL_SECONDS, shield=True):
                await self.send(self.desk.farewell())

    def _take(self, message: Message) -> None:
        """What the lane tells concerns either everybody or an account."""
        if isinstance(message, PUBLIC_MESSAGES):
            self.side.on_message(message)
        else:
            self.desk.on_message(message)

    def _at_end(self) -> None:
        self.streams.at_end()
        self.desk.at_end()

    async def _beat(self) -> None:
        """Send what is batched, by the clock; a beat that comes late is not made up for."""
        due = trio.current_time()
        while True:
            due = max(due + FAST_MS / MILLISECONDS, trio.current_time())
            await trio.sleep_until(due)
            self.listen_keys.expire()
            self.streams.beat()

    def _use_keys(self, keys: KeyRing) -> None:
        """Know the clients; their accounts are followed from the start."""
        self.site.keys = keys
        for account_id in keys.accounts():
            self.desk.follow(account_id)

    def _lacks_keys(self) -> bool:
        """Whether there is no file of keys to read, and rightly so: none is named, or the first start makes it."""
        path = self.params.keys_file
        return not path or (bool(self.params.demo_accounts) and not os.path.exists(path))

    def _warn_unanswered(self, symbols: list[str]) -> None:
        self.log.warning(
            "the exchange does not answer the gateway: give both the same exchange_id and the same instruments",
            exchange_id=self.params.exchange_id, books_missing=symbols,
        )  # fmt: skip
