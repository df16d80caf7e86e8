"""What stands between us and a venue on paper: requests on their way there, reports on their way back.

Every venue has a line of its own; a request that concerns all venues goes down every line. `actors/paper_lines.py` says
how long each message takes. What a request does when it has arrived is in `actors/paper_desk.py`.
"""

from __future__ import annotations

from typing import ClassVar, Final

from mypy_extensions import i64

from actors.paper_lines import Delay, Line, OnItsWay
from actors.paper_params import PaperVenueParams
from market.instruments import Instrument
from market.messages import (
    MODEL_OPTIMISTIC,
    MODEL_PESSIMISTIC,
    MODEL_QUEUE,
    STATE_OPEN_ORDERS,
    CancelAll,
    CancelOrder,
    Message,
    NewOrder,
    OrderStatusWanted,
    ReplaceOrder,
    VenueStateWanted,
)
from market.paper_book import PaperBook
from market.paper_queue import FIXED_SHARE, LINEAR, SQUARED, PaperOrder, QueueRules
from market.paper_terms import PaperTerms
from runtime.actor import Actor, ActorSetup

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
SHARES: Final[dict[str, int]] = {"linear": int(LINEAR), "squared": int(SQUARED), "fixed": int(FIXED_SHARE)}

DRIVES: Final[dict[str, int]] = {
    "queue": MODEL_QUEUE,
    "optimistic": MODEL_OPTIMISTIC,
    "pessimistic": MODEL_PESSIMISTIC,
}

# Timers: 0 ends orders whose time runs out; of each line one is for requests, the next one for reports.
EXPIRY: Final = 0
FIRST_OF_LINES: Final = 1


class Market:
    """One instrument: what it is, what it asks of orders, what is displayed and rests, and the line to its venue."""

    def __init__(self, instrument: Instrument, rules: QueueRules, line: Line) -> None:
        self.instrument: Final = instrument
        self.terms: Final = PaperTerms(instrument)
        self.book: Final = PaperBook(rules)
        self.book.lot = instrument.lot
        self.line: Final = line


class Question:
    """A question after open orders that went down every line: how many have not answered, and what they told."""

    def __init__(self, lines_left: int, told: int) -> None:
        self.lines_left: int = lines_left
        self.told: int = told


