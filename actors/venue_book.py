"""Keeps the books of one venue, over one connection or several: raw frames in, top of book and public trades out.

It is the first to look inside a frame. A frame that cannot be understood becomes a `Rejected` and changes nothing; if
it held an event, the venue's continuity rule finds that out with the next one, or the book begins anew. A book is
`LIVE` only while it is complete, in sequence, uncrossed, heard of lately, also by its own stream, and not late by the
venue's own times; every other state is told in the same step, and until a snapshot has been applied the book shows no
levels. It never waits for a snapshot in silence: it asks again. Of a frame that comes in pieces only the last one
counts; whatever comes between the pieces is taken as it comes. How a book is lost and got back is in
`actors/venue_book_keeper.py`, and all of it in docs/books.md.
"""

from __future__ import annotations

from typing import ClassVar, Final, cast

from mypy_extensions import i64

from actors.venue_book_auditor import TOO_LARGE, BookAuditor
from actors.venue_book_keeper import AUDITED, CHECK, HOLD, REPLAY, RETRY, TIMERS
from actors.venue_book_legs import DOWN, NO_PIECES, REFUSED, STATE_NAMES, UNHEARD, UP, KeptBook, Leg, Line
from actors.venue_book_params import VenueBookParams
from actors.venue_book_recovery import (
    CHECKSUM,
    CROSSED,
    GAPPED,
    OVERFLOW,
    RESET,
)
from market.dialect import (
    ALIVE,
    BAD_CHECKSUM,
    BOOK_CHANGED,
    BUFFERED,
    CONTROL,
    FOR_ALL,
    FOR_NONE,
    FOR_ONE,
    GAP,
    HELD,
    LOST,
    PIECE,
    QUOTED,
    REPLAYING,
    SNAPSHOT_WANTED,
    STATUS,
    TRADED,
    UNKNOWN_TYPE,
    BadFrame,
    Decoder,
)
from market.messages import (
    BROKEN,
    FRAME_AUDIT,
    FRAME_SNAPSHOT,
    FRAME_STREAM,
    LIVE,
    STALE,
    SYNCING,
    ActorRestarted,
    AuditWanted,
    BookAudited,
    BookGap,
    BookRecovered,
    BookSnapshot,
    BookStateChanged,
    ConnectionDown,
    ConnectionUp,
    FeedSwitched,
    InstrumentStatus,
    Message,
    PublicTrade,
    RawFrame,
    Rejected,
    RunStarted,
    SnapshotWanted,
    TimerFired,
    TopOfBook,
)
from runtime.ledger import Ledger

# So many levels a side a dashboard draws of one book, and of all books of one actor together.
PANEL_LEVELS: Final = 25
PANEL_LEVELS_IN_ALL: Final = 100


