"""What `hftrun new strategy` writes: a strategy, its configuration and its test, with names to be filled in.

`$name` is the name of the file and of the actor, `$class_name` that of the class. The three files run as they are;
a test of this project writes, checks, runs and tests them from a folder of their own.
"""

from __future__ import annotations

from string import Template
from typing import Final

STRATEGY: Final = Template('''\
"""Joins the best bid and the best ask with a small order each, up to a largest position."""

from __future__ import annotations

from typing import ClassVar

import attrs

from market.messages import LIVE, Message, TopOfBook, WantedQuotes
from runtime.actor import ActorSetup, Strategy
from runtime.config.rules import DecimalText, decimal, setting
from strategies.wants import held, quotes


@attrs.frozen(kw_only=True)
class ${class_name}Params:
    """Settings of `$class_name`: what `$name.toml` says under params."""

    # reload=True: it may change while the strategy runs, which is then made anew with it.
    size: DecimalText = setting("Size of a quote.", rule=decimal(above_zero=True), unit="base", reload=True)
    maximum_position: DecimalText = setting(
        "Largest position.", rule=decimal(above_zero=True), unit="base", reload=True
    )


class $class_name(Strategy):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {TopOfBook: "on_top_of_book"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (WantedQuotes,)
    PARAMS: ClassVar[type | None] = ${class_name}Params

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        assert isinstance(setup.params, ${class_name}Params)
        self.instrument = setup.instruments.by_id(setup.instrument_ids[0])
        # Decimal text becomes whole numbers at the scale of the instrument, once.
        self.size = self.instrument.parse_size(setup.params.size)
        self.maximum_position = self.instrument.parse_size(setup.params.maximum_position)

    def on_top_of_book(self, top: TopOfBook) -> None:
        """A new touch: join it on both sides, where the position has room."""
        live = top.state == LIVE and top.bid_size > 0 and top.ask_size > 0
        may_buy = live and held(self, self.instrument) + self.size <= self.maximum_position
        may_sell = live and held(self, self.instrument) - self.size >= -self.maximum_position
        self.emit(
            quotes(
                self,
                self.instrument,
                bids=[(top.bid_price, self.size)] if may_buy else [],
                asks=[(top.ask_price, self.size)] if may_sell else [],
                reason="join the touch" if live else "the book is not live",
                receive_ns=top.receive_ns,
            )
        )
''')

CONFIG: Final = Template("""\
# $class_name on paper: BTC/USDT at Binance, with live public data and no key. Without a network it trades on a
# simulated market.
#
#     hftrun check $name.toml
#     hftrun $name.toml
#
# `hftrun check --show $name.toml` prints every setting that there is, with its value.

name = "$name"                          # in logs, journal and dashboard
mode = "paper"                          # orders go to the paper venue; no money is at stake
offline = "simulate"                    # no venue can be reached: trade on a simulated market

[instruments.btc]
symbol = "BTC/USDT"                     # the same at every venue
venue = "binance"                       # whose rules and fees these are
venue_symbol = "BTCUSDT"                # as the venue writes it
base = "BTC"                            # what is bought and sold
quote = "USDT"                          # what it is paid with
tick = "0.01"                           # smallest step of a price
lot = "0.00001"                         # smallest step of a size
minimum_size = "0.00001"                # smallest size of an order
minimum_notional = "5"                  # smallest price times size of an order, in quote
maker_fee_bps = "0"                     # of an order that rested
taker_fee_bps = "10"                    # of an order that took

[services.feed]                         # the connection to the venue
class = "venues.feed:Feed"
params = { venue = "binance", connection_id = 1 }

[actors.book]                           # the venue's book, LIVE only while nothing is missing
class = "actors.venue_book:VenueBook"
params = { dialect = "venues.binance:BinanceSpot", connection_id = 1, stale_after_ms = 3000 }

[actors.order_manager]                  # sends and cancels what brings the wants about
class = "actors.order_manager:OrderManager"

[actors.risk]                           # checks every order on its way out
class = "actors.risk:Risk"
[actors.risk.params]
maximum_order_size = "0.05"             # of one order, in base
maximum_order_notional = "10000"        # of one order, in quote
collar_bps = 50                         # a limit price may be this far from the mid
maximum_position = "0.1"                # in base, with every open order of one side counted as filled
maximum_daily_loss = "1000"             # in quote; a larger loss halts trading

[actors.paper_venue]                    # fills what a venue would have filled
class = "actors.paper_venue:PaperVenue"
params = { latency_us = 5000, jitter_us = 5000, seed = 7 }

[actors.portfolio]                      # what is held, and what came of it
class = "actors.portfolio:Portfolio"

[actors.$name]
class = "$name.py:$class_name"
[actors.$name.params]
size = "0.01"                           # of a quote, in base
maximum_position = "0.05"               # in base
""")

TEST: Final = Template('''\
"""`$class_name` in the lane that it will run in, without a clock, a task or a network."""

from pathlib import Path

from market.messages import STALE
from strategies.rehearsal import Rehearsal

CONFIG = Path(__file__).with_name("$name.toml")


def test_it_joins_the_touch_and_leaves_a_stale_book() -> None:
    """One order at the best bid, one at the best ask; both go when the book is not live."""
    lane = Rehearsal(CONFIG)
    lane.show(bid="60000.00", ask="60000.01")
    assert lane.orders() == [("buy", "60000.00", "0.01000"), ("sell", "60000.01", "0.01000")]
    lane.wait(20)
    lane.show(bid="60000.00", ask="60000.01", state=STALE)
    assert lane.orders() == []


def test_its_settings_change_while_it_runs() -> None:
    """A new size takes effect with the next touch; one that cannot be is refused, and nothing changes."""
    lane = Rehearsal(CONFIG)
    assert lane.change("$name", "size", '"0.02"')
    assert not lane.change("$name", "size", '"-1"')
    lane.show(bid="60000.00", ask="60000.01")
    assert lane.orders() == [("buy", "60000.00", "0.02000"), ("sell", "60000.01", "0.02000")]


def test_it_follows_the_touch() -> None:
    """When the best bid moves away, the order there is replaced by one at the new best bid."""
    lane = Rehearsal(CONFIG)
    lane.show(bid="60000.00", ask="60000.01")
    lane.wait(20)
    lane.show(bid="60001.00", ask="60001.01")
    lane.wait(20)
    assert lane.orders() == [("buy", "60001.00", "0.01000"), ("sell", "60001.01", "0.01000")]
''')
