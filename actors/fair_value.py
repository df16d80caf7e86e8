"""What an instrument is held to be worth: a blend of mid and microprice of its book.

It speaks only of books that are `LIVE` and have two sides. When that ends it says so once, with a confidence of 0, and
then is silent until it knows again. It never smooths and never remembers a price.
"""

from __future__ import annotations

from typing import ClassVar, Final

from actors.fair_value_params import FairValueParams
from market.messages import LIVE, FairValue, Message, TopOfBook
from runtime.actor import Actor, ActorSetup


class FairValueActor(Actor):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {TopOfBook: "on_top_of_book"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (FairValue,)
    OWNS: ClassVar[tuple[type[Message], ...]] = (FairValue,)
    PARAMS: ClassVar[type | None] = FairValueParams

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        params = setup.params
        assert isinstance(params, FairValueParams)
        self.microprice_weight: Final[float] = params.microprice_weight
        # The instruments of which it last said that it knows what they are worth.
        self.confident: dict[int, bool] = {}

    def on_top_of_book(self, top: TopOfBook) -> None:
        """Price the new touch, or withdraw the last price."""
        if top.state == LIVE and top.bid_size > 0 and top.ask_size > 0:
            self.confident[top.instrument_id] = True
            self.emit(FairValue(top.instrument_id, self.price(top), 1.0, top.receive_ns))
        elif self.confident.pop(top.instrument_id, False):
            self.emit(FairValue(top.instrument_id, 0.0, 0.0, top.receive_ns))

    def price(self, top: TopOfBook) -> float:
        """The blend, in scaled price units."""
        # Each is made a float before it is multiplied: products of prices and sizes can pass 64 bits.
        bid_price = float(top.bid_price)
        ask_price = float(top.ask_price)
        bid_size = float(top.bid_size)
        ask_size = float(top.ask_size)
        mid = (bid_price + ask_price) / 2.0
        microprice = (bid_price * ask_size + ask_price * bid_size) / (bid_size + ask_size)
        return mid + (microprice - mid) * self.microprice_weight

    def save(self) -> dict[str, object]:
        """The instruments it is confident of."""
        return {"confident": sorted(self.confident)}

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        confident = state["confident"]
        assert isinstance(confident, list)
        self.confident = {int(instrument_id): True for instrument_id in confident}
