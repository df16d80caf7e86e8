"""What a venue book keeps: connections (`Line`), the book of one instrument on each of them (`Leg`), and what is shown.

Each leg has a decoder of its own and is judged by itself. The shown book of an instrument is that of one leg, the
leading one, and its state is that leg's: with two connections for one stream the book stays LIVE while one of them is.
Nothing here emits.
"""

from __future__ import annotations

from json import loads
from typing import Final, cast, final

from mypy_extensions import i64

from actors.venue_book_audit import Audit
from actors.venue_book_notes import SeenTrades
from actors.venue_book_recovery import Recovery
from actors.venue_lag import VenueLag
from market.dialect import FOR_ONE, Decoder, Dialect, Router
from market.instruments import Instrument
from market.messages import BROKEN, LIVE, STALE, SYNCING, BookSnapshot, TopOfBook

STATE_NAMES: Final = ("SYNCING", "LIVE", "STALE", "BROKEN")

# Whether a connection is there: nothing was heard of it yet, it is, it was lost.
UNHEARD: Final = 0
UP: Final = 1
DOWN: Final = 2

# Where the pieces of a frame go that have no first piece, and those of one that was refused.
NO_PIECES: Final = -1
REFUSED: Final = -2

# How far a name is looked for, and how many beginnings of frames are remembered for each instrument.
MOST_NAME_PLACE: Final[i64] = 96
MOST_BEGINNINGS: Final = 8


@final
class Line:
    """One connection: its router, and the legs whose frames it brings."""

    def __init__(self, number: i64, connection_id: i64, dialect: Dialect, has_books: bool) -> None:
        self.number: Final[i64] = number
        self.connection_id: Final[i64] = connection_id
        # A connection that only brings trades has decoders for them, and no book.
        self.has_books: Final[bool] = has_books
        self.router: Final[Router] = dialect.router()
        # The plain router only looks which instrument a frame names: not needed where its sender says that.
        self.watches: Final[bool] = type(self.router) is not Router
        self.legs: Final[list[Leg]] = []
        self.leg_of: Final[dict[int, Leg]] = {}
        self.leg_named: Final[dict[str, Leg]] = {}
        # What the dialect said of frames that begin like this: it is asked once for each beginning.
        self.dialect: Final[Dialect] = dialect
        self.beginning: Final[bytes] = dialect.usual_beginning[0]
        self.beginning_end: Final[i64] = ord(dialect.usual_beginning[1] or b"\n")
        self.leg_begun: Final[dict[bytes, Leg]] = {}
        self.presence: i64 = UNHEARD
        self.asked_ns: i64 = 0
        self.pieces_route: i64 = NO_PIECES
        self.pieces_leg: Leg | None = None

    def add(self, leg: Leg) -> None:
        """Bring the frames of an instrument."""
        self.legs.append(leg)
        self.leg_of[leg.kept.instrument_id] = leg
        self.leg_named[leg.kept.instrument.venue_symbol] = leg

    def leg_of_name(self, frame: bytes) -> Leg | None:
        """The leg of the instrument that a frame names."""
        place: i64 = len(self.beginning)
        last: i64 = len(frame)
        if last > MOST_NAME_PLACE:
            last = MOST_NAME_PLACE
        if place > 0:
            while place < last and frame[place] != self.beginning_end:
                place += 1
            if place < last:
                return self.leg_of_beginning(frame, frame[:place])
        return self.leg_named.get(self.dialect.venue_symbol(frame))

    def leg_of_beginning(self, frame: bytes, beginning: bytes) -> Leg | None:
        """The same for one whose beginning may be known."""
        leg = self.leg_begun.get(beginning)
        if leg is None:
            leg = self.leg_named.get(self.dialect.venue_symbol(frame))
            is_usual = beginning.startswith(self.beginning)
            if leg is not None and is_usual and len(self.leg_begun) < MOST_BEGINNINGS * len(self.legs):
                self.leg_begun[beginning] = leg
        return leg

    def leg_spelled(self, text: str) -> Leg | None:
        """The leg of an instrument whose name is written with JSON's escapes, such as `BTC\\/USD`."""
        try:
            name = loads(f'"{text}"')
        except ValueError:
            return None
        return self.leg_named.get(name) if isinstance(name, str) else None

    def begin(self) -> None:
        """A new connection: nothing of the one before counts."""
        self.router.begin()
        self.forget_pieces()
        self.asked_ns = 0

    def forget_pieces(self) -> None:
        """What is left of a frame that comes in pieces has no beginning any more."""
        self.pieces_route = NO_PIECES
        self.pieces_leg = None

    def save(self) -> dict[str, object]:
        """The connection as plain data."""
        leg = self.pieces_leg
        return {
            "router": self.router.save(),
            "numbers": [
                int(self.presence),
                int(self.asked_ns),
                int(self.pieces_route),
                -1 if leg is None else int(leg.kept.instrument_id),
            ],
        }

    def load(self, saved: dict[str, object]) -> None:
        """Take back what `save` gave."""
        self.router.load(cast("dict[str, object]", saved["router"]))
        self.presence, self.asked_ns, self.pieces_route, instrument_id = cast("list[int]", saved["numbers"])
        self.pieces_leg = self.leg_of.get(instrument_id) if self.pieces_route == FOR_ONE else None


