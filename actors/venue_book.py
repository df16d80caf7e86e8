"""Keeps the books of one venue connection: raw frames in, top of book and public trades out.

It is the first to look inside a frame. A frame that cannot be understood becomes a `Rejected` and changes nothing; if
it held an event, the venue's continuity rule finds that out with the next one. A book is `LIVE` only while it is
complete, in sequence, uncrossed, heard of lately and not late by the venue's own times; every other state is told in
the same step, and until a snapshot has been applied the book shows no levels. It never waits for a snapshot in silence:
it asks again. Of a frame that comes in pieces only the last one counts; whatever comes between the pieces is taken as
it comes.
"""

from __future__ import annotations

from typing import ClassVar, Final

from mypy_extensions import i64

from actors.params import VenueBookParams, load_dialect
from actors.venue_lag import VenueLag
from market.dialect import BOOK_CHANGED, GAP, PIECE, REPLAYING, SNAPSHOT_WANTED, TRADED, BadFrame, Decoder, Dialect
from market.instruments import Instrument
from market.messages import (
    BROKEN,
    FRAME_SNAPSHOT,
    LIVE,
    STALE,
    SYNCING,
    ActorRestarted,
    BookStateChanged,
    ConnectionDown,
    ConnectionUp,
    Message,
    PublicTrade,
    RawFrame,
    Rejected,
    RunStarted,
    SnapshotWanted,
    TimerFired,
    TopOfBook,
)
from runtime.actor import Actor, ActorSetup
from runtime.ledger import Ledger

STATE_NAMES: Final = ("SYNCING", "LIVE", "STALE", "BROKEN")
NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
SHOWN_BYTES: Final = 200
# What a piece that names no instrument is taken for, before and after its frame was refused.
NO_INSTRUMENT: Final = 0
REFUSED: Final = -1


