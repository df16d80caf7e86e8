"""What follows a halt: everything is cancelled again and again until nothing is open, and then the venues are asked.

The ledger says what we believe to be open. Where connections are configured, each of them is asked for what the venue
has; only its own count of zero, while the ledger has none either, confirms it. An order that shows itself later begins
it anew. Without connections the ledger alone confirms, as connection 0. It never ends a halt: that is up to a person.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from market.messages import STATE_OPEN_ORDERS, CancelAll, HaltConfirmed, VenueStateComplete, VenueStateWanted
from runtime.actor import Actor

CONFIRM_TIMER: Final = 2


class HaltWatch:
    """See the head of this file."""

    def __init__(self, actor: Actor, connections: list[int], confirm_ns: int) -> None:
        self.actor: Final = actor
        self.connections: Final = connections
        self.confirm_ns: Final = confirm_ns
        self.active: bool = False
        self.asked: i64 = 0
        # Whether the venues were asked since this halt began: what was said before is no answer.
        self.questioned: bool = False
        # Connections whose venue has said that nothing is open, and whether all have.
        self.clear: dict[int, bool] = {}
        self.confirmed: bool = False

    def begin(self) -> None:
        """Trading was halted, by whomever, or a run began with a halt."""
        self.active = True
        self.asked = 0
        self.questioned = False
        self.clear.clear()
        self.confirmed = False
        self.look(False)

    def end(self) -> None:
        """A person has ended the halt."""
        if self.active:
            self.active = False
            self.confirmed = False
            self.actor.cancel_timer(CONFIRM_TIMER)

    def on_end_of_order(self) -> None:
        """An order is at its end: it may have been the last one."""
        if self.active and not self.confirmed and self.actor.ledger.open_order_count() == 0:
            self.look(False)

    def on_life(self) -> None:
        """An order was accepted or has traded: after a confirmation that was wrong, everything begins anew."""
        if not self.active:
            return
        if not self.confirmed:
            self.on_end_of_order()
            return
        self.actor.emit(CancelAll(0, "an order shows itself after the halt was confirmed"))
        self.begin()

    def look(self, again: bool) -> None:
        """See what is still open, cancel it again, ask the venues, and look again later."""
        if not self.active or self.confirmed:
            return
        ledger = self.actor.ledger
        open_orders = ledger.open_order_count()
        if open_orders > 0:
            if again:
                self.asked += 1
                told = f"trading is halted and {open_orders} orders are still open ({ledger.halt_reason})"
                self.actor.emit(CancelAll(0, told))
        elif len(self.connections) == 0:
            self.confirmed = True
            self.actor.emit(HaltConfirmed(0, 0, self.asked))
            return
        else:
            self.ask()
        self.actor.set_timer(CONFIRM_TIMER, self.actor.now + self.confirm_ns)

    def ask(self) -> None:
        """Ask every venue that has not said so yet."""
        self.asked += 1
        self.questioned = True
        for connection_id in self.connections:
            if connection_id not in self.clear:
                self.actor.emit(VenueStateWanted(connection_id, STATE_OPEN_ORDERS, 0, "trading is halted"))

    def answer(self, state: VenueStateComplete) -> None:
        """A venue has said how many orders it still has of ours."""
        connection_id: int = state.connection_id
        if not self.active or self.confirmed or state.state != STATE_OPEN_ORDERS:
            return
        if connection_id not in self.connections or connection_id in self.clear:
            return
        if state.count == 0 and (not self.questioned or self.actor.ledger.open_order_count() > 0):
            # It speaks of an earlier time, or an order is still on its way there.
            return
        self.actor.emit(HaltConfirmed(connection_id, state.count, self.asked))
        if state.count > 0:
            self.actor.emit(CancelAll(0, f"{state.count} orders are still open at connection {connection_id}"))
            return
        self.clear[connection_id] = True
        if len(self.clear) == len(self.connections):
            self.confirmed = True
            self.actor.cancel_timer(CONFIRM_TIMER)

    def save(self) -> list[object]:
        """How far it has come, as plain data."""
        return [self.active, int(self.asked), list(self.clear), self.confirmed, self.questioned]

    def load(self, state: object) -> None:
        """Take back what `save` gave."""
        assert isinstance(state, list)
        self.active, self.asked, clear, self.confirmed, self.questioned = state
        self.clear = dict.fromkeys(clear, True)