@final
class Leg:
    """The book of one instrument on one connection, and how far it can be trusted."""

    def __init__(
        self, number: i64, line: Line, kept: KeptBook, decoder: Decoder, lag: VenueLag, recovery: Recovery
    ) -> None:
        self.number: Final[i64] = number
        self.line: Final = line
        self.kept: Final = kept
        self.decoder: Final = decoder
        self.lag: Final = lag
        self.recovery: Final = recovery
        self.state: i64 = SYNCING
        self.cause: str = ""
        # When its own stream brought something last, and when anything told that the connection lives.
        self.receive_ns: i64 = 0
        self.alive_ns: i64 = 0
        # Since when frames wait for one that is missing; 0 when none does.
        self.held_ns: i64 = 0
        self.quotes_agreed: i64 = 0
        # Whether the next change of the book settles something: one of the following.
        self.doubted: bool = False
        # Its own stream fell silent: only that or a snapshot makes it LIVE again. After how long it does so next.
        self.stalled: bool = False
        self.stall_ns: i64 = 0
        # Since when the venue's own touch crosses the book, when that was seen last and for how long it counts.
        self.quote_crosses: bool = False
        self.quoted_ns: i64 = 0
        self.crossed_ns: i64 = 0
        self.quoted_bid_price: i64 = 0
        self.quoted_ask_price: i64 = 0

    @property
    def has_book(self) -> bool:
        """Whether there can be a book: not of a connection that only brings trades, or that is lost."""
        return self.line.has_books and self.line.presence != DOWN

    @property
    def heard_ns(self) -> i64:
        """When it was heard of last, in whatever way."""
        return max(self.receive_ns, self.alive_ns)

    @property
    def is_crossed_by_quote(self) -> bool:
        """Whether the venue's last quote leaves no room for the touch of the book: one of the two is not the market."""
        book = self.decoder.book
        if self.quoted_bid_price != 0 and book.best_ask_size > 0 and self.quoted_bid_price >= book.best_ask_price:
            return True
        return self.quoted_ask_price != 0 and book.best_bid_size > 0 and self.quoted_ask_price <= book.best_bid_price

    def begin_doubtless(self) -> None:
        """The book is gone, and with it what was doubted of it."""
        self.stalled = False
        self.quote_crosses = False
        self.doubted = self.stall_ns != 0

    def save(self) -> dict[str, object]:
        """The leg with its levels as plain data."""
        return {
            "decoder": self.decoder.save(),
            "lag": self.lag.save(),
            "recovery": self.recovery.save(),
            "cause": self.cause,
            "flags": [self.doubted, self.stalled, self.quote_crosses],
            "numbers": [
                int(self.state),
                int(self.receive_ns),
                int(self.alive_ns),
                int(self.held_ns),
                int(self.quotes_agreed),
                int(self.stall_ns),
                int(self.quoted_ns),
                int(self.crossed_ns),
                int(self.quoted_bid_price),
                int(self.quoted_ask_price),
            ],
        }

    def load(self, saved: dict[str, object]) -> None:
        """Take back what `save` gave."""
        self.decoder.load(cast("dict[str, object]", saved["decoder"]))
        self.lag.load(cast("list[int]", saved["lag"]))
        self.recovery.load(cast("dict[str, object]", saved["recovery"]))
        self.cause = cast(str, saved["cause"])
        self.doubted, self.stalled, self.quote_crosses = cast("list[bool]", saved["flags"])
        numbers = cast("list[int]", saved["numbers"])
        self.state = numbers[0]
        self.receive_ns = numbers[1]
        self.alive_ns = numbers[2]
        self.held_ns = numbers[3]
        self.quotes_agreed = numbers[4]
        self.stall_ns = numbers[5]
        self.quoted_ns = numbers[6]
        self.crossed_ns = numbers[7]
        self.quoted_bid_price = numbers[8]
        self.quoted_ask_price = numbers[9]


