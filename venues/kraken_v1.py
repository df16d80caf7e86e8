"""Kraken spot over WebSocket v1, which long recordings with checksums speak; live feeds speak v2 (`venues/kraken.py`).

What is particular here. Data are arrays, `[channel number, levels, "book-1000", "XBT/USD"]`; a snapshot has `as` and
`bs` and no checksum, a change `a` or `b` or two objects with one of each, and the checksum `c`. Every level brings a
time of its own; one with a fourth item `"r"` was published before. The depth stands in every frame, and each side is
cut to it. The checksum is made of prices and sizes as they are written, often with more places than the pair's
`pair_decimals`: how many is learnt from the snapshot. Pairs have the venue's own names of assets, XBT and XDG. Trades
have no identifiers: theirs are 0. What books share with v2 is in `venues/kraken_book.py`.

Not verified live: all that is not in the recordings, which are refusals, `unsubscribed` and pongs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, ClassVar, Final

import msgspec

from market.dialect import (
    BACK,
    BY_SUBSCRIPTION,
    CONFIRMED,
    DATA,
    MAINTENANCE,
    REFUSED,
    BadFrame,
    Conversation,
    Decoder,
)
from market.instruments import Instrument
from market.messages.constants import BUY, SELL, STATUS_HALTED
from venues.facts import VenueFacts
from venues.kraken import DEPTHS, MAINTENANCE_STATE, MOST_SYMBOLS
from venues.kraken_book import MOST_CHECKSUM, UNWRITTEN, KrakenDecoder, KrakenScan
from venues.kraken_pairs import read_pairs
from venues.kraken_reading import SYSTEM_STATUS, UNREADABLE, Unusable, add_level, check_symbol, unsigned
from venues.kraken_requests import KrakenRequests
from venues.kraken_v1_scan import MOST_MICROSECONDS, KrakenV1Scan
from venues.scanning import DELTA, LIFE, OTHER, REFUSAL, REPLY, SNAPSHOT, STRANGE, TRADES, TRADING, Scan

_Depth = Annotated[int, msgspec.Meta(ge=1, le=1000)]
_SIDES: Final = {"b": BUY, "s": SELL}
CHANNELS: Final = ("book", "trade")
_NOT_KEPT: Final = ("ticker", "ohlc", "spread")
_REPUBLISHED: Final = "r"
_NANOSECOND_PLACES: Final = 9
_MOST_TIME_NS: Final = MOST_MICROSECONDS * 1_000
_FEWEST_PARTS: Final = 4
_DATA_END: Final = re.compile(rb'"([a-z0-9-]{1,24})","([^"]{1,32})"\s*\]\s*$')
_MOST_END_BYTES: Final = 80
_PAIR: Final = re.compile(rb'"pair"\s*:\s*"([^"]{1,32})"')
_EVENT: Final = re.compile(rb'"event"\s*:\s*"([A-Za-z]{1,32})"')
_MOST_GLANCE_BYTES: Final = 320


class _Sides(msgspec.Struct):
    """One object of a frame: of a snapshot, or of a change."""

    all_asks: list[list[str]] | None = msgspec.field(name="as", default=None)
    all_bids: list[list[str]] | None = msgspec.field(name="bs", default=None)
    asks: list[list[str]] | None = msgspec.field(name="a", default=None)
    bids: list[list[str]] | None = msgspec.field(name="b", default=None)
    checksum: str | None = msgspec.field(name="c", default=None)


class _Subscription(msgspec.Struct):
    """What was subscribed to."""

    name: str = ""
    depth: _Depth | None = None


class _Event(msgspec.Struct):
    """A frame that is an object."""

    event: str
    status: str = ""
    pair: str = ""
    reason: str = msgspec.field(name="errorMessage", default="")
    channel: str = msgspec.field(name="channelName", default="")
    subscription: _Subscription | None = None


_arrays = msgspec.json.Decoder(list[msgspec.Raw])
_events = msgspec.json.Decoder(_Event)
_sides = msgspec.json.Decoder(_Sides)
_rows = msgspec.json.Decoder(list[list[str]])
_texts = msgspec.json.Decoder(str)
_numbers = msgspec.json.Decoder(int)


def read_carefully(scan: Scan, frame: bytes) -> int:
    """Read any spelling of a frame into the scan and return its kind, or raise `BadFrame`."""
    assert isinstance(scan, KrakenScan)
    try:
        if frame.lstrip()[:1] == b"[":
            return _read_data(scan, _arrays.decode(frame))
        return _read_event(scan, _events.decode(frame))
    except UNREADABLE as error:
        raise BadFrame(str(error), frame) from error


def _read_data(scan: KrakenScan, parts: list[msgspec.Raw]) -> int:
    if len(parts) < _FEWEST_PARTS:
        raise Unusable(f"an array of {len(parts)} items")
    _numbers.decode(parts[0])
    check_symbol(scan, _texts.decode(parts[-1]))
    channel = _texts.decode(parts[-2])
    name, _, depth = channel.partition("-")
    if name == "book":
        if not re.fullmatch("[1-9][0-9]{0,3}", depth) or int(depth) > 1_000:
            raise Unusable(f"{channel!r} names no depth")
        kind = _fill_book(scan, [_sides.decode(part) for part in parts[1:-2]])
        scan.depth = int(depth)
        return kind
    if name == "trade":
        return _fill_trades(scan, _rows.decode(parts[1]))
    scan.text = f"the channel {channel!r} is not kept"
    return OTHER if name in _NOT_KEPT else STRANGE


def _fill_book(scan: KrakenScan, objects: list[_Sides]) -> int:
    asks = [row for one in objects for row in (one.all_asks or []) + (one.asks or [])]
    bids = [row for one in objects for row in (one.all_bids or []) + (one.bids or [])]
    are_all = [one.all_asks is not None or one.all_bids is not None for one in objects]
    are_some = [one.asks is not None or one.bids is not None for one in objects]
    if any(are_all) == any(are_some):
        raise Unusable("a book's frame is either a snapshot or a change")
    scan.begin_levels()
    scan.price_written = UNWRITTEN
    scan.size_written = UNWRITTEN
    newest_ns = 0
    for row in bids:
        newest_ns = max(newest_ns, _fill_level(scan, row))
    scan.bid_count = scan.level_count
    for row in asks:
        newest_ns = max(newest_ns, _fill_level(scan, row))
    checksums = [one.checksum for one in objects if one.checksum is not None]
    if len(checksums) > 1 or (checksums and not re.fullmatch("0|[1-9][0-9]{0,9}", checksums[0])):
        raise Unusable(f"{checksums} cannot be a checksum")
    scan.has_checksum = bool(checksums)
    checksum = int(checksums[0]) if checksums else 0
    if checksum > MOST_CHECKSUM:
        raise Unusable(f"{checksum} cannot be a checksum")
    scan.checksum = checksum
    scan.checksum_due = not any(are_all)
    scan.event_ns = 0 if any(are_all) else newest_ns
    return SNAPSHOT if any(are_all) else DELTA


def _fill_level(scan: KrakenScan, row: list[str]) -> int:
    """Put a level behind those held; gives its time, 0 when it was published before."""
    if not 3 <= len(row) <= 4:
        raise Unusable(f"a level of {len(row)} items")
    written = [len(text.partition(".")[2]) for text in row[:2]]
    if not all(re.fullmatch("[0-9]+([.][0-9]+)?", text) for text in row[:2]):
        raise Unusable(f"{row[:2]} are no numbers of which a checksum is made")
    if scan.price_written == UNWRITTEN:
        scan.price_written, scan.size_written = written
    elif [scan.price_written, scan.size_written] != written:
        raise Unusable(f"a level is written with {written} places, those before it with others")
    add_level(scan, row[0], row[1])
    moment_ns = _time(row[2])
    return 0 if row[3:] == [_REPUBLISHED] else moment_ns


def _time(text: str) -> int:
    moment_ns = unsigned(text, _NANOSECOND_PLACES)
    if moment_ns > _MOST_TIME_NS:
        raise Unusable(f"{text} cannot be a time")
    return moment_ns


def _fill_trades(scan: KrakenScan, rows: list[list[str]]) -> int:
    owner = scan.trades_to
    owner.trade_count = 0
    scan.event_ns = 0
    for row in rows:
        if len(row) < 4 or row[3] not in _SIDES:
            raise Unusable(f"{row} is no trade")
        price, size = unsigned(row[0], scan.price_scale), unsigned(row[1], scan.size_scale)
        scan.event_ns = _time(row[2])
        owner.add_trade(0, price, size, _SIDES[row[3]], scan.event_ns)
    return TRADES


def _read_event(scan: KrakenScan, event: _Event) -> int:
    if event.event in ("heartbeat", "pong"):
        return LIFE
    if event.event == "systemStatus":
        scan.status = SYSTEM_STATUS.get(event.status, STATUS_HALTED)
        scan.text = f"the venue's system is {event.status}"
        return TRADING
    if event.event == "error" or event.status == "error":
        scan.text = f"{event.pair} refused: {event.reason}".lstrip()
        return REFUSAL
    if event.event == "subscriptionStatus":
        subscription = event.subscription or _Subscription()
        scan.text = f"{subscription.name} {event.pair} {event.status}"
        is_own = event.pair == scan.symbol and subscription.name == "book" and event.status == "subscribed"
        if is_own and subscription.depth is not None:
            scan.depth = subscription.depth
        return REPLY
    scan.text = event.event
    return STRANGE


class KrakenV1Conversation(Conversation):
    """Books and trades of some pairs on one connection."""

    def __init__(self, depth: int) -> None:
        """Ask for books of this depth."""
        super().__init__()
        self._depth = depth
        self._requests = 0
        self._renewing: set[str] = set()
        # The channels of each pair that were refused, and not confirmed since.
        self._refused: dict[str, set[str]] = {}
        self._is_in_maintenance = False

    def open(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """Subscribe to the books and the trades, so many pairs at a time."""
        return self._requests_for("subscribe", venue_symbols)

    def close(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """End what `open` began."""
        return self._requests_for("unsubscribe", venue_symbols)

    def renew(self, venue_symbol: str) -> list[bytes]:
        """End the book's subscription; what begins it again comes by `replies` once the venue has confirmed.

        All that was refused before is asked for with it.
        """
        self._renewing.add(venue_symbol)
        return [self._request("unsubscribe", "book", [venue_symbol])]

    def sign_of_life(self) -> bytes:
        """A ping, which the venue answers."""
        self._requests += 1
        return msgspec.json.encode({"event": "ping", "reqid": self._requests})

    def hear(self, frame: bytes) -> int:
        """Replies and the venue's status mean something here; data does not."""
        if frame.startswith((b"[", b'{"event":"heartbeat"')):
            return DATA
        try:
            event = _events.decode(frame)
        except UNREADABLE:
            # The decoder tells what is wrong with it.
            return DATA
        if event.event == "systemStatus":
            # Where only some orders are taken, books go on all the same.
            before, self._is_in_maintenance = self._is_in_maintenance, event.status == MAINTENANCE_STATE
            self.cause = f"the venue's system is {event.status}"
            if self._is_in_maintenance:
                return MAINTENANCE
            return BACK if before else DATA
        if event.event in ("subscriptionStatus", "error"):
            return self._hear_subscription(event)
        return DATA

    def _hear_subscription(self, event: _Event) -> int:
        name = event.subscription.name if event.subscription is not None else ""
        is_over = event.status in ("unsubscribed", "error")
        if is_over and name in ("book", "") and event.pair in self._renewing:
            # Whether it was ended now or, by a refusal, before.
            self._renewing.remove(event.pair)
            lacking = self._refused.get(event.pair, set()) - {"book"}
            self.replies += [self._request("subscribe", one, [event.pair]) for one in ("book", *sorted(lacking))]
            return DATA
        self.venue_symbol = event.pair
        if event.status == "error" or event.event == "error":
            if event.pair and name in CHANNELS:
                self._refused.setdefault(event.pair, set()).add(name)
            self.cause = event.reason
            return REFUSED
        if event.status == "subscribed":
            self._refused.get(event.pair, set()).discard(name)
        self.cause = f"{name} {event.pair}"
        return CONFIRMED if event.status == "subscribed" else DATA

    def _requests_for(self, event: str, venue_symbols: Sequence[str]) -> list[bytes]:
        return [
            self._request(event, name, venue_symbols[first : first + MOST_SYMBOLS])
            for first in range(0, len(venue_symbols), MOST_SYMBOLS)
            for name in CHANNELS
        ]

    def _request(self, event: str, name: str, venue_symbols: Sequence[str]) -> bytes:
        self._requests += 1
        subscription: dict[str, object] = {"name": name}
        if name == "book":
            subscription["depth"] = self._depth
        return msgspec.json.encode(
            {"event": event, "pair": list(venue_symbols), "subscription": subscription, "reqid": self._requests}
        )


