"""Binance's futures, margined in USD stablecoins (`binance_usdm`) or in the coin itself (`binance_coinm`).

What differs from spot: each change of the book names the last id of the change before it, and that chain is the rule
of continuity (`venues/binance_book.py`); numbers have as many decimal places as the instrument, not eight; events tell
the time of the transaction beside their own. The streams come over two routes: the book and the best prices on
`public`, trades on `market`, where a stream of the other route is acknowledged and stays silent. Trades are aggregated
ones: that the plain ones are sent at all is not documented, though they are read where they come. Orders hidden from
the book (RPI) trade at prices that it never showed. `docs/venues/binance.md` has the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from market.dialect import MOST_KEPT_BYTES, PIECE_BYTES, Conversation, Decoder
from market.instruments import Instrument
from venues.binance_book import MOST_BUFFERED
from venues.binance_cut import cut_frame
from venues.binance_markets import FuturesDecoder
from venues.binance_metadata import read_instruments
from venues.binance_reading import read_carefully, read_piece_carefully, read_snapshot_carefully, snapshot_levels
from venues.binance_scan import FrameScan
from venues.binance_words import USUAL_BEGINNING, BinanceConversation, symbol_at_a_glance, type_at_a_glance
from venues.facts import Venue, VenueFacts, asked_symbol

PUBLIC: Final = "public"
MARKET: Final = "market"
CHANNELS: Final = {PUBLIC: ("depth@100ms", "bookTicker"), MARKET: ("aggTrade",)}
SNAPSHOT_LEVELS: Final = (5, 10, 20, 50, 100, 500, 1_000)
AUDIT_LEVELS: Final = 100
# The venue counts the requests of an address to both kinds of futures together.
_BUDGET: Final = "binance_futures"


class _Futures(Venue):
    """What both markets have in common."""

    routes: ClassVar[tuple[str, ...]] = (PUBLIC, MARKET)
    usual_beginning: ClassVar[tuple[bytes, bytes]] = USUAL_BEGINNING
    api: ClassVar[str]
    fees_bps: ClassVar[tuple[str, str]]

    def route_url(self, route: str, venue_symbols: Sequence[str], base: str = "") -> str:
        """The combined stream of a route; a base is scheme, host and port."""
        return f"{(base or self.facts.stream_url).rstrip('/')}/{route}/stream"

    def route_conversation(self, route: str) -> Conversation:
        """What is said on a new connection of a route."""
        return BinanceConversation(CHANNELS[route])

    def url(self, venue_symbols: Sequence[str], base: str = "") -> str:
        """The route that brings the books."""
        return self.route_url(PUBLIC, venue_symbols, base)

    def conversation(self) -> Conversation:
        """What is said on the route that brings the books."""
        return self.route_conversation(PUBLIC)

    def snapshot_path(self, venue_symbol: str, levels: int) -> str:
        """The depth request, of the next larger of the numbers of levels that the venue takes."""
        limit = next((limit for limit in SNAPSHOT_LEVELS if limit >= levels), SNAPSHOT_LEVELS[-1])
        return f"{self.api}/depth?symbol={asked_symbol(venue_symbol)}&limit={limit}"

    def metadata_paths(self) -> tuple[str, ...]:
        """One request tells all instruments."""
        return (f"{self.api}/exchangeInfo",)

    def instruments(self, bodies: Sequence[bytes], first_id: int = 1) -> list[Instrument]:
        """Every contract that trades, with the fees of the lowest tier."""
        return read_instruments(bodies[0], self.venue, first_id, *self.fees_bps)

    def audit_path(self, venue_symbol: str) -> str:
        """The best levels, at a low weight."""
        return self.snapshot_path(venue_symbol, AUDIT_LEVELS)

    def read_audit(
        self, body: bytes, price_scale: int, size_scale: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks of the answer, best first, or a `BadFrame`."""
        return snapshot_levels(body, price_scale, size_scale)

    def venue_symbol(self, frame: bytes) -> str:
        """The symbol, from the stream's name in a combined frame, else from the payload; empty when there is none."""
        return symbol_at_a_glance(frame)

    def message_type(self, frame: bytes) -> str:
        """The event's name; of what has none, what it looks like."""
        return type_at_a_glance(frame)

    def cut(self, frame: bytes, kind: int, most_bytes: int = PIECE_BYTES) -> list[bytes]:
        """A depth event or a snapshot in the venue's own spelling, cut between two levels."""
        return cut_frame(frame, kind, most_bytes)

    def decoder(
        self,
        venue_symbol: str,
        price_scale: int,
        size_scale: int,
        most_buffered: int = MOST_BUFFERED,
        most_kept_bytes: int = MOST_KEPT_BYTES,
    ) -> Decoder:
        """A new decoder for one symbol; so many events and bytes wait for a snapshot at most."""
        scan = FrameScan(venue_symbol, price_scale, size_scale, True)
        return FuturesDecoder(
            scan, read_carefully, read_snapshot_carefully, read_piece_carefully, most_buffered, most_kept_bytes
        )


class BinanceUsdm(_Futures):
    """The dialect of futures that are margined in USD stablecoins."""

    facts = VenueFacts(
        title="Binance USD-M futures",
        docs="developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams",
        stream_url="wss://fstream.binance.com",
        rest_url="https://fapi.binance.com",
        requests=10,
        requests_per_s=1.0,
        instruments_per_connection=100,
        silence_s=300.0,
        life_s=24 * 3600.0,
        rest_weight=2_400,
        rest_per_s=60.0,
        budget=_BUDGET,
        snapshot_weight=20,
        audit_weight=5,
    )
    api = "/fapi/v1"
    fees_bps = ("2", "5")

    @property
    def venue(self) -> str:
        """The venue's name, as configurations write it."""
        return "binance_usdm"


class BinanceCoinm(_Futures):
    """The dialect of futures that are margined in the coin itself: sizes are contracts of a fixed value in dollars."""

    facts = VenueFacts(
        title="Binance COIN-M futures",
        docs="developers.binance.com/docs/derivatives/coin-margined-futures/websocket-market-streams",
        stream_url="wss://dstream.binance.com",
        rest_url="https://dapi.binance.com",
        requests=10,
        requests_per_s=1.0,
        instruments_per_connection=100,
        silence_s=300.0,
        life_s=24 * 3600.0,
        rest_weight=2_400,
        rest_per_s=60.0,
        budget=_BUDGET,
        snapshot_weight=20,
        audit_weight=5,
    )
    # The documents of the routes speak of the USD-M hosts alone; here both kinds of streams come over one connection.
    routes = ("",)
    api = "/dapi/v1"
    fees_bps = ("1", "5")

    @property
    def venue(self) -> str:
        """The venue's name, as configurations write it."""
        return "binance_coinm"

    def route_url(self, route: str, venue_symbols: Sequence[str], base: str = "") -> str:
        """The combined stream; a base is scheme, host and port."""
        return f"{(base or self.facts.stream_url).rstrip('/')}/stream"

    def route_conversation(self, route: str) -> Conversation:
        """What is said on a new connection."""
        return BinanceConversation(CHANNELS[PUBLIC] + CHANNELS[MARKET])
