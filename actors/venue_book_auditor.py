"""The shadow audit of the kept books: each is compared with a fresh snapshot now and then; differing twice loses it.

What is compared, and why that is sound while both sides move, says `actors/venue_book_audit.py`. An audit that cannot
be finished says nothing: a book that was lost meanwhile, an answer that does not come or cannot be read.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from actors.venue_book_audit import ANSWER_NS, ASKED, MOST_DIFFERING, NOTING, RESTING
from actors.venue_book_keeper import AUDITED, TIMERS, BookKeeper
from actors.venue_book_legs import KeptBook
from actors.venue_book_recovery import AUDIT
from market.dialect import BadFrame
from market.messages import BROKEN, LIVE, AuditWanted, BookAudited, RawFrame

TOO_LARGE: Final = "a frame too large to be taken whole, which could not be cut; the rest was left out"


class BookAuditor(BookKeeper):
    """See the head of this file."""

    def begin_audits(self) -> None:
        """Let the first audits come one after the other over the time between two of one book."""
        for place, kept in enumerate(self.books, 1):
            kept.audit.rest()
            if self.audit_every_ns > 0 and self.dialect.audit_path(kept.instrument.venue_symbol):
                self.wait_for_audit(kept, self.audit_every_ns * place // len(self.books))

    def wait_for_audit(self, kept: KeptBook, wait_ns: i64) -> None:
        """Go on with a book's audit in a while."""
        self.set_timer(kept.legs[0].number * TIMERS + AUDITED, self.now + wait_ns)

    def go_on_with_audit(self, kept: KeptBook) -> None:
        """The next step of a book's audit; one that was given up begins anew in its time."""
        audit = kept.audit
        if audit.phase == RESTING:
            leg = kept.leader
            book = leg.decoder.audited()
            if leg.state == LIVE and book is not None:
                book.begin_noting()
                audit.begin(leg.number)
                self.wait_for_audit(kept, self.audit_note_ns)
            else:
                self.wait_for_audit(kept, self.audit_every_ns)
            return
        leg = self.legs[audit.leg]
        book = leg.decoder.audited()
        if book is None or not book.is_noting or not leg.decoder.live or audit.phase == ASKED:
            self.give_up_audit(kept)
        elif audit.phase == NOTING:
            audit.phase = ASKED
            self.emit(AuditWanted(leg.line.connection_id, kept.instrument_id))
            self.wait_for_audit(kept, ANSWER_NS)
        elif leg.state != LIVE or leg.heard_ns < audit.answered_ns + self.audit_note_ns:
            # The stream may be behind the answer.
            if self.now - audit.answered_ns < ANSWER_NS:
                self.wait_for_audit(kept, self.audit_note_ns)
            else:
                self.give_up_audit(kept)
        else:
            levels, differences = book.differences(audit.bids, audit.asks)
            book.end_noting()
            audit.finish(levels, differences)
            self.emit(
                BookAudited(kept.instrument_id, levels, differences, leg.decoder.update_id, leg.receive_ns)
            )
            # What differs is looked at again at once.
            self.wait_for_audit(kept, self.audit_every_ns if audit.differing == 0 else 1)
            if audit.differing >= MOST_DIFFERING:
                audit.differing = 0
                words = f"audit: {differences} of {levels} levels differ from a fresh snapshot"
                self.lose_and_ask(leg, AUDIT, BROKEN, words)

    def give_up_audit(self, kept: KeptBook) -> None:
        """Nothing can be said this time."""
        book = self.legs[kept.audit.leg].decoder.audited()
        if book is not None:
            book.end_noting()
        kept.audit.give_up()
        self.wait_for_audit(kept, self.audit_every_ns)

    def take_audit(self, frame: RawFrame) -> None:
        """Take the answer to an audit, or a piece of it. One that cannot be read is told, and ends the audit."""
        kept = self.book_of.get(frame.instrument_id)
        if kept is None:
            return
        audit = kept.audit
        if audit.phase != ASKED or self.legs[audit.leg].line.connection_id != frame.connection_id:
            return
        data = frame.data
        try:
            if frame.parts < 1:
                raise BadFrame(TOO_LARGE, data)
            if frame.parts > 1:
                if not audit.pieces.take(data, frame.part, frame.parts, frame.checksum) or frame.part < frame.parts:
                    return
                data = b"".join(audit.pieces.finish())
            instrument = kept.instrument
            bids, asks = self.dialect.read_audit(data, instrument.price_scale, instrument.size_scale)
        except BadFrame as error:
            self.reject(frame, error.reason)
            self.give_up_audit(kept)
            return
        audit.take(bids, asks, self.now)
        self.wait_for_audit(kept, self.audit_note_ns)
