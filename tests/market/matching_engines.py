"""The matching engine and its reference, driven by the same inputs and giving their events in the same form."""

from __future__ import annotations

from typing import Protocol

from benchmarks.naive_matching import NaiveEngine
from market.matching.engine import MatchingEngine
from market.matching.entry import OrderEntry
from market.matching.settings import MatchingSettings
from market.message_schema.catalogue import VALUES_BY_NAME
from tests.market.matching_streams import Cancel, Expire, Input, Replace, SetStatus, Submit, SubmitGroup

Cells = tuple[int, ...]

KIND_NAMES = {value: name.lower() for name, value, _ in VALUES_BY_NAME["order_event"].members}
COLUMNS = (
    "kind", "order", "account", "side", "price", "size", "left", "code", "other", "other_account", "other_left",
    "number",
)  # fmt: skip
UNTOLD = ("kind", "order", "account", "side", "other_account")


def told(cells: Cells) -> str:
    """An event for people: its kind and order, and the columns that are not 0, but accounts and side."""
    rest = [f"{name}={cell}" for name, cell in zip(COLUMNS, cells, strict=True) if cell and name not in UNTOLD]
    return " ".join([KIND_NAMES[cells[0]].removeprefix("event_"), str(cells[1]), *rest])


class Driven(Protocol):
    """An engine as the tests drive it: one input in, its events out as plain rows."""

    def apply(self, given: Input) -> list[Cells]:
        """Hands in one input; gives its events in the columns of docs/matching.md."""


class DrivenNaive:
    """The reference engine, driven."""

    def __init__(self, chosen: MatchingSettings) -> None:
        """An empty book."""
        self.engine = NaiveEngine(chosen)

    def apply(self, given: Input) -> list[Cells]:
        """Hands in one input; gives its events."""
        engine = self.engine
        match given:
            case Submit():
                engine.submit(OrderEntry(*given.order), given.now_ns)
            case SubmitGroup():
                engine.submit_group(given.kind, [OrderEntry(*order) for order in given.orders], given.now_ns)
            case Cancel():
                engine.cancel(given.order_id, given.cause)
            case Replace():
                engine.replace(given.order_id, given.price, given.size)
            case Expire():
                engine.expire(given.now_ns)
            case SetStatus():
                engine.set_status(given.status)
        return list(engine.events)


class DrivenEngine:
    """The engine, driven."""

    def __init__(self, chosen: MatchingSettings) -> None:
        """An empty book."""
        self.engine = MatchingEngine(chosen)

    def apply(self, given: Input) -> list[Cells]:
        """Hands in one input; gives its events."""
        self.feed(given)
        return [event.cells() for event in self.engine.events]

    def feed(self, given: Input) -> None:
        """Hands in one input and reads nothing."""
        engine = self.engine
        match given:
            case Submit():
                engine.submit(OrderEntry(*given.order), given.now_ns)
            case SubmitGroup():
                engine.submit_group(given.kind, [OrderEntry(*order) for order in given.orders], given.now_ns)
            case Cancel():
                engine.cancel(given.order_id, given.cause)
            case Replace():
                engine.replace(given.order_id, given.price, given.size)
            case Expire():
                engine.expire(given.now_ns)
            case SetStatus():
                engine.set_status(given.status)