@final
class KeptBook:
    """One instrument: its legs, which of them leads, the state that is shown, and what was last told of it."""

    def __init__(self, instrument: Instrument, by_number: bool) -> None:
        self.instrument: Final = instrument
        self.instrument_id: Final[i64] = instrument.instrument_id
        # Whether update ids of two legs can be compared.
        self.by_number: Final[bool] = by_number
        self.legs: Final[list[Leg]] = []
        self.leading: i64 = 0
        self.switches: i64 = 0
        self.trades: Final = SeenTrades()
        self.audit: Final = Audit()
        self.state: i64 = SYNCING
        # How long it was LIVE since it was begun, without the stretch that it is in now.
        self.begun_ns: i64 = 0
        self.live_since_ns: i64 = 0
        self.live_ns: i64 = 0
        self.changed: bool = False
        self.told_state: i64 = SYNCING
        self.told_bid_price: i64 = 0
        self.told_bid_size: i64 = 0
        self.told_ask_price: i64 = 0
        self.told_ask_size: i64 = 0

    @property
    def leader(self) -> Leg:
        """The leg that is shown."""
        return self.legs[self.leading]

    @property
    def decoder(self) -> Decoder:
        """The decoder whose book is shown."""
        return self.legs[self.leading].decoder

    @property
    def lag(self) -> VenueLag:
        """How late the frames of the shown book come."""
        return self.legs[self.leading].lag

    def best(self) -> i64:
        """Which leg should lead: of the LIVE ones the furthest where that can be compared, else the present one."""
        best = self.leading
        leader = self.legs[best]
        for place in range(len(self.legs)):
            leg = self.legs[place]
            if leg is not leader and self.is_better(leg, leader):
                leader = leg
                best = place
        return best

    def is_better(self, leg: Leg, leader: Leg) -> bool:
        """Whether a leg should be shown rather than another one."""
        if leg.state == LIVE and leader.state == LIVE:
            return self.by_number and leg.decoder.update_id > leader.decoder.update_id
        return rank(leg.state) > rank(leader.state)

    def begin(self, now_ns: i64) -> None:
        """Measure anew from here how much of the time it is LIVE."""
        self.begun_ns = now_ns
        self.live_since_ns = now_ns
        self.live_ns = 0

    def enter(self, state: i64, now_ns: i64) -> None:
        """Change the state that is shown, and note how long a stretch of LIVE was."""
        if self.state == LIVE:
            self.live_ns += now_ns - self.live_since_ns
        self.live_since_ns = now_ns
        self.state = state
        self.changed = True

    def live_percent(self, now_ns: i64) -> str:
        """The share of the time in which it was LIVE, with one digit after the point."""
        elapsed_ns: int = now_ns - self.begun_ns
        if elapsed_ns <= 0:
            return "0.0"
        live_ns: int = self.live_ns
        if self.state == LIVE:
            live_ns += now_ns - self.live_since_ns
        tenths = live_ns * 1_000 // elapsed_ns
        return f"{tenths // 10}.{tenths % 10}"

    def top(self) -> TopOfBook:
        """The touch as it is now; without levels while the book cannot be vouched for."""
        leg = self.legs[self.leading]
        decoder = leg.decoder
        book = decoder.book
        return TopOfBook(
            self.instrument_id,
            self.state,
            book.best_bid_price,
            book.best_bid_size,
            book.best_ask_price,
            book.best_ask_size,
            decoder.update_id,
            decoder.venue_ns,
            leg.receive_ns,
        )

    def depth(self, levels: i64) -> BookSnapshot:
        """The levels next to the touch as they are now."""
        leg = self.legs[self.leading]
        decoder = leg.decoder
        bids = decoder.book.bids
        asks = decoder.book.asks
        return BookSnapshot(
            self.instrument_id,
            decoder.update_id,
            bids.prices(levels),
            bids.sizes(levels),
            asks.prices(levels),
            asks.sizes(levels),
            decoder.venue_ns,
            leg.receive_ns,
        )

    def is_news(self, top: TopOfBook) -> bool:
        """Whether the touch differs from what was told last."""
        return (
            top.bid_price != self.told_bid_price
            or top.ask_price != self.told_ask_price
            or top.bid_size != self.told_bid_size
            or top.ask_size != self.told_ask_size
            or top.state != self.told_state
        )

    def note_told(self, top: TopOfBook) -> None:
        """Remember what is being told."""
        self.told_state = top.state
        self.told_bid_price = top.bid_price
        self.told_bid_size = top.bid_size
        self.told_ask_price = top.ask_price
        self.told_ask_size = top.ask_size

    def summary(self, now_ns: i64) -> dict[str, object]:
        """State, touch and history, and what is known of each connection where there are several."""
        instrument = self.instrument
        book = self.decoder.book
        losses: dict[str, int] = {}
        checksums = quotes = recoveries = longest_ns = 0
        for leg in self.legs:
            recovery = leg.recovery
            for name, count in recovery.losses().items():
                losses[name] = losses.get(name, 0) + count
            checksums += leg.decoder.checksums_passed
            quotes += leg.quotes_agreed
            recoveries += recovery.recoveries
            longest_ns = max(longest_ns, recovery.most_outage_ns)
        told: dict[str, object] = {
            "state": STATE_NAMES[self.state],
            "touch": f"{instrument.format_price(book.best_bid_price)}/{instrument.format_price(book.best_ask_price)}",
            "gaps": losses.get("gap", 0),
            "live_percent": self.live_percent(now_ns),
            **self.lag.summary(),
            "losses": losses,
            "recoveries": recoveries,
            "longest_outage_ms": longest_ns // 1_000_000,
            "checksums_passed": checksums,
            "quotes_agreed": quotes,
            "trades_doubled": int(self.trades.doubled),
            **self.audit.summary(),
        }
        if len(self.legs) > 1:
            told["leading_connection"] = int(self.leader.line.connection_id)
            told["switches"] = int(self.switches)
            told["connections"] = {str(leg.line.connection_id): STATE_NAMES[leg.state] for leg in self.legs}
        return told

    def panel(self, levels: i64, now_ns: i64) -> dict[str, object]:
        """What is drawn of it: the levels next to the touch at the scale of the instrument, and its health."""
        leg = self.legs[self.leading]
        bids = leg.decoder.book.bids
        asks = leg.decoder.book.asks
        losses = 0
        for one in self.legs:
            for count in one.recovery.losses().values():
                losses += count
        heard_ns: int = leg.heard_ns
        return {
            "instrument_id": int(self.instrument_id),
            "state": STATE_NAMES[self.state],
            "cause": leg.cause,
            "connected": leg.line.presence == UP,
            "bid_prices": list(bids.prices(levels)),
            "bid_sizes": list(bids.sizes(levels)),
            "ask_prices": list(asks.prices(levels)),
            "ask_sizes": list(asks.sizes(levels)),
            "heard_ns": heard_ns,
            "late_ms": leg.lag.summary()["late_ms"],
            "live_percent": self.live_percent(now_ns),
            "losses": losses,
        }

    def save(self) -> dict[str, object]:
        """The instrument as plain data, without its legs."""
        return {
            "instrument_id": int(self.instrument_id),
            "numbers": [
                int(self.leading),
                int(self.switches),
                int(self.state),
                int(self.begun_ns),
                int(self.live_since_ns),
                int(self.live_ns),
                int(self.told_state),
                int(self.told_bid_price),
                int(self.told_bid_size),
                int(self.told_ask_price),
                int(self.told_ask_size),
            ],
            "changed": self.changed,
            "trades": self.trades.save(),
            "audit": self.audit.save(),
        }

    def load(self, saved: dict[str, object]) -> None:
        """Take back what `save` gave."""
        numbers = cast("list[int]", saved["numbers"])
        self.leading = numbers[0]
        self.switches = numbers[1]
        self.state = numbers[2]
        self.begun_ns = numbers[3]
        self.live_since_ns = numbers[4]
        self.live_ns = numbers[5]
        self.told_state = numbers[6]
        self.told_bid_price = numbers[7]
        self.told_bid_size = numbers[8]
        self.told_ask_price = numbers[9]
        self.told_ask_size = numbers[10]
        self.changed = cast(bool, saved["changed"])
        self.trades.load(cast("dict[str, object]", saved["trades"]))
        self.audit.load(cast("dict[str, object]", saved["audit"]))


def rank(state: i64) -> i64:
    """How much a book in this state is worth: a STALE one still has its levels, a BROKEN one is known to be wrong."""
    if state == LIVE:
        return 3
    if state == STALE:
        return 2
    return 0 if state == BROKEN else 1