class KrakenV1(KrakenRequests):
    """Kraken spot, WebSocket v1."""

    recovery: ClassVar[int] = BY_SUBSCRIPTION
    sees_missing: ClassVar[bool] = False
    beside_books: ClassVar[tuple[str, ...]] = (
        "heartbeat", "systemStatus", "trade", "ticker", "spread", "ohlc", "subscriptionStatus", "pong",
    )  # fmt: skip
    is_numbered_by_book: ClassVar[bool] = False
    default_depth: ClassVar[int] = 100
    depths: ClassVar[tuple[int, ...]] = DEPTHS

    facts = VenueFacts(
        title="Kraken spot (WebSocket v1, for recordings)",
        docs="docs.kraken.com/websockets",
        stream_url="wss://ws.kraken.com",
        rest_url="https://api.kraken.com",
        connects=150,
        connects_per_s=600.0,
        silence_s=5.0,
        rest_weight=1,
        rest_per_s=1.0,
    )

    @property
    def venue(self) -> str:
        """The venue's name, as configurations write it."""
        return "kraken_v1"

    def conversation(self) -> Conversation:
        """What is said on a new connection."""
        return KrakenV1Conversation(self.depth)

    def instruments(self, bodies: Sequence[bytes], first_id: int = 1) -> list[Instrument]:
        """The pairs, by the venue's own names of assets."""
        return read_pairs(bodies[0], self.venue, first_id, False, self.left_out)

    def venue_symbol(self, frame: bytes) -> str:
        """The pair, from the end of an array, or from a reply; empty when there is none."""
        if frame.startswith(b"["):
            found = _DATA_END.search(frame, max(0, len(frame) - _MOST_END_BYTES))
            return "" if found is None else found[2].decode("utf-8", "replace")
        found = _PAIR.search(frame, 0, _MOST_GLANCE_BYTES)
        return "" if found is None else found[1].decode("utf-8", "replace")

    def message_type(self, frame: bytes) -> str:
        """The channel's name with its depth, or the event's."""
        if frame.startswith(b"["):
            found = _DATA_END.search(frame, max(0, len(frame) - _MOST_END_BYTES))
        else:
            found = _EVENT.search(frame, 0, _MOST_GLANCE_BYTES)
        return "unknown" if found is None else found[1].decode()

    def decoder(self, venue_symbol: str, price_scale: int, size_scale: int) -> Decoder:
        """A new decoder for one pair."""
        return KrakenDecoder(KrakenV1Scan(venue_symbol, price_scale, size_scale, self.depth), read_carefully)
