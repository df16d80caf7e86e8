"""The states of books: how one is lost, asked for anew, proven again, and which connection's book is shown.

A book is lost with one of the causes of `actors/venue_book_recovery.py`: it is empty in the same step, told as a
`BookGap`, and asked for anew, one request at a time. Once it is LIVE again, which takes a snapshot, that is told as
`BookRecovered`. Only one whose own stream fell silent keeps its levels until then, STALE whatever else comes for it: it
may be quiet or dead. A book of which something is missing is SYNCING. One that proved wrong though nothing was missing
is BROKEN, as is one that could not be had for long. Of several connections the best one is shown, and another takes
over in the step in which that is lost.
"""

from __future__ import annotations

from typing import ClassVar, Final

from mypy_extensions import i64

from actors.venue_book_audit import RESTING
from actors.venue_book_legs import UP, KeptBook, Leg, Line
from actors.venue_book_notes import SHOWN_BYTES, Oddities
from actors.venue_book_params import VenueBookParams, load_dialect
from actors.venue_book_recovery import (
    CAUSES,
    CHECKSUM,
    CONNECTION,
    GAPPED,
    NANOSECONDS_PER_MILLISECOND,
    OVERFLOW,
    QUOTE,
    STALL,
    Recovery,
    RecoveryRules,
)
from actors.venue_lag import VenueLag
from market.dialect import BY_CONNECTION, BY_REQUEST, Dialect
from market.instruments import Instrument
from market.messages import (
    BROKEN,
    LIVE,
    STALE,
    SYNCING,
    BookGap,
    BookRecovered,
    BookStateChanged,
    FeedSwitched,
    PublicTrade,
    RawFrame,
    Rejected,
    SnapshotWanted,
)
from runtime.actor import Actor, ActorSetup

# A timer's id is the number of its leg times this, and which of these it is.
TIMERS: Final = 8
CHECK: Final = 0
REPLAY: Final = 1
HOLD: Final = 2
RETRY: Final = 3
AUDITED: Final = 4

FEWEST_QUOTES: Final = 4
"""A quote that crosses the book counts for this share of `quote_disagree_ms` at most."""
MOST_STALLS: Final = 16
"""At venues where only a new connection brings a snapshot, a quiet book waits up to so many times `stall_after_ms`."""
MOST_WAIT_NS: Final = 60_000_000_000
"""Frames that wait longer than this for a snapshot are dropped: the wait begins anew with the next request."""


