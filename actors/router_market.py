"""What the router knows of its venues: their books, whether their gateways take orders, and where an order may go.

The base of `Router`. Only a book that is live counts, and only a venue that is reached gets an order; none does while
the lane lags or an operator has paused quoting.
"""

from __future__ import annotations

from typing import Final

from actors.order_bounds import SizeBounds
from actors.order_gateways import Gateways
from actors.router_params import RouterParams
from actors.router_parents import RoutedChild, RoutedParent
from actors.router_venues import RouterVenue, routes_of
from market.messages import (
    LIVE,
    REJECT_CONNECTION,
    REJECT_RATE_LIMITED,
    ActorFailed,
    BookSnapshot,
    BookStateChanged,
    ConnectionDown,
    ConnectionUp,
    Lagging,
    LimitChanged,
    OrderRejected,
    PauseQuoting,
    ServiceFailed,
    ServiceRestarted,
    ServiceStopped,
    TopOfBook,
)
from runtime.actor import Actor, ActorSetup

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
NANOSECONDS_PER_SECOND: Final = 1e9
RISK: Final = "risk"


def is_of_venue(rejected: OrderRejected) -> bool:
    """Whether a venue refused, and not risk, or a gateway for its connection or its own pace."""
    return rejected.source != RISK and rejected.code != REJECT_CONNECTION and rejected.code != REJECT_RATE_LIMITED


class RouterMarket(Actor):
    """See the head of this file."""

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, RouterParams)
        # How large an order risk lets pass.
        self.bounds: Final = SizeBounds()
        self.lagging: bool = False
        self.paused: bool = False
        self.half_life_ns: Final[float] = params.volatility_half_life_s * NANOSECONDS_PER_SECOND
        self.venues: Final[dict[int, RouterVenue]] = {}
        self.group_of: Final[dict[int, list[RouterVenue]]] = {}
        instruments = [setup.instruments.by_id(one) for one in setup.instrument_ids if one in setup.instruments]
        self.gateways: Final = Gateways([one.instrument_id for one in instruments], setup.gateways, setup.connections)
        for group in routes_of(instruments, self.gateways):
            for venue in group:
                venue.fill_rate = params.fill_rate
                venue.latency_ns = params.latency_ms * NANOSECONDS_PER_MILLISECOND
                self.venues[venue.instrument_id] = venue
                self.group_of[venue.instrument_id] = group

    # ---- books

    def on_top_of_book(self, top: TopOfBook) -> None:
        """Keep the touch."""
        venue = self.venues.get(top.instrument_id)
        if venue is not None:
            venue.show_top(top, self.half_life_ns)

    def on_depth(self, book: BookSnapshot) -> None:
        """Keep the levels behind it."""
        venue = self.venues.get(book.instrument_id)
        if venue is not None:
            venue.show_depth(book)

    def on_book_state(self, book: BookStateChanged) -> None:
        """A book that is not live is not there; one that is live again is told anew."""
        venue = self.venues.get(book.instrument_id)
        if venue is not None and book.state != LIVE:
            venue.live = False

    def on_actor_failed(self, _: ActorFailed) -> None:
        """It may have been the one that keeps the books: wait until they are told again."""
        for venue in self.venues.values():
            venue.forget_book()

    # ---- what holds everything

    def on_lagging(self, lagging: Lagging) -> None:
        """What is known is old."""
        self.lagging = lagging.lag_ns > 0

    def on_pause(self, pause: PauseQuoting) -> None:
        """An operator wants nothing sent, or lets it go on."""
        self.paused = pause.paused

    # ---- limits

    def on_limit_changed(self, changed: LimitChanged) -> None:
        """Larger orders may pass now."""
        self.bounds.forget(changed)

    # ---- gateways

    def on_service_failed(self, failed: ServiceFailed) -> None:
        """A gateway is down: nothing is sent where it brings orders."""
        self.gateways.failed(failed, self.now)

    def on_service_stopped(self, stopped: ServiceStopped) -> None:
        """A gateway is gone."""
        self.gateways.stopped(stopped, self.now)

    def on_service_restarted(self, restarted: ServiceRestarted) -> None:
        """A gateway runs again."""
        self.gateways.restarted(restarted)

    def on_connection_down(self, down: ConnectionDown) -> None:
        """A gateway runs and reaches nobody."""
        self.gateways.disconnected(down, self.now)

    def on_connection_up(self, up: ConnectionUp) -> None:
        """A gateway reaches its venue again."""
        self.gateways.connected(up)

    # ---- where an order may go

    def middle(self, venue: RouterVenue) -> float:
        """The middle of a venue's book now; 0 when it has none."""
        if not venue.live or venue.bid_size <= 0 or venue.ask_size <= 0:
            return 0.0
        both: int = venue.bid_price + venue.ask_price
        return both / 2.0

    def may_take(self, venue: RouterVenue, parent: RoutedParent) -> bool:
        """Whether a venue may be tried: live and reached, not refused there, and its book newer than the last try."""
        if not venue.live or not venue.reach.is_open() or venue.instrument_id in parent.refused:
            return False
        return parent.tried.get(venue.instrument_id, -1) != venue.updates

    def was_away(self, child: RoutedChild) -> bool:
        """Whether its gateway was away since it was sent: then its outcome says nothing of the venue."""
        reach = self.venues[child.instrument_id].reach
        return not reach.is_open() or reach.away_ns >= child.sent_ns

    def why_none(self, group: list[RouterVenue], parent: RoutedParent) -> str:
        """Why nothing is sent: what was refused, which gateways are away, or that no book is there."""
        for venue in group:
            if venue.instrument_id in parent.refused:
                return f"refused at {venue.instrument.venue}: {parent.refused[venue.instrument_id]}"
        for venue in group:
            if not venue.reach.is_open():
                return venue.reach.reason()
        return "no venue has a live book that was not tried"
