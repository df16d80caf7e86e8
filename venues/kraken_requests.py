"""What both of Kraken's streams share: what is asked by requests, whatever the version of the stream. Sans-I/O."""

from __future__ import annotations

from collections.abc import Sequence

from market.instruments import Instrument
from venues.facts import Venue
from venues.kraken_pairs import MOST_AUDITED_LEVELS, Levels, read_depth, read_pairs, request_name


class KrakenRequests(Venue):
    """The requests of Kraken spot; a stream of it adds what is said there."""

    def snapshot_path(self, venue_symbol: str, levels: int) -> str:
        """None: the stream brings the snapshot."""
        return ""

    def metadata_paths(self) -> tuple[str, ...]:
        """All pairs in one answer."""
        return ("/0/public/AssetPairs",)

    def instruments(self, bodies: Sequence[bytes], first_id: int = 1) -> list[Instrument]:
        """The pairs, with the scales that their checksums need."""
        return read_pairs(bodies[0], self.venue, first_id, True, self.left_out)

    def audit_path(self, venue_symbol: str) -> str:
        """The Depth request; it tells no number or time of the book, and at most 500 levels."""
        return f"/0/public/Depth?pair={request_name(venue_symbol)}&count={min(self.depth, MOST_AUDITED_LEVELS)}"

    def read_audit(self, body: bytes, price_scale: int, size_scale: int) -> tuple[Levels, Levels]:
        """Bids and asks of the answer, best first, or a `BadFrame`."""
        return read_depth(body, price_scale, size_scale)
