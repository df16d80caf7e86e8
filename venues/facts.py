"""What must be known of a venue before a byte is sent: addresses, limits, duties. One `VenueFacts` for each dialect.

Every number is the venue's documented one, or says in its dialect's head that it is not verified. The feed service and
the REST client keep to them; `hftrun venues` prints them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import quote, urlsplit

import attrs

from market.dialect import PIECE_BYTES, Conversation, Dialect
from market.instruments import Instrument


@attrs.frozen(kw_only=True)
class VenueFacts:
    """See the head of this file. A limit of 0 is one that the venue does not have or does not tell."""

    title: str
    docs: str
    """The page of the venue's own documents, without scheme."""
    stream_url: str
    rest_url: str
    connects: int = 0
    """So many new connections are allowed in `connects_per_s` seconds."""
    connects_per_s: float = 300.0
    requests: int = 0
    """So many frames may be sent in `requests_per_s` seconds on one connection."""
    requests_per_s: float = 1.0
    instruments_per_connection: int = 0
    ping_every_s: float = 0.0
    """After this much silence of ours `Conversation.sign_of_life` is due; 0 where the venue asks for none."""
    silence_s: float = 10.0
    """A connection on which nothing came for so long is dead, whatever the socket says."""
    life_s: float = 0.0
    """The venue ends every connection after this time; another one is opened before it."""
    compression: bool = False
    """Whether permessage-deflate is offered."""
    most_message_bytes: int = 16 * 1024 * 1024
    rest_weight: int = 0
    """The budget of requests: so much weight in `rest_per_s` seconds."""
    rest_per_s: float = 60.0
    budget: str = ""
    """Venues of which the other side counts the weight together name the same budget; empty is the venue's own."""
    snapshot_weight: int = 1
    audit_weight: int = 1
    snapshot_after_s: float = 0.0
    """Where a subscription usually brings a snapshot: after so much waiting for it `snapshot_path` is asked for too."""


def asked_symbol(venue_symbol: str) -> str:
    """A symbol as a request's path or query holds it: percent-encoded but for the colon, which both may hold."""
    return quote(venue_symbol, safe=":", errors="replace")


class UnknownDepth(ValueError):
    """A depth of which the venue has no book; the message lists those there are."""


class Venue(Dialect):
    """A dialect of a venue outside, with what the services need beside the words."""

    facts: VenueFacts
    routes: ClassVar[tuple[str, ...]] = ("",)
    """Where what is subscribed comes over several connections, a name for each: the feed opens one connection for each
    route, by `route_url` and `route_conversation`, and all of them together are what elsewhere is the connection. The
    first route brings the books. A frame of any route goes to the same router and the same decoder."""

    depths: ClassVar[tuple[int, ...]] = ()
    """The depths that a book can be subscribed to with; none where the venue offers no choice."""

    def __init__(self, depth: int = 0) -> None:
        """Speak of books of this depth, or of the venue's usual one."""
        super().__init__(depth)
        # What the last call of `instruments` left out although it is listed, the beginning of each and why.
        self.left_out: list[str] = []
        if depth and not self.depths and not self.default_depth:
            raise UnknownDepth(f"{self.venue} has no books of a depth, only whole ones: name no depth")
        if self.depths and self.depth not in self.depths:
            choices = ", ".join(map(str, self.depths))
            raise UnknownDepth(f"{self.venue} has no book of depth {self.depth}: choose one of {choices}")

    def route_url(self, route: str, venue_symbols: Sequence[str], base: str = "") -> str:
        """Where the connection of a route goes; of a venue with one route that is `url`."""
        return self.url(venue_symbols, base)

    def route_conversation(self, route: str) -> Conversation:
        """What is said on the connection of a route; of a venue with one route that is `conversation`."""
        return self.conversation()

    def url(self, venue_symbols: Sequence[str], base: str = "") -> str:
        """Where the connection for these instruments goes, from the venue's own address or from another base."""
        own = self.facts.stream_url
        if not base or urlsplit(base).path.strip("/"):
            return base or own
        # An address alone is asked for what the venue has at its own.
        return base.rstrip("/") + urlsplit(own).path

    def cut(self, frame: bytes, kind: int, most_bytes: int = PIECE_BYTES) -> list[bytes]:
        """The frame cut anywhere, which suits a decoder that reads a frame once all of it is there."""
        return [frame[start : start + most_bytes] for start in range(0, len(frame), most_bytes)]

    def metadata_paths(self) -> tuple[str, ...]:
        """The requests, relative to `facts.rest_url`, whose answers tell the venue's instruments."""
        raise NotImplementedError

    def next_metadata_path(self, path: str, body: bytes) -> str:
        """Where the answer to one of `metadata_paths` says that there is more: the request for it, else empty."""
        return ""

    def instruments(self, bodies: Sequence[bytes], first_id: int = 1) -> list[Instrument]:
        """The instruments that the answers to `metadata_paths` tell, ids counted from `first_id`, or a `BadFrame`.

        One that cannot be described does not take the others with it: `left_out` tells which those are.
        """
        raise NotImplementedError