class PaperWays(Actor):
    """See the head of this file."""

    PARAMS: ClassVar[type | None] = PaperVenueParams

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, PaperVenueParams)
        rules = QueueRules(
            SHARES[params.cancels_ahead], params.share_ppm, params.pair_ms * NANOSECONDS_PER_MILLISECOND,
            DRIVES[params.drive],
        )  # fmt: skip
        self.connection_id: Final[int] = params.connection_id
        self.lines: Final[list[Line]] = []
        self.markets: Final[dict[int, Market]] = {}
        venues = {one.venue for one in setup.instruments}
        for venue in params.venues:
            if venue not in venues:
                raise ValueError(f"venues: no instrument is at {venue!r}: name one of {', '.join(sorted(venues))}")
        lines: dict[str, Line] = {}
        for instrument_id in setup.instrument_ids:
            instrument = setup.instruments.by_id(instrument_id)
            line = lines.get(instrument.venue)
            if line is None:
                line = self.add_line(instrument.venue, params)
                lines[instrument.venue] = line
            self.markets[instrument_id] = Market(instrument, rules, line)
        if len(self.lines) == 0:
            self.add_line("", params)
        # By order id in the order of arrival.
        self.orders: dict[int, PaperOrder] = {}
        self.questions: dict[int, Question] = {}
        self.asked: i64 = 0

    def add_line(self, venue: str, params: PaperVenueParams) -> Line:
        """The line to one more venue."""
        orders, cancels, reports = params.delays_of(venue)
        line = Line(
            len(self.lines), venue, params.seed, Delay(orders[0], orders[1], orders[2]),
            Delay(cancels[0], cancels[1], cancels[2]), Delay(reports[0], reports[1], reports[2]),
        )  # fmt: skip
        self.lines.append(line)
        return line

    # ---- the way there

    def on_order(self, order: NewOrder) -> None:
        """A new order sets out."""
        line = self.line_of(order.instrument_id)
        self.send(line, order, line.orders)

    def on_replace(self, change: ReplaceOrder) -> None:
        """A change of an order sets out."""
        line = self.line_of(change.instrument_id)
        self.send(line, change, line.orders)

    def on_cancel(self, cancel: CancelOrder) -> None:
        """A cancel sets out."""
        line = self.line_of(cancel.instrument_id)
        self.send(line, cancel, line.cancels)

    def on_cancel_all(self, cancel: CancelAll) -> None:
        """The kill switch sets out, to every venue that it concerns."""
        for line in self.lines:
            if cancel.instrument_id == 0 or self.line_of(cancel.instrument_id) is line:
                self.send(line, cancel, line.cancels)

    def on_status_wanted(self, wanted: OrderStatusWanted) -> None:
        """A question after one order sets out."""
        line = self.line_of(wanted.instrument_id)
        self.send(line, wanted, line.orders)

    def on_state_wanted(self, wanted: VenueStateWanted) -> None:
        """A question after open orders sets out, to every venue; other kinds of state are not kept here."""
        if wanted.state != STATE_OPEN_ORDERS or (wanted.connection_id not in (0, self.connection_id)):
            return
        self.asked += 1
        self.questions[self.asked] = Question(len(self.lines), 0)
        for line in self.lines:
            self.send(line, wanted, line.orders, self.asked)

    def line_of(self, instrument_id: int) -> Line:
        """The line to the venue of an instrument; one that nobody knows is refused at the first venue."""
        market = self.markets.get(instrument_id)
        return market.line if market is not None else self.lines[0]

    def send(self, line: Line, message: Message, delay: Delay, question: i64 = 0) -> None:
        """Send a request on its way; as on one connection, none overtakes another."""
        if line.send(message, delay, self.outlet.now_ns, question):
            self.set_timer(FIRST_OF_LINES + 2 * line.number, line.requests[0].due_ns)

    # ---- the way back

    def reply(self, line: Line, message: Message) -> None:
        """Send a report on its way back."""
        if line.at_once and len(line.reports) == 0:
            self.emit(message)
        elif line.answer(message, self.outlet.now_ns):
            self.set_timer(FIRST_OF_LINES + 2 * line.number + 1, line.reports[0].due_ns)

    def reply_last(self, line: Line, message: Message) -> None:
        """Send a report that no report of any venue that is on its way may come after."""
        last_ns = max(other.last_report_ns() for other in self.lines)
        if last_ns == 0:
            self.reply(line, message)
        elif line.answer(message, self.outlet.now_ns, last_ns):
            self.set_timer(FIRST_OF_LINES + 2 * line.number + 1, line.reports[0].due_ns)

    def bring_back(self, line: Line) -> None:
        """Hand out the reports that have come back."""
        now_ns = self.outlet.now_ns
        report = line.returned(now_ns)
        while report is not None:
            self.emit(report.message)
            report = line.returned(now_ns)
        if len(line.reports) > 0:
            self.set_timer(FIRST_OF_LINES + 2 * line.number + 1, line.reports[0].due_ns)

    def set_timers(self) -> None:
        """After a failure the timers are gone, and what is on its way still has to arrive."""
        for line in self.lines:
            if len(line.requests) > 0:
                self.set_timer(FIRST_OF_LINES + 2 * line.number, line.requests[0].due_ns)
            if len(line.reports) > 0:
                self.set_timer(FIRST_OF_LINES + 2 * line.number + 1, line.reports[0].due_ns)

    def all_requests(self) -> list[OnItsWay]:
        """Every request that has not arrived."""
        return [request for line in self.lines for request in line.requests]

    def all_reports(self) -> list[OnItsWay]:
        """Every report that has not come back."""
        return [report for line in self.lines for report in line.reports]