class VenueBook(BookAuditor):
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
        BookSnapshot,
        PublicTrade,
        BookStateChanged,
        BookGap,
        BookRecovered,
        BookAudited,
        FeedSwitched,
        InstrumentStatus,
        SnapshotWanted,
        AuditWanted,
        Rejected,
    )
    OWNS: ClassVar[tuple[type[Message], ...]] = (TopOfBook,)
    AT_BATCH_END: ClassVar[bool] = True

    @classmethod
    def unused(cls, params: object) -> tuple[type[Message], ...]:
        """What it gives depends on whether there is one connection, and on what is switched on."""
        left: list[type[Message]] = []
        if isinstance(params, VenueBookParams):
            if len(params.book_connections) == 1:
                left.append(FeedSwitched)
            if params.depth_levels == 0:
                left.append(BookSnapshot)
            if params.audit_every_s == 0:
                left += [AuditWanted, BookAudited]
        return tuple(left)

    # ---- frames

    def on_frame(self, frame: RawFrame) -> None:
        """Apply one frame to its book, or to every book of its connection."""
        line = self.lines[0]
        if line.connection_id != frame.connection_id:
            if len(self.lines) == 1:
                return
            other = self.line_of.get(frame.connection_id)
            if other is None:
                return
            line = other
        if line.presence == UNHEARD:
            line.presence = UP
        if frame.kind == FRAME_STREAM:
            if frame.instrument_id == 0 or line.watches:
                self.route(line, frame)
                return
        elif frame.kind == FRAME_AUDIT:
            self.take_audit(frame)
            return
        leg = line.leg_of.get(frame.instrument_id)
        if leg is None:
            self.refuse(line, frame)
        else:
            self.take(leg, frame, True)

    def route(self, line: Line, frame: RawFrame) -> None:
        """Let the router say for whom a frame is; the pieces of one follow the first of them."""
        if not line.watches and frame.parts == 1:
            # The plain router would ask the dialect this, and nothing else.
            named = line.leg_of_name(frame.data)
            if named is not None:
                self.take(named, frame, True)
                return
        decision = line.pieces_route
        leg = line.pieces_leg
        if frame.part < 2:
            router = line.router
            decision = router.route(frame.data)
            if decision == FOR_ONE:
                leg = line.leg_named.get(router.symbol)
                if leg is None and "\\" in router.symbol:
                    leg = line.leg_spelled(router.symbol)
            elif decision == FOR_NONE:
                self.oddities.passed_over.count(router.cause)
            elif decision == LOST:
                self.lose_line(line, router.cause)
            if frame.parts > 1:
                line.pieces_route = decision
                line.pieces_leg = leg if decision == FOR_ONE else None
        if decision == FOR_ONE and leg is not None:
            self.take(leg, frame, True)
        elif decision == FOR_ALL:
            tells = True
            for one in line.legs:
                tells = self.take(one, frame, tells) and tells
        elif decision in (FOR_ONE, NO_PIECES, REFUSED):
            self.refuse(line, frame)

    def refuse(self, line: Line, frame: RawFrame) -> None:
        """Tell a frame of an instrument that is not kept, once for all of its pieces."""
        if frame.part < 2 or line.pieces_route != REFUSED:
            self.reject(frame, "a frame of an instrument that is not kept here")
        if frame.parts > 1:
            line.pieces_route = REFUSED
            line.pieces_leg = None

    def take(self, leg: Leg, frame: RawFrame, tells: bool) -> bool:
        """Let a leg take a frame; false when it could not, which is told unless it was told before."""
        try:
            outcome = self.timed(leg, frame)
        except BadFrame as error:
            if tells:
                self.reject(frame, error.reason)
            if frame.kind == FRAME_SNAPSHOT:
                leg.recovery.answered()
                self.resync(leg, error.reason)
            elif leg.has_book and leg.decoder.live and self.may_be_missed(leg.line, frame):
                self.lose_and_ask(leg, GAPPED, SYNCING, "gap: a frame could not be understood")
            return False
        if outcome == PIECE:
            return True
        decoder = leg.decoder
        line = leg.line
        if line.presence == UP and line.has_books:
            if frame.kind == FRAME_SNAPSHOT:
                leg.recovery.answered()
            if outcome == BOOK_CHANGED:
                leg.receive_ns = frame.receive_ns
                self.follow_change(leg)
            else:
                self.follow(leg, outcome, frame.receive_ns)
                if frame.kind == FRAME_SNAPSHOT:
                    self.resync(leg, decoder.cause)
                decoder.cause = ""
            if decoder.live and (leg.state != LIVE or leg.lag.late):
                heard = outcome in (BOOK_CHANGED, ALIVE)
                self.judge(leg, "snapshot applied" if leg.state != STALE else "heard of again", heard)
        elif outcome == TRADED:
            self.tell_trades(leg, frame.receive_ns)
        elif outcome in (CONTROL, STATUS, UNKNOWN_TYPE):
            self.follow_other(leg, outcome, frame.receive_ns)
        elif line.has_books:
            # Trades of another route may still come while the connection is lost; books begin when it is up again.
            decoder.reset()
        return True

    def may_be_missed(self, line: Line, frame: RawFrame) -> bool:
        """Whether a frame that nobody can read may have held what no later frame shows to be missing."""
        if line.watches:
            # Its number counted.
            return True
        dialect = self.dialect
        return not dialect.sees_missing and not dialect.message_type(frame.data).startswith(dialect.beside_books)

    def timed(self, leg: Leg, frame: RawFrame) -> i64:
        """Apply a frame, and measure by the venue's time in it how late it is; one without such a time says nothing."""
        decoder = leg.decoder
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
            leg.lag.measure(decoder.venue_ns, frame.receive_ns)
        return outcome

    def applied(self, decoder: Decoder, frame: RawFrame) -> i64:
        """The outcome of a frame or of a piece of one; raises `BadFrame`."""
        data = frame.data
        parts = frame.parts
        is_snapshot = frame.kind == FRAME_SNAPSHOT
        if parts == 1:
            return decoder.apply_snapshot(data) if is_snapshot else decoder.apply(data)
        if parts < 1:
            raise BadFrame(TOO_LARGE, data)
        if is_snapshot:
            return decoder.apply_snapshot_piece(data, frame.part, parts, frame.checksum)
        return decoder.apply_piece(data, frame.part, parts, frame.checksum)

    # ---- outcomes

    def follow(self, leg: Leg, outcome: i64, receive_ns: i64) -> None:
        """Do what the outcome of a frame asks for."""
        decoder = leg.decoder
        if outcome == BOOK_CHANGED:
            leg.receive_ns = receive_ns
            self.follow_change(leg)
        elif outcome == TRADED:
            self.prolong(leg, receive_ns)
            self.tell_trades(leg, receive_ns)
        elif outcome == GAP:
            self.lose_and_ask(leg, GAPPED, SYNCING, f"gap: {decoder.cause}")
        elif outcome == BAD_CHECKSUM:
            self.lose_and_ask(leg, CHECKSUM, SYNCING, f"checksum: {decoder.cause}")
        elif outcome == REPLAYING:
            # An input of its own, of a later turn: whatever else has come is taken in between.
            self.set_timer(leg.number * TIMERS + REPLAY, self.now + 1)
        elif outcome == SNAPSHOT_WANTED:
            leg.receive_ns = receive_ns
            self.resync(leg, decoder.cause)
        elif outcome == BUFFERED:
            leg.receive_ns = receive_ns
            leg.recovery.kept += 1
            if decoder.cause:
                leg.recovery.counts[OVERFLOW] += 1
        elif outcome == HELD:
            leg.receive_ns = receive_ns
            self.hold(leg)
        elif outcome == ALIVE:
            leg.alive_ns = receive_ns
        elif outcome == QUOTED:
            self.prolong(leg, receive_ns)
            self.compare_quote(leg)
        else:
            self.follow_other(leg, outcome, receive_ns)

    def follow_change(self, leg: Leg) -> None:
        """A book that changed is news, unless it is crossed, which no venue lets stand."""
        decoder = leg.decoder
        if decoder.book.crossed:
            book = decoder.book
            words = f"crossed: bid {book.best_bid_price} is not below ask {book.best_ask_price}"
            self.lose_and_ask(leg, CROSSED, BROKEN, words)
            return
        if leg.held_ns != 0 and not decoder.holding:
            leg.held_ns = 0
        if leg.doubted:
            self.settle_doubts(leg)
        kept = leg.kept
        if kept.legs[kept.leading] is leg:
            kept.changed = True
        else:
            self.overtake(leg)

    def follow_other(self, leg: Leg, outcome: i64, receive_ns: i64) -> None:
        """Do what is asked for by outcomes that say nothing of levels."""
        decoder = leg.decoder
        if outcome == STATUS:
            self.emit(
                InstrumentStatus(
                    leg.kept.instrument_id, decoder.status, decoder.cause, decoder.venue_ns, receive_ns
                )
            )
        elif outcome == UNKNOWN_TYPE:
            self.oddities.unknown.count(decoder.cause)
        elif outcome == CONTROL and decoder.refused:
            self.oddities.refusals.count(decoder.cause)

    def prolong(self, leg: Leg, receive_ns: i64) -> None:
        """A trade or a quote shows that the connection lives; after a silence, not what it kept from the book."""
        if receive_ns - leg.heard_ns < self.stale_after_ns:
            leg.alive_ns = receive_ns

    def hold(self, leg: Leg) -> None:
        """Frames wait for one that is missing: not for long."""
        if leg.held_ns == 0:
            leg.held_ns = self.now
            self.set_timer(leg.number * TIMERS + HOLD, self.now + self.hold_ns)
        self.set_state(leg, STALE, "out of order")

    def replay(self, leg: Leg) -> None:
        """Apply the next of what waited for the snapshot."""
        self.follow(leg, leg.decoder.go_on(), leg.receive_ns)
        if leg.decoder.live:
            self.judge(leg, "snapshot applied", True)

    def on_batch_end(self) -> None:
        """Tell each touch that changed, once, and the levels behind it where they are wanted."""
        for kept in self.books:
            if kept.changed:
                kept.changed = False
                top = kept.top()
                if kept.is_news(top):
                    kept.note_told(top)
                    self.emit(top)
                if self.depth_levels > 0:
                    self.emit(kept.depth(self.depth_levels))

    # ---- connections, runs, failures

    def on_connection_up(self, up: ConnectionUp) -> None:
        """A new connection continues nothing."""
        line = self.line_of.get(up.connection_id)
        if line is not None:
            line.presence = UP
            line.begin()
            self.connect(line)

    def on_connection_down(self, down: ConnectionDown) -> None:
        """Without a connection there is no book."""
        line = self.line_of.get(down.connection_id)
        if line is not None:
            line.presence = DOWN
            line.forget_pieces()
            self.disconnect(line, f"connection down: {down.reason}")

    def on_run_started(self, _: RunStarted) -> None:
        """What was known when an earlier run ended is old."""
        for line in self.lines:
            line.begin()
            line.presence = UNHEARD
            for leg in line.legs:
                if line.has_books:
                    self.lose(leg, RESET, SYNCING, "a new run")
                    self.watch(leg)
                else:
                    leg.decoder.reset()
                leg.recovery.begin()
                leg.lag.begin()
        for kept in self.books:
            kept.begin(self.now)
            kept.trades.begin()
        self.begin_audits()

    def on_actor_restarted(self, _: ActorRestarted) -> None:
        """Somebody begins anew and may not know the present state and touch: both again, in the order of a change."""
        for kept in self.books:
            leader = kept.leader
            cause = "told again: an actor began anew"
            self.emit(
                BookStateChanged(kept.instrument_id, kept.state, cause, leader.decoder.venue_ns, leader.receive_ns)
            )
            self.tell(kept)

    def tell(self, kept: KeptBook) -> None:
        """Tell the present touch, news or not."""
        top = kept.top()
        kept.note_told(top)
        kept.changed = self.depth_levels > 0
        self.emit(top)

    def prime(self, ledger: Ledger) -> None:
        """A fresh book knows nothing: say so, for others still believe what the failed one told, and ask."""
        for kept in self.books:
            kept.begin(self.now)
            self.emit(BookStateChanged(kept.instrument_id, SYNCING, "the venue book was restarted", 0, self.now))
            for leg in kept.legs:
                self.watch(leg)
            self.tell(kept)
            for leg in kept.legs:
                self.resync(leg, "the venue book was restarted")
        self.begin_audits()

    # ---- timers

    def on_timer(self, timer: TimerFired) -> None:
        """Something of a leg has come due; the timer's id says what, and of which."""
        leg = self.legs[timer.timer_id // TIMERS]
        what = timer.timer_id % TIMERS
        if what == CHECK:
            self.check(leg)
        elif what == REPLAY:
            self.replay(leg)
        elif what == HOLD:
            self.end_hold(leg)
        elif what == RETRY:
            self.retry(leg)
        elif what == AUDITED:
            self.go_on_with_audit(leg.kept)

    def end_hold(self, leg: Leg) -> None:
        """What is missing has had its time."""
        if leg.held_ns == 0:
            return
        due_ns = leg.held_ns + self.hold_ns
        if self.now < due_ns:
            self.set_timer(leg.number * TIMERS + HOLD, due_ns)
            return
        leg.held_ns = 0
        self.follow(leg, leg.decoder.give_up(), leg.receive_ns)

    # ---- state

    def summary(self) -> dict[str, object]:
        """State and touch of every book, and the frames that did nothing."""
        books: dict[str, object] = {}
        words: list[str] = []
        for kept in self.books:
            told = kept.summary(self.now)
            books[kept.instrument.symbol] = told
            words.append(f"{kept.instrument.symbol} {STATE_NAMES[kept.state]} {told['touch']}")
        return {"status": "; ".join(words), "books": books, **self.oddities.summary()}

    def panel(self) -> dict[str, object]:
        """The levels next to the touch of every book; fewer where there are many books."""
        levels = max(1, min(PANEL_LEVELS, PANEL_LEVELS_IN_ALL // len(self.books)))
        return {"kind": "book", "books": [kept.panel(levels, self.now) for kept in self.books[:PANEL_LEVELS_IN_ALL]]}

    def save(self) -> dict[str, object]:
        """Every book with its levels."""
        return {
            "lines": [line.save() for line in self.lines],
            "legs": [leg.save() for leg in self.legs],
            "books": [kept.save() for kept in self.books],
            "oddities": self.oddities.save(),
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        for line, saved in zip(self.lines, cast("list[dict[str, object]]", state["lines"]), strict=True):
            line.load(saved)
        for leg, saved in zip(self.legs, cast("list[dict[str, object]]", state["legs"]), strict=True):
            leg.load(saved)
        for saved in cast("list[dict[str, object]]", state["books"]):
            self.book_of[cast(int, saved["instrument_id"])].load(saved)
        self.oddities.load(cast("dict[str, object]", state["oddities"]))