class BookKeeper(Actor):
    """See the head of this file. `VenueBook` puts frames before it."""

    PARAMS: ClassVar[type | None] = VenueBookParams

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, VenueBookParams)
        self.stale_after_ns: Final[i64] = params.stale_after_ms * NANOSECONDS_PER_MILLISECOND
        self.stall_after_ns: Final[i64] = params.stall_after_ms * NANOSECONDS_PER_MILLISECOND
        self.hold_ns: Final[i64] = params.hold_ms * NANOSECONDS_PER_MILLISECOND
        self.audit_every_ns: Final[i64] = params.audit_every_s * 1_000 * NANOSECONDS_PER_MILLISECOND
        self.audit_note_ns: Final[i64] = params.audit_note_ms * NANOSECONDS_PER_MILLISECOND
        self.quote_disagree_ns: Final[i64] = params.quote_disagree_ms * NANOSECONDS_PER_MILLISECOND
        self.depth_levels: Final[i64] = params.depth_levels
        self.dialect: Final[Dialect] = load_dialect(params.dialect, params.depth)
        self.recovery: Final[i64] = self.dialect.recovery
        self.rules: Final = RecoveryRules(
            self.stale_after_ns,
            params.retry_ms * NANOSECONDS_PER_MILLISECOND,
            params.retry_most_ms * NANOSECONDS_PER_MILLISECOND,
            params.healthy_ms * NANOSECONDS_PER_MILLISECOND,
            params.broken_after,
            params.broken_window_ms * NANOSECONDS_PER_MILLISECOND,
        )
        self.lag_limit_ns: Final[i64] = params.max_venue_lag_ms * NANOSECONDS_PER_MILLISECOND
        self.oddities: Final = Oddities()
        self.lines: Final[list[Line]] = []
        self.line_of: Final[dict[int, Line]] = {}
        self.books: Final[list[KeptBook]] = []
        self.book_of: Final[dict[int, KeptBook]] = {}
        # Every leg by its number; those of connections that only bring trades come last.
        self.legs: Final[list[Leg]] = []
        for connection_id in params.book_connections:
            self.add_line(connection_id, True)
        for connection_id in params.trade_connections:
            self.add_line(connection_id, False)
        for instrument_id in setup.instrument_ids:
            self.add_book(setup.instruments.by_id(instrument_id))
        for line in self.lines:
            if not line.has_books:
                for kept in self.books:
                    self.add_leg(line, kept)

    def add_line(self, connection_id: int, has_books: bool) -> None:
        """Read one more connection."""
        line = Line(len(self.lines), connection_id, self.dialect, has_books)
        self.lines.append(line)
        self.line_of[connection_id] = line

    def add_book(self, instrument: Instrument) -> None:
        """Keep one more instrument, on every connection."""
        kept = KeptBook(instrument, self.dialect.is_numbered_by_book)
        self.books.append(kept)
        self.book_of[instrument.instrument_id] = kept
        for line in self.lines:
            if line.has_books:
                kept.legs.append(self.add_leg(line, kept))

    def add_leg(self, line: Line, kept: KeptBook) -> Leg:
        """An instrument on one connection."""
        instrument = kept.instrument
        decoder = self.dialect.decoder(instrument.venue_symbol, instrument.price_scale, instrument.size_scale)
        leg = Leg(len(self.legs), line, kept, decoder, VenueLag(self.lag_limit_ns), Recovery(self.rules))
        self.legs.append(leg)
        line.add(leg)
        return leg

    # ---- states

    def judge(self, leg: Leg, cause: str, heard: bool) -> None:
        """A book with levels is LIVE unless what comes is late, out of order, stalled, or nothing came for too long."""
        if leg.lag.late:
            if leg.state != STALE:
                late_ms = leg.lag.lateness_ns // NANOSECONDS_PER_MILLISECOND
                self.set_state(leg, STALE, f"late by {late_ms} ms")
        elif leg.decoder.holding:
            self.set_state(leg, STALE, "out of order")
        elif leg.state != LIVE and not leg.stalled and (heard or self.now - leg.heard_ns < self.stale_after_ns):
            self.set_state(leg, LIVE, cause)

    def set_state(self, leg: Leg, state: i64, cause: str) -> None:
        """A leg enters a state; the same state again is no news."""
        if state == leg.state:
            return
        leg.state = state
        leg.cause = cause
        if state == LIVE:
            recovery = leg.recovery
            outage_ns = recovery.recover(self.now)
            if outage_ns >= 0:
                self.emit(
                    BookRecovered(
                        leg.kept.instrument_id, outage_ns, recovery.kept, recovery.attempts, leg.receive_ns
                    )
                )
                recovery.settle()
        self.choose(leg.kept)

    def choose(self, kept: KeptBook) -> None:
        """Show the best leg, and tell it when the state of what is shown is another one with it."""
        if len(kept.legs) > 1:
            best = kept.best()
            if best != kept.leading:
                self.switch(kept, best)
            elif kept.state == LIVE and kept.legs[best].state != LIVE:
                self.tell_switch(kept, kept.legs[best], 0)
        leader = kept.legs[kept.leading]
        if leader.state != kept.state:
            kept.enter(leader.state, self.now)
            self.emit(
                BookStateChanged(
                    kept.instrument_id, leader.state, leader.cause, leader.decoder.venue_ns, leader.receive_ns
                )
            )

    def switch(self, kept: KeptBook, best: i64) -> None:
        """Let another leg lead. It is told when the one before is lost; that both lead by turns is the usual."""
        lost = kept.legs[kept.leading]
        kept.leading = best
        kept.changed = True
        kept.switches += 1
        if lost.state != LIVE:
            self.tell_switch(kept, lost, kept.legs[best].line.connection_id)

    def tell_switch(self, kept: KeptBook, lost: Leg, leading_connection_id: i64) -> None:
        """Tell that a connection does not lead any more."""
        self.emit(
            FeedSwitched(
                kept.instrument_id, lost.line.connection_id, leading_connection_id, lost.cause, lost.receive_ns
            )
        )

    def overtake(self, leg: Leg) -> None:
        """The book of a leg that does not lead changed: it leads where it is the first."""
        kept = leg.kept
        if leg.state == LIVE and kept.is_better(leg, kept.legs[kept.leading]):
            self.choose(kept)

    def compare_quote(self, leg: Leg) -> None:
        """Hold the touch against the venue's own: at the same update id they are the same, at later ones not apart."""
        decoder = leg.decoder
        if not decoder.live:
            return
        if decoder.quoted_update_id == 0 or decoder.quoted_update_id > decoder.update_id:
            self.cross_with_quote(leg)
            return
        if decoder.quoted_update_id != decoder.update_id:
            return
        book = decoder.book
        if (
            book.best_bid_price == decoder.quoted_bid_price
            and book.best_bid_size == decoder.quoted_bid_size
            and book.best_ask_price == decoder.quoted_ask_price
            and book.best_ask_size == decoder.quoted_ask_size
        ):
            leg.quotes_agreed += 1
            leg.quote_crosses = False
            return
        words = f"best bid/ask: {book.best_bid_price}/{book.best_ask_price} is not what the venue says"
        self.lose_and_ask(leg, QUOTE, BROKEN, words)

    def cross_with_quote(self, leg: Leg) -> None:
        """A quote may be before the book or behind it, so it may cross it; but every quote for long shows a dead book.

        Of the time between two quotes not more than a share counts: after a silence both come late, and one after the
        other, and where quotes are rare several of them have to agree.
        """
        if self.quote_disagree_ns == 0:
            return
        decoder = leg.decoder
        leg.quoted_bid_price = decoder.quoted_bid_price
        leg.quoted_ask_price = decoder.quoted_ask_price
        if not leg.is_crossed_by_quote:
            leg.quote_crosses = False
            return
        if leg.quote_crosses:
            leg.crossed_ns += min(self.now - leg.quoted_ns, self.quote_disagree_ns // FEWEST_QUOTES)
        else:
            leg.quote_crosses = leg.doubted = True
            leg.crossed_ns = 0
        leg.quoted_ns = self.now
        if leg.crossed_ns >= self.quote_disagree_ns // FEWEST_QUOTES * FEWEST_QUOTES:
            book = decoder.book
            words = (
                f"best bid/ask: {book.best_bid_price}/{book.best_ask_price} is crossed by the venue's own "
                f"{leg.quoted_bid_price}/{leg.quoted_ask_price}"
            )
            self.lose_and_ask(leg, QUOTE, BROKEN, words)

    def settle_doubts(self, leg: Leg) -> None:
        """The book's own stream brought something: it is not stalled, and may be where the venue's quote is."""
        leg.stalled = False
        if leg.state == LIVE:
            # It is not the snapshot that was asked for: the stream brings changes again.
            leg.stall_ns = 0
        if leg.quote_crosses and not leg.is_crossed_by_quote:
            leg.quote_crosses = False
        leg.doubted = leg.stall_ns != 0 or leg.quote_crosses

    # ---- silence

    def watch(self, leg: Leg) -> None:
        """Look from now on whether a leg falls silent."""
        leg.receive_ns = self.now
        self.set_timer(leg.number * TIMERS + CHECK, self.now + self.stale_after_ns)

    def check(self, leg: Leg) -> None:
        """Look whether a book has fallen silent, or its own stream alone."""
        now = self.now
        due_ns = now + self.stale_after_ns
        if leg.state == LIVE:
            silent_ns = now - leg.heard_ns
            if silent_ns < self.stale_after_ns:
                due_ns = leg.heard_ns + self.stale_after_ns
            else:
                self.set_state(leg, STALE, f"silence for {silent_ns // NANOSECONDS_PER_MILLISECOND} ms")
        if not leg.decoder.live:
            if leg.line.presence == UP and not leg.decoder.replaying:
                self.resync(leg, "there is no book")
        elif self.stall_after_ns > 0 and not leg.stalled:
            stall_ns = leg.receive_ns + max(leg.stall_ns, self.stall_after_ns)
            if now >= stall_ns:
                self.stall(leg)
            else:
                due_ns = min(due_ns, stall_ns)
        self.set_timer(leg.number * TIMERS + CHECK, due_ns)

    def stall(self, leg: Leg) -> None:
        """A book's own stream is silent for too long: quiet or dead, only a new snapshot can tell.

        Until that comes, or the stream goes on, the book keeps its levels and is STALE, whatever else is heard.
        """
        words = f"stall: nothing of the book itself for {(self.now - leg.receive_ns) // 1_000_000_000} s"
        patience_ns = max(leg.stall_ns, self.stall_after_ns)
        # A new connection costs other books too: for one that is only quiet they come less and less often.
        if self.recovery == BY_CONNECTION:
            leg.stall_ns = min(2 * patience_ns, MOST_STALLS * self.stall_after_ns)
        leg.stalled = leg.doubted = True
        leg.recovery.lose(STALL, self.now)
        self.emit(BookGap(leg.kept.instrument_id, leg.decoder.update_id + 1, 0, CAUSES[STALL], leg.receive_ns))
        self.end_audit(leg)
        leg.cause = words
        self.set_state(leg, STALE, words)
        self.resync(leg, words)

    # ---- loss and recovery

    def lose(self, leg: Leg, cause: i64, state: i64, words: str) -> None:
        """Drop a book that cannot be vouched for any more, or say that its decoder has dropped it."""
        decoder = leg.decoder
        told_by_decoder = cause in (GAPPED, CHECKSUM)
        if told_by_decoder or leg.state == LIVE or leg.state == STALE or decoder.live or decoder.replaying:
            expected = decoder.update_id + 1
            leg.recovery.lose(cause, self.now)
            self.emit(BookGap(leg.kept.instrument_id, expected, 0, CAUSES[cause], leg.receive_ns))
        if not told_by_decoder or decoder.live:
            decoder.reset()
        leg.held_ns = 0
        leg.begin_doubtless()
        self.end_audit(leg)
        if leg.kept.legs[leg.kept.leading] is leg:
            leg.kept.changed = True
        leg.cause = words
        self.set_state(leg, BROKEN if leg.recovery.broken else state, words)

    def lose_and_ask(self, leg: Leg, cause: i64, state: i64, words: str) -> None:
        """Drop a book, and begin to get it anew."""
        self.lose(leg, cause, state, words)
        self.resync(leg, words)

    def lose_line(self, line: Line, words: str) -> None:
        """Messages of a connection are missing: none of its books counts, nor what waits for a snapshot."""
        if not line.has_books:
            return
        for leg in line.legs:
            if leg.state == LIVE or leg.state == STALE or leg.decoder.live or leg.decoder.replaying:
                self.lose(leg, GAPPED, SYNCING, f"gap: {words}")
            leg.decoder.reset()
            self.resync(leg, words)

    def resync(self, leg: Leg, cause: str) -> None:
        """Ask for a snapshot, at once or as late as the failures before it demand; one request at a time."""
        recovery = leg.recovery
        decoder = leg.decoder
        if (decoder.live and not leg.stalled) or decoder.replaying or not leg.has_book:
            return
        if recovery.asked_ns != 0 or recovery.due_ns != 0:
            return
        delay_ns = recovery.delay_ns
        if delay_ns == 0:
            self.ask(leg, cause)
        else:
            self.set_retry(leg, delay_ns)

    def ask(self, leg: Leg, cause: str) -> None:
        """Ask the connection for a snapshot."""
        line = leg.line
        self.expect(leg)
        if self.recovery == BY_CONNECTION:
            # One new connection is for all of its books.
            if line.asked_ns != 0 and self.now - line.asked_ns < self.stale_after_ns:
                return
            line.asked_ns = self.now
        self.emit(SnapshotWanted(line.connection_id, leg.kept.instrument_id, cause))

    def expect(self, leg: Leg) -> None:
        """A snapshot is on its way; when it does not come it is asked for again."""
        recovery = leg.recovery
        recovery.ask(self.now)
        self.set_retry(leg, recovery.patience_ns)
        if recovery.broken and leg.state != LIVE:
            if leg.stalled:
                # A BROKEN book shows no levels.
                leg.decoder.reset()
                leg.begin_doubtless()
            self.set_state(leg, BROKEN, f"{len(recovery.failures)} failures of late: {leg.cause}")

    def set_retry(self, leg: Leg, wait_ns: i64) -> None:
        """Let the next request go out in a while."""
        leg.recovery.due_ns = self.now + wait_ns
        self.set_timer(leg.number * TIMERS + RETRY, leg.recovery.due_ns)

    def retry(self, leg: Leg) -> None:
        """The time for the next request has come."""
        recovery = leg.recovery
        now = self.now
        if recovery.due_ns == 0 or now < recovery.due_ns:
            return
        recovery.due_ns = 0
        decoder = leg.decoder
        if (decoder.live and not leg.stalled) or decoder.replaying or not leg.has_book:
            return
        most_ns = MOST_WAIT_NS * (1 + recovery.counts[OVERFLOW])
        if not leg.stalled and recovery.lost_ns != 0 and now - recovery.lost_ns >= most_ns:
            recovery.counts[OVERFLOW] += 1
            decoder.reset()
        late = recovery.asked_ns != 0
        recovery.asked_ns = 0
        self.ask(leg, "no snapshot came" if late else leg.cause)

    def end_audit(self, leg: Leg) -> None:
        """What was noted of a book that is lost says nothing."""
        audit = leg.kept.audit
        if audit.phase != RESTING and audit.leg == leg.number:
            audit.give_up()

    def reject(self, frame: RawFrame, reason: str) -> None:
        """Say what could not be understood, with the beginning of it, and keep that."""
        self.oddities.take_malformed(frame.connection_id, frame.receive_ns, reason, frame.data)
        self.emit(Rejected(frame.connection_id, reason, frame.data[:SHOWN_BYTES]))

    def tell_trades(self, leg: Leg, receive_ns: i64) -> None:
        """Pass on the new trades of a frame, at once: who rests in the queue must see them before the next level."""
        decoder = leg.decoder
        kept = leg.kept
        for index in range(decoder.trade_count):
            if kept.trades.is_new(decoder.trade_ids[index]):
                self.emit(
                    PublicTrade(
                        kept.instrument_id,
                        decoder.trade_ids[index],
                        decoder.trade_prices[index],
                        decoder.trade_sizes[index],
                        decoder.trade_sides[index],
                        decoder.trade_times_ns[index],
                        receive_ns,
                    )
                )

    # ---- connections

    def connect(self, line: Line) -> None:
        """A new connection continues nothing: its books begin again with a snapshot."""
        for leg in line.legs:
            if not line.has_books:
                leg.decoder.reset()
                continue
            self.lose(leg, CONNECTION, SYNCING, "connection up")
            leg.recovery.asked_ns = 0
            leg.recovery.due_ns = 0
            if self.recovery == BY_REQUEST:
                self.ask(leg, "new connection")
            else:
                # It was subscribed to with the connection, which brings a snapshot.
                self.expect(leg)

    def disconnect(self, line: Line, words: str) -> None:
        """Without a connection there is no book."""
        for leg in line.legs:
            if not line.has_books:
                leg.decoder.reset()
                continue
            self.lose(leg, CONNECTION, SYNCING, words)
            leg.recovery.asked_ns = 0
            leg.recovery.due_ns = 0
