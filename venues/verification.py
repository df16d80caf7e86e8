"""Takes recorded frames through a venue's router, decoders and rules, and counts what they say.

It is what the lanes do with the same frames, without lanes: one router a connection, one decoder for each instrument of
it, snapshots where the recording has them. It never repairs: a book that is lost stays lost until the recording itself
begins it anew. What the venue says of its best bid and ask is compared with the book at the same update id.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path
from typing import Final

from market.dialect import (
    BAD_CHECKSUM,
    BOOK_CHANGED,
    BUFFERED,
    BY_REQUEST,
    CONTROL,
    FOR_NONE,
    FOR_ONE,
    GAP,
    HELD,
    IGNORED,
    LOST,
    QUOTED,
    REPLAYING,
    SNAPSHOT_WANTED,
    STATUS,
    TRADED,
    UNKNOWN_TYPE,
    BadFrame,
    Decoder,
    Router,
)
from market.numbers import format_decimal_short
from venues.facts import Venue
from venues.recording_survey import Answers, Scales, Survey
from venues.recordings import ANSWER, CONNECT, END, FRAME, LEFT_OUT, SEND, Record
from venues.streamed import NO_BOOK
from venues.verified import BookReport, Place, Report

MOST_HELD_NS: Final = 1_000_000_000
"""What was held for so long, by the times of the recording, counts as lost."""

# So many best bids and asks are remembered, of the book and of messages, to be compared by their update ids.
_MOST_TOPS: Final = 4_096
_UNKNOWN: Final = Scales(8, 8, "")
_FIRST_ID: Final = re.compile(rb'"U": ?(\d+)')

Top = tuple[int, int, int, int]


class Kept:
    """One instrument of one connection: its decoder, and what was found."""

    def __init__(self, decoder: Decoder, report: BookReport) -> None:
        self.decoder: Final = decoder
        self.report: Final = report
        self.was_live = False
        self.was_lost = False
        self.held_since_ns = 0


class Tops:
    """Best bid and ask of an instrument by update id, from its book and from messages, whichever comes first."""

    def __init__(self) -> None:
        self.of_book: OrderedDict[int, Top] = OrderedDict()
        self.of_messages: OrderedDict[int, Top] = OrderedDict()

    def put_book(self, update_id: int, top: Top) -> Top | None:
        """Note the book's; gives what a message said at the same id."""
        _remember(self.of_book, update_id, top)
        return self.of_messages.pop(update_id, None)

    def put_message(self, update_id: int, top: Top) -> Top | None:
        """Note a message's; gives what the book was at the same id."""
        found = self.of_book.get(update_id)
        if found is None:
            _remember(self.of_messages, update_id, top)
        return found


def _remember(tops: OrderedDict[int, Top], update_id: int, top: Top) -> None:
    tops[update_id] = top
    if len(tops) > _MOST_TOPS:
        tops.popitem(last=False)


