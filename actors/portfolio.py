"""What we hold and what it has earned: positions of the ledger, marked to the mid.

The ledger owns the positions; this actor tells of them as they change and puts a value on them. All amounts are exact
integers at the money scale of their instrument. It never decides anything.
"""

from __future__ import annotations

from typing import ClassVar, Final

from mypy_extensions import i64

from market.instruments import Instrument
from market.messages import LIVE, MAKER, Message, OrderFilled, PositionChanged, TopOfBook
from runtime.actor import HALT_TRADING, Actor, ActorSetup


class Holding:
    """The positions of all strategies in one instrument together, as seen at one moment."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument: Final = instrument
        self.net_size: int = 0
        self.realised: int = 0
        self.unrealised: int = 0
        self.fees: int = 0

    @property
    def profit(self) -> int:
        """Realised and unrealised, less fees."""
        return self.realised + self.unrealised - self.fees


class Traded:
    """What was traded in one instrument since the beginning."""

    def __init__(self) -> None:
        self.fills: i64 = 0
        self.maker_fills: i64 = 0
        self.size: int = 0
        self.notional: int = 0


class Portfolio(Actor):
    """See the head of this file."""

    HANDLERS: ClassVar[dict[type[Message], str]] = {OrderFilled: "on_filled", TopOfBook: "on_top_of_book"}
    GIVES: ClassVar[tuple[type[Message], ...]] = (PositionChanged,)
    OWNS: ClassVar[tuple[type[Message], ...]] = (PositionChanged,)
    POLICY: ClassVar[str] = HALT_TRADING

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__(setup)
        self.instruments: Final[dict[int, Instrument]] = {
            instrument_id: setup.instruments.by_id(instrument_id) for instrument_id in setup.instrument_ids
        }
        # The last price between bid and ask, rounded down; the mark stays where it was while a book is not live.
        self.marks: dict[int, int] = {}
        self.traded: dict[int, Traded] = {instrument_id: Traded() for instrument_id in setup.instrument_ids}

    def on_top_of_book(self, top: TopOfBook) -> None:
        """Mark to the mid."""
        if top.state == LIVE and top.bid_size > 0 and top.ask_size > 0:
            bid_price: int = top.bid_price
            ask_price: int = top.ask_price
            self.marks[top.instrument_id] = (bid_price + ask_price) // 2

    def on_filled(self, fill: OrderFilled) -> None:
        """Tell the position that the fill made; the ledger has taken it already."""
        instrument = self.instruments.get(fill.instrument_id)
        position = self.ledger.position(fill.strategy_id, fill.instrument_id)
        if instrument is None or position is None:
            return
        traded = self.traded[fill.instrument_id]
        traded.fills += 1
        if fill.liquidity == MAKER:
            traded.maker_fills += 1
        size: int = fill.size
        traded.size += size
        traded.notional += instrument.notional(fill.price, fill.size)
        cost = position.cost
        self.emit(
            PositionChanged(
                fill.instrument_id,
                fill.strategy_id,
                position.net_size,
                cost if cost >= 0 else -cost,
                position.realised,
                position.fees,
            )
        )

    def holding(self, instrument_id: int) -> Holding:
        """What is held of one instrument now; without a mark, what is open counts as worth what it cost."""
        holding = Holding(self.instruments[instrument_id])
        mark = self.marks.get(instrument_id)
        for key, position in self.ledger.positions.items():
            if key[1] == instrument_id:
                net_size: int = position.net_size
                holding.net_size += net_size
                holding.realised += position.realised
                holding.fees += position.fees
                if mark is not None:
                    holding.unrealised += position.unrealised(mark)
        return holding

    def summary(self) -> dict[str, object]:
        """Positions and results as decimal text, by symbol."""
        told: dict[str, object] = {}
        words: list[str] = []
        for instrument_id, instrument in self.instruments.items():
            holding = self.holding(instrument_id)
            traded = self.traded[instrument_id]
            mark = self.marks.get(instrument_id)
            position = instrument.format_size(holding.net_size)
            profit = instrument.format_money(holding.profit)
            words.append(f"{instrument.symbol} {position}, profit {profit} {instrument.money_asset}")
            told[instrument.symbol] = {
                "position": position,
                "mark": "" if mark is None else instrument.format_price(mark),
                "currency": instrument.money_asset,
                "realised": instrument.format_money(holding.realised),
                "unrealised": instrument.format_money(holding.unrealised),
                "fees": instrument.format_money(holding.fees),
                "profit": profit,
                "fills": int(traded.fills),
                "maker_fills": int(traded.maker_fills),
                "traded_size": instrument.format_size(traded.size),
                "traded_notional": instrument.format_money(traded.notional),
            }
        return {"status": "; ".join(words), "instruments": told}

    def save(self) -> dict[str, object]:
        """Marks and what was traded; the positions are the ledger's."""
        return {
            "marks": [[instrument_id, mark] for instrument_id, mark in self.marks.items()],
            "traded": [
                [instrument_id, int(one.fills), int(one.maker_fills), one.size, one.notional]
                for instrument_id, one in self.traded.items()
            ],
        }

    def load(self, state: dict[str, object]) -> None:
        """Take back what `save` gave."""
        marks = state["marks"]
        traded = state["traded"]
        assert isinstance(marks, list)
        assert isinstance(traded, list)
        self.marks = {row[0]: row[1] for row in marks}
        for row in traded:
            one = Traded()
            one.fills = row[1]
            one.maker_fills = row[2]
            one.size = row[3]
            one.notional = row[4]
            self.traded[row[0]] = one