class KeptBook:
    """One instrument's book, its state, and what was last told of it."""

    def __init__(self, instrument: Instrument, decoder: Decoder, lag: VenueLag) -> None:
        self.instrument: Final = instrument
        self.instrument_id: Final[i64] = instrument.instrument_id
        self.venue_symbol: Final[str] = instrument.venue_symbol
        self.decoder: Final = decoder
        self.lag: Final = lag
        self.gaps: i64 = 0
        self.state: i64 = SYNCING
        # How long it was LIVE since it was begun, without the stretch that it is in now.
        self.begun_ns: i64 = 0
        self.live_since_ns: i64 = 0
        self.live_ns: i64 = 0
        self.receive_ns: i64 = 0
        self.asked_ns: i64 = 0
        self.changed: bool = False
        self.told_state: i64 = SYNCING
        self.told_bid_price: i64 = 0
        self.told_bid_size: i64 = 0
        self.told_ask_price: i64 = 0
        self.told_ask_size: i64 = 0

    def begin(self, now_ns: i64) -> None:
        """Measure anew from here how much of the time it is LIVE."""
        self.begun_ns = now_ns
        self.live_since_ns = now_ns
        self.live_ns = 0

    def enter(self, state: i64, now_ns: i64) -> None:
        """Change the state, and note how long a stretch of LIVE was."""
        if self.state == LIVE:
            self.live_ns += now_ns - self.live_since_ns
        self.live_since_ns = now_ns
        self.state = state

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
        decoder = self.decoder
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
            self.receive_ns,
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

    def save(self) -> dict[str, object]:
        """The book as plain data."""
        return {
            "instrument_id": int(self.instrument_id),
            "decoder": self.decoder.save(),
            "numbers": [
                int(self.state),
                int(self.receive_ns),
                int(self.asked_ns),
                int(self.told_state),
                int(self.told_bid_price),
                int(self.told_bid_size),
                int(self.told_ask_price),
                int(self.told_ask_size),
                int(self.gaps),
                int(self.begun_ns),
                int(self.live_since_ns),
                int(self.live_ns),
            ],
            "changed": self.changed,
            "lag": self.lag.save(),
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        decoder = state["decoder"]
        numbers = state["numbers"]
        changed = state["changed"]
        lag = state["lag"]
        assert isinstance(decoder, dict)
        assert isinstance(numbers, list)
        assert isinstance(changed, bool)
        assert isinstance(lag, list)
        self.decoder.load(decoder)
        self.lag.load(lag)
        self.state = numbers[0]
        self.receive_ns = numbers[1]
        self.asked_ns = numbers[2]
        self.told_state = numbers[3]
        self.told_bid_price = numbers[4]
        self.told_bid_size = numbers[5]
        self.told_ask_price = numbers[6]
        self.told_ask_size = numbers[7]
        self.gaps = numbers[8]
        self.begun_ns = numbers[9]
        self.live_since_ns = numbers[10]
        self.live_ns = numbers[11]
        self.changed = changed


class VenueBook(Actor):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {
        RawFrame: "on_frame",
        ConnectionUp: "on_connection_up",
        ConnectionDown: "on_connection_down",
        RunStarted: "on_run_started",
        ActorRestarted: "on_actor_restarted",
    }
    GIVES: ClassVar[tuple[type[Message], ...]] = (
        TopOfBook,
        PublicTrade,
        BookStateChanged,
        SnapshotWanted,
        Rejected,
    )
    OWNS: ClassVar[tuple[type[Message], ...]] = (TopOfBook,)
    PARAMS: ClassVar[type | None] = VenueBookParams
    AT_BATCH_END: ClassVar[bool] = True

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, VenueBookParams)
        self.connection_id: Final[i64] = params.connection_id
        self.stale_after_ns: Final[i64] = params.stale_after_ms * NANOSECONDS_PER_MILLISECOND
        self.dialect: Final[Dialect] = load_dialect(params.dialect)
        self.books: Final[list[KeptBook]] = []
        self.book_of: Final[dict[int, KeptBook]] = {}
        self.pieces_for: i64 = NO_INSTRUMENT
        for instrument_id in setup.instrument_ids:
            instrument = setup.instruments.by_id(instrument_id)
            decoder = self.dialect.decoder(instrument.venue_symbol, instrument.price_scale, instrument.size_scale)
            lag = VenueLag(params.max_venue_lag_ms * NANOSECONDS_PER_MILLISECOND)
            kept = KeptBook(instrument, decoder, lag)
            self.books.append(kept)
            self.book_of[instrument_id] = kept

    # ---- frames

    def on_frame(self, frame: RawFrame) -> None:
        """Apply one frame to its book."""
        if frame.connection_id != self.connection_id:
            return
        kept = self.book_for(frame)
        if kept is None:
            if self.pieces_for != REFUSED or frame.part < 2:
                self.reject(frame, "a frame of an instrument that is not kept here")
            if frame.parts > 1:
                self.pieces_for = REFUSED
            return
        try:
            outcome = self.timed(kept, frame)
        except BadFrame as error:
            kept.receive_ns = frame.receive_ns
            if frame.kind == FRAME_SNAPSHOT:
                kept.asked_ns = 0
            self.reject(frame, error.reason)
            return
        if outcome == PIECE:
            return
        kept.receive_ns = frame.receive_ns
        if frame.kind == FRAME_SNAPSHOT:
            kept.asked_ns = 0
        if outcome == TRADED:
            self.tell_trades(kept)
        else:
            self.follow(kept, outcome)
        if kept.decoder.live:
            self.judge(kept, "snapshot applied" if frame.kind == FRAME_SNAPSHOT else "heard of again")

    def judge(self, kept: KeptBook, cause: str) -> None:
        """A book with levels is LIVE unless what comes is late."""
        if kept.lag.late:
            late_ms = kept.lag.lateness_ns // NANOSECONDS_PER_MILLISECOND
            self.set_state(kept, STALE, f"late by {late_ms} ms")
        elif kept.state != LIVE:
            self.set_state(kept, LIVE, cause)

    def timed(self, kept: KeptBook, frame: RawFrame) -> i64:
        """Apply a frame, and measure by the venue's time in it how late it is; one without such a time says nothing."""
        decoder = kept.decoder
        known_ns = decoder.venue_ns
        # So it is seen whether this frame brings a time. A snapshot's may be that of an event that waited for it.
        decoder.venue_ns = 0
        try:
            outcome = self.applied(decoder, frame)
        except BadFrame:
            decoder.venue_ns = known_ns
            raise
        if decoder.venue_ns == 0:
            decoder.venue_ns = known_ns
        elif frame.kind != FRAME_SNAPSHOT:
            kept.lag.measure(decoder.venue_ns, frame.receive_ns)
        return outcome

    def applied(self, decoder: Decoder, frame: RawFrame) -> i64:
        """The outcome of a frame or of a piece of one; raises `BadFrame`."""
        data = frame.data
        parts = frame.parts
        is_snapshot = frame.kind == FRAME_SNAPSHOT
        if parts == 1:
            return decoder.apply_snapshot(data) if is_snapshot else decoder.apply(data)
        if parts < 1:
            raise BadFrame("a frame too large to be taken whole, which could not be cut; the rest was left out", data)
        if is_snapshot:
            return decoder.apply_snapshot_piece(data, frame.part, parts, frame.checksum)
        return decoder.apply_piece(data, frame.part, parts, frame.checksum)

    def book_for(self, frame: RawFrame) -> KeptBook | None:
        """The book that a frame is for."""
        if frame.instrument_id != 0:
            return self.book_of.get(frame.instrument_id)
        if frame.part > 1:
            return self.book_of.get(self.pieces_for)
        kept = self.book_named(frame)
        if frame.parts > 1:
            self.pieces_for = NO_INSTRUMENT if kept is None else kept.instrument_id
        return kept

    def book_named(self, frame: RawFrame) -> KeptBook | None:
        """The book that the bytes of a frame name."""
        symbol = self.dialect.venue_symbol(frame.data)
        for kept in self.books:
            # A reply to a request names no instrument; any decoder of the venue can read it.
            if kept.venue_symbol == symbol or len(symbol) == 0:
                return kept
        return None

    def follow(self, kept: KeptBook, outcome: i64) -> None:
        """Do what the outcome of a frame asks for."""
        decoder = kept.decoder
        if outcome == BOOK_CHANGED:
            kept.changed = True
            if decoder.book.crossed:
                cause = f"crossed: bid {decoder.book.best_bid_price} is not below ask {decoder.book.best_ask_price}"
                self.lose(kept, BROKEN, cause)
                self.ask(kept, cause)
        elif outcome == GAP:
            cause = decoder.cause
            kept.gaps += 1
            self.set_state(kept, SYNCING, f"gap: {cause}")
            self.ask(kept, cause)
        elif outcome == REPLAYING:
            # An input of its own, of a later turn: whatever else has come is taken in between.
            self.set_timer(-kept.instrument_id, self.now + 1)
        elif outcome == SNAPSHOT_WANTED and kept.asked_ns == 0:
            self.ask(kept, decoder.cause)

    def replay(self, kept: KeptBook) -> None:
        """Apply the next of what waited for the snapshot."""
        self.follow(kept, kept.decoder.go_on())
        if kept.decoder.live:
            self.judge(kept, "snapshot applied")

    def tell_trades(self, kept: KeptBook) -> None:
        """Pass on the trades of a frame, at once: who rests in the queue must see them before the next level."""
        decoder = kept.decoder
        for index in range(decoder.trade_count):
            self.emit(
                PublicTrade(
                    kept.instrument_id,
                    decoder.trade_ids[index],
                    decoder.trade_prices[index],
                    decoder.trade_sizes[index],
                    decoder.trade_sides[index],
                    decoder.trade_times_ns[index],
                    kept.receive_ns,
                )
            )

    def reject(self, frame: RawFrame, reason: str) -> None:
        """Say what could not be understood, with the beginning of it."""
        self.emit(Rejected(frame.connection_id, reason, frame.data[:SHOWN_BYTES]))

    def on_batch_end(self) -> None:
        """Tell each touch that changed, once."""
        for kept in self.books:
            if kept.changed:
                kept.changed = False
                top = kept.top()
                if kept.is_news(top):
                    kept.note_told(top)
                    self.emit(top)

    # ---- states

    def set_state(self, kept: KeptBook, state: i64, cause: str) -> None:
        """Enter a state and tell it; the same state again is no news."""
        if state == kept.state:
            return
        kept.enter(state, self.now)
        kept.changed = True
        self.emit(
            BookStateChanged(kept.instrument_id, state, cause, kept.decoder.venue_ns, kept.receive_ns)
        )

    def lose(self, kept: KeptBook, state: i64, cause: str) -> None:
        """Drop a book that can no longer be vouched for."""
        kept.decoder.reset()
        self.set_state(kept, state, cause)

    def ask(self, kept: KeptBook, cause: str) -> None:
        """Ask the connection for a snapshot."""
        kept.asked_ns = self.now
        self.emit(SnapshotWanted(self.connection_id, kept.instrument_id, cause))

    # ---- connections, runs, failures

    def on_connection_up(self, up: ConnectionUp) -> None:
        """A new connection continues nothing: begin again with a snapshot."""
        if up.connection_id == self.connection_id:
            for kept in self.books:
                self.lose(kept, SYNCING, "connection up")
                self.ask(kept, "new connection")

    def on_connection_down(self, down: ConnectionDown) -> None:
        """Without a connection there is no book."""
        if down.connection_id == self.connection_id:
            for kept in self.books:
                self.lose(kept, SYNCING, f"connection down: {down.reason}")

    def on_run_started(self, _: RunStarted) -> None:
        """What was known when an earlier run ended is old."""
        for kept in self.books:
            self.lose(kept, SYNCING, "a new run")
            kept.begin(self.now)
            kept.lag.begin()
            kept.asked_ns = 0
            kept.receive_ns = self.now
            self.set_timer(kept.instrument_id, self.now + self.stale_after_ns)

    def on_actor_restarted(self, _: ActorRestarted) -> None:
        """Somebody begins anew and may not know the present state and touch: both again, in the order of a change."""
        for kept in self.books:
            cause = "told again: an actor began anew"
            venue_ns = kept.decoder.venue_ns
            self.emit(BookStateChanged(kept.instrument_id, kept.state, cause, venue_ns, kept.receive_ns))
            self.tell(kept)

    def tell(self, kept: KeptBook) -> None:
        """Tell the present touch, news or not."""
        top = kept.top()
        kept.note_told(top)
        kept.changed = False
        self.emit(top)

    def prime(self, ledger: Ledger) -> None:
        """A fresh book knows nothing: say so, for others still believe what the failed one told, and ask."""
        for kept in self.books:
            kept.begin(self.now)
            kept.receive_ns = self.now
            self.emit(BookStateChanged(kept.instrument_id, SYNCING, "the venue book was restarted", 0, self.now))
            self.tell(kept)
            self.ask(kept, "the venue book was restarted")
            self.set_timer(kept.instrument_id, self.now + self.stale_after_ns)

    def on_timer(self, timer: TimerFired) -> None:
        """Look whether a book has fallen silent, or still waits for a snapshot. The timer's id is the instrument's.

        Its negative is that of a book whose snapshot has come and which has more to replay.
        """
        if timer.timer_id < 0:
            self.replay(self.book_of[-timer.timer_id])
            return
        kept = self.book_of[timer.timer_id]
        now = self.now
        if kept.state == LIVE:
            silent_since = kept.receive_ns
            if now - silent_since >= self.stale_after_ns:
                self.set_state(kept, STALE, f"silence for {(now - silent_since) // NANOSECONDS_PER_MILLISECOND} ms")
            else:
                self.set_timer(kept.instrument_id, silent_since + self.stale_after_ns)
                return
        elif kept.state != STALE and not kept.decoder.replaying and now - kept.asked_ns >= self.stale_after_ns:
            self.ask(kept, "no snapshot came")
        self.set_timer(kept.instrument_id, now + self.stale_after_ns)

    # ---- state

    def summary(self) -> dict[str, object]:
        """State and touch of every book."""
        books: dict[str, object] = {}
        words: list[str] = []
        for kept in self.books:
            instrument = kept.instrument
            book = kept.decoder.book
            state = STATE_NAMES[kept.state]
            touch = f"{instrument.format_price(book.best_bid_price)}/{instrument.format_price(book.best_ask_price)}"
            books[instrument.symbol] = {
                "state": state,
                "touch": touch,
                "gaps": int(kept.gaps),
                "live_percent": kept.live_percent(self.now),
                **kept.lag.summary(),
            }
            words.append(f"{instrument.symbol} {state} {touch}")
        return {"status": "; ".join(words), "books": books}

    def save(self) -> dict[str, object]:
        """Every book with its levels."""
        return {"books": [kept.save() for kept in self.books], "pieces_for": int(self.pieces_for)}

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        books = state["books"]
        pieces_for = state["pieces_for"]
        assert isinstance(books, list)
        assert isinstance(pieces_for, int)
        self.pieces_for = pieces_for
        for saved in books:
            self.book_of[saved["instrument_id"]].load(saved)