class Verification:
    """See the head of this file. Give it every record in order, then call `finish`."""

    def __init__(self, venue: Venue, found: Survey, files: Collection[Path], only: Collection[str] = ()) -> None:
        self.venue: Final = venue
        self.survey: Final = found
        self.only: Final = frozenset(only)
        self.known: Final = frozenset(found.all_symbols())
        self.report: Final = Report(venue.venue, tuple(str(path) for path in files), depth=venue.depth)
        self.kept: Final[dict[str, dict[str, Kept]]] = {}
        self._routers: Final[dict[str, Router]] = {}
        self._tops: Final[dict[str, Tops]] = {}
        self._answers: Final = Answers(venue)
        self.place = Place("", 0)

    def take(self, path: Path, record: Record) -> None:
        """Verify one record."""
        report = self.report
        report.records += 1
        report.first_ns = report.first_ns or record.receive_ns
        report.last_ns = record.receive_ns
        self.place = Place(path.name, record.line, record.receive_ns)
        kind = record.kind
        if kind == FRAME:
            report.frames += 1
            self.take_frame(record)
        elif kind == ANSWER:
            report.answers += 1
            self.take_answer(record)
        elif kind == SEND:
            report.sent += 1
        elif kind == CONNECT:
            report.connections += 1
            self.begin(record.connection)
        elif kind == END:
            for connection in list(self.kept):
                if connection.startswith(record.connection):
                    self.begin(connection)
        elif kind == LEFT_OUT:
            self.count_malformed("a frame that was not kept whole", record.data)

    # ---- frames

    def take_frame(self, record: Record) -> None:
        """Route one frame to whom it is for."""
        report = self.report
        data = record.data
        report.types[self.venue.message_type(data)] += 1
        router = self.router(record.connection)
        way = router.route(data)
        symbol = self.survey.symbol_of_id.get(record.instrument_id, "") or router.symbol
        if way == FOR_NONE:
            report.passed_over[router.cause] += 1
        elif way == LOST:
            report.lost[router.cause] += 1
            report.note("lost", router.cause, self.place, data)
            for kept in self.of_connection(record.connection):
                self.lose(kept)
        elif way == FOR_ONE:
            self.take_for_one(record, symbol)
        else:
            self.take_for_all(record)

    def take_for_one(self, record: Record, symbol: str) -> None:
        """Apply a frame to the book of its instrument."""
        if symbol not in self.known:
            self.report.strays += 1
            self.report.note("stray", f"a frame of {symbol!r}", self.place, record.data)
            return
        if self.only and symbol not in self.only:
            return
        kept = self.book(record.connection, symbol)
        kept.report.frames += 1
        try:
            outcome = kept.decoder.apply(record.data)
        except BadFrame as error:
            self.count_malformed(error.reason, record.data)
            self.miss(kept)
            return
        self.follow(kept, outcome, record)

    def take_for_all(self, record: Record) -> None:
        """Apply a frame to every book of its connection; what is said of it as a whole counts once."""
        reason = ""
        outcomes: list[int] = []
        for kept in self.of_connection(record.connection):
            try:
                outcome = kept.decoder.apply(record.data)
            except BadFrame as error:
                reason = error.reason
                self.miss(kept)
                continue
            if outcome not in (CONTROL, STATUS, UNKNOWN_TYPE) or outcome not in outcomes:
                self.follow(kept, outcome, record)
            outcomes.append(outcome)
        if reason:
            self.count_malformed(reason, record.data)

    def follow(self, kept: Kept, outcome: int, record: Record) -> None:
        """Count what a frame of the stream meant."""
        report = self.report
        book = kept.report
        decoder = kept.decoder
        if outcome == BOOK_CHANGED:
            self.changed(kept, record)
        elif outcome == TRADED:
            book.trades += decoder.trade_count
        elif outcome == QUOTED:
            self.quoted(kept)
        elif outcome in (BUFFERED, HELD):
            book.deltas_kept += 1
        elif outcome == SNAPSHOT_WANTED:
            book.deltas_kept += 1
            self.begin_without_snapshot(kept, record)
        elif outcome in (GAP, BAD_CHECKSUM):
            self.broke(kept, outcome, record)
        elif outcome == UNKNOWN_TYPE:
            report.unknown[decoder.cause] += 1
        elif outcome == STATUS:
            report.statuses[decoder.cause] += 1
        elif outcome == CONTROL and decoder.refused:
            report.refused[decoder.cause] += 1
        elif outcome == IGNORED and decoder.cause == NO_BOOK:
            book.deltas_before_snapshot += 1
        if decoder.holding:
            self.wait(kept, record)
        else:
            kept.held_since_ns = 0

    def changed(self, kept: Kept, record: Record) -> None:
        """A book changed, or was begun."""
        book = kept.report
        if kept.was_live and "snapshot" not in self.venue.message_type(record.data):
            book.deltas_applied += 1
        else:
            book.snapshots += 1
        self.shown(kept)

    def shown(self, kept: Kept) -> None:
        """Look at a book that is live: whether it was begun, is crossed, and has the top that messages told."""
        decoder = kept.decoder
        book = kept.report
        if not kept.was_live:
            self.begun(kept)
        top = _top_of(decoder)
        if decoder.book.crossed:
            book.crossed += 1
            self.report.note("crossed", f"{book.symbol}: bid {top[0]} is not below ask {top[2]}", self.place)
        if decoder.update_id > 0:
            told = self.tops(book.symbol).put_book(decoder.update_id, top)
            if told is not None:
                self.compare(kept, told, top)

    def begun(self, kept: Kept) -> None:
        """A book is known from here on."""
        book = kept.report
        kept.was_live = True
        book.has_ended = False
        if kept.was_lost:
            kept.was_lost = False
            book.resyncs += 1
        if book.known_from is None:
            book.known_from = self.place
            book.known_from_update_id = kept.decoder.update_id

    def quoted(self, kept: Kept) -> None:
        """A message of best bid and ask; it can be compared where it has an id that books have too."""
        decoder = kept.decoder
        kept.report.quotes += 1
        update_id = decoder.quoted_update_id
        if update_id == 0 or not self.venue.is_numbered_by_book:
            return
        told = (
            decoder.quoted_bid_price,
            decoder.quoted_bid_size,
            decoder.quoted_ask_price,
            decoder.quoted_ask_size,
        )
        top = self.tops(kept.report.symbol).put_message(update_id, told)
        if top is not None:
            self.compare(kept, told, top)

    def compare(self, kept: Kept, told: Top, top: Top) -> None:
        """Best bid and ask of a message and of the book at the same update id."""
        book = kept.report
        if told == top:
            book.top_agreed += 1
            if book.top_agreed_from is None:
                book.top_agreed_from = self.place
        elif not book.is_partial or book.top_agreed_from is not None:
            book.top_disagreed += 1
            if not book.is_partial:
                self.report.note("disagreed", f"{book.symbol}: the book has {top}, a message {told}", self.place)

    # ---- losing and beginning a book

    def broke(self, kept: Kept, outcome: int, record: Record) -> None:
        """A book proved incomplete or wrong."""
        book = kept.report
        cause = kept.decoder.cause
        if outcome == BAD_CHECKSUM:
            book.checksums_failed += 1
        else:
            book.gaps[_kind_of_gap(cause)] += 1
        self.report.note("checksum" if outcome == BAD_CHECKSUM else "gap", f"{book.symbol}: {cause}", self.place)
        self.note_lost(kept)

    def miss(self, kept: Kept) -> None:
        """A frame could not be understood. Where the connection numbers frames no later one shows what it held."""
        if type(self.router(kept.report.connection)) is not Router and kept.decoder.live:
            kept.report.gaps["a frame could not be understood"] += 1
            self.lose(kept)

    def lose(self, kept: Kept) -> None:
        """What was known of a book is void."""
        kept.decoder.reset()
        self.note_lost(kept)

    def note_lost(self, kept: Kept) -> None:
        """It counts as begun anew when it is live again."""
        kept.was_lost = kept.was_lost or kept.was_live
        kept.was_live = False
        kept.held_since_ns = 0

    def wait(self, kept: Kept, record: Record) -> None:
        """What is held for too long counts as lost."""
        if kept.held_since_ns == 0:
            kept.held_since_ns = record.receive_ns
        elif record.receive_ns - kept.held_since_ns > MOST_HELD_NS:
            self.give_up(kept, record)

    def give_up(self, kept: Kept, record: Record) -> None:
        """Wait no longer for what is missing."""
        outcome = kept.decoder.give_up()
        if outcome != IGNORED:
            self.broke(kept, outcome, record)

    def begin(self, connection: str) -> None:
        """A new connection continues nothing."""
        self.router(connection).begin()
        for kept in self.of_connection(connection):
            _conclude(kept)
            kept.report.has_ended = kept.was_live
            kept.decoder.reset()
            kept.was_live = False
            kept.held_since_ns = 0

    def begin_without_snapshot(self, kept: Kept, record: Record) -> None:
        """Where no snapshot is recorded a book begins empty: from here on is known what changes."""
        book = kept.report
        if self.venue.recovery != BY_REQUEST or self.survey.snapshots.get(book.symbol, 0) or book.gaps.total():
            return
        for empty in _empty_snapshots(record.data):
            try:
                outcome = kept.decoder.apply_snapshot(empty)
                while outcome == REPLAYING:
                    outcome = kept.decoder.go_on()
            except BadFrame:
                continue
            if outcome == BOOK_CHANGED:
                book.is_partial = True
                self.shown(kept)
                return

    # ---- answers

    def take_answer(self, record: Record) -> None:
        """Apply a snapshot; every other answer was looked at by the survey."""
        if self.venue.recovery != BY_REQUEST or not self._answers.is_snapshot(record):
            return
        symbol = self.survey.symbol_of_id.get(record.instrument_id, "") or self._answers.symbol(record)
        if not symbol and len(self.known) == 1:
            symbol = next(iter(self.known))
        if not symbol:
            self.count_malformed("a snapshot that names no instrument, where there are several", record.data)
            return
        if symbol not in self.known or (self.only and symbol not in self.only):
            return
        for connection, symbols in self.survey.symbols.items():
            if symbol in symbols and (not record.instrument_id or connection == record.connection):
                self.apply_snapshot(self.book(connection, symbol), record)

    def apply_snapshot(self, kept: Kept, record: Record) -> None:
        """Begin a book with a snapshot."""
        decoder = kept.decoder
        try:
            outcome = decoder.apply_snapshot(record.data)
            while outcome == REPLAYING:
                outcome = decoder.go_on()
        except BadFrame as error:
            self.count_malformed(error.reason, record.data)
            return
        if outcome == BOOK_CHANGED:
            kept.report.snapshots += 1
            kept.report.is_partial = False
            self.shown(kept)
        elif outcome == CONTROL and decoder.refused:
            self.report.refused[decoder.cause] += 1
        elif outcome == GAP:
            self.broke(kept, outcome, record)

    # ---- who there is

    def router(self, connection: str) -> Router:
        """The router of a connection."""
        found = self._routers.get(connection)
        if found is None:
            found = self._routers[connection] = self.venue.router()
        return found

    def tops(self, symbol: str) -> Tops:
        """The best bids and asks of an instrument."""
        found = self._tops.get(symbol)
        if found is None:
            found = self._tops[symbol] = Tops()
        return found

    def book(self, connection: str, symbol: str) -> Kept:
        """The book of an instrument on a connection."""
        symbols = self.kept.setdefault(connection, {})
        kept = symbols.get(symbol)
        if kept is None:
            scales = self.survey.scales.get(symbol, _UNKNOWN)
            decoder = self.venue.decoder(symbol, scales.price, scales.size)
            kept = symbols[symbol] = Kept(decoder, BookReport(symbol, connection, scales.price, scales.size))
        return kept

    def of_connection(self, connection: str) -> list[Kept]:
        """The books of a connection, all that the recording will tell of."""
        for symbol in self.survey.symbols.get(connection, ()):
            if not self.only or symbol in self.only:
                self.book(connection, symbol)
        return list(self.kept.get(connection, {}).values())

    def count_malformed(self, reason: str, data: bytes) -> None:
        """A frame that is not what the venue documents."""
        self.report.malformed += 1
        self.report.note("malformed", reason, self.place, data)

    # ---- the end

    def finish(self, damage: str = "") -> Report:
        """Everything that was found; `damage` says why the recording ended early."""
        report = self.report
        report.damage = damage
        sources = {scales.source for symbol, scales in self.survey.scales.items() if symbol in self.known}
        report.scales_from = ", ".join(sorted(sources))
        last = Record(self.place.line, self.place.receive_ns, "", FRAME, b"")
        for symbols in self.kept.values():
            for kept in symbols.values():
                if kept.decoder.holding:
                    self.give_up(kept, last)
                _conclude(kept)
                report.books.append(kept.report)
        return report


def _top_of(decoder: Decoder) -> Top:
    book = decoder.book
    return (book.best_bid_price, book.best_bid_size, book.best_ask_price, book.best_ask_size)


def _kind_of_gap(cause: str) -> str:
    """The words of a cause without its numbers, so that causes of one kind are counted together."""
    return re.sub(r"\d+", "N", cause)


def _empty_snapshots(frame: bytes) -> list[bytes]:
    """The answers that an empty book just before this event would have given, as the venue's markets number them."""
    found = _FIRST_ID.search(frame)
    if found is None:
        return []
    first = int(found[1])
    form = '{"lastUpdateId":%d,"E":1,"T":1,"bids":[],"asks":[]}'
    return [(form % last).encode() for last in (first - 1, first)]


def _conclude(kept: Kept) -> None:
    """Write down the book as it is at the end."""
    decoder = kept.decoder
    book = decoder.book
    report = kept.report
    report.checksums_passed = decoder.checksums_passed
    report.live = decoder.live
    if not decoder.live:
        # What was before the end of its connection, if that is why, is told.
        return
    report.update_id = decoder.update_id
    report.bid_levels = book.bids.count
    report.ask_levels = book.asks.count
    if report.bid_levels:
        report.best_bid = _words(report, book.best_bid_price, book.best_bid_size)
    if report.ask_levels:
        report.best_ask = _words(report, book.best_ask_price, book.best_ask_size)


def _words(report: BookReport, price: int, size: int) -> tuple[str, str]:
    return format_decimal_short(price, report.price_scale), format_decimal_short(size, report.size_scale)
