"""What venues send, written from their documents for tests: the other side of each dialect's wire.

Each speaker writes one instrument's frames on one connection from the true book. None of it shares code with the
dialects, except for Binance, whose encoder is a part of its dialect.
"""

from __future__ import annotations

import json
import re
import zlib
from datetime import UTC, datetime
from random import Random
from typing import Any

from tests.simulation.venue_truth import Change, Levels, Sides
from venues.binance import BinanceSpot
from venues.simulated_market import DepthEvent, TradeEvent

PRICE_SCALE = 2
SIZE_SCALE = 5
NANOSECONDS = 1_000_000


def broken(frame: bytes, draw: Random) -> bytes:
    """One byte is no part of any message any more: venues without a checksum can show no other damage."""
    place = draw.randrange(len(frame))
    return frame[:place] + b"?" + frame[place + 1 :]


def another_digit(frame: bytes, start: int, end: int, draw: Random) -> bytes:
    """One digit between two places is another one."""
    places = [place for place in range(start, end) if 48 <= frame[place] <= 57]
    place = draw.choice(places)
    digit = (frame[place] - 48 + draw.randrange(1, 10)) % 10
    return frame[:place] + bytes([48 + digit]) + frame[place + 1 :]


def price_text(price: int) -> str:
    """A price as text."""
    return f"{price // 100}.{price % 100:02d}"


def size_text(size: int) -> str:
    """A size as text."""
    return f"{size // 100_000}.{size % 100_000:05d}" if size else "0"


def rows(levels: Levels) -> list[list[str]]:
    """Levels as pairs of text."""
    return [[price_text(price), size_text(size)] for price, size in levels]


def written(message: dict[str, Any]) -> bytes:
    """A message without spaces."""
    return json.dumps(message, separators=(",", ":")).encode()


def utc(now_ns: int) -> str:
    """A time as RFC 3339 with microseconds."""
    return datetime.fromtimestamp(now_ns // 1_000 / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class BinanceSpeaker:
    """Binance spot: numbered events, snapshots by request."""

    dialect = "venues.binance:BinanceSpot"
    venue_symbol = "BTCUSDT"
    depth = 0
    numbered = "id"

    def __init__(self) -> None:
        self.encoder = BinanceSpot().encoder(self.venue_symbol, PRICE_SCALE, SIZE_SCALE)

    def opened(self) -> list[bytes]:
        """The reply to the subscription."""
        return [b'{"result":null,"id":1}']

    def subscribed(self, now_ns: int, update_id: int, number: int, sides: Sides) -> list[bytes]:
        """Nothing: snapshots come by request."""
        return []

    def changed(self, now_ns: int, event: DepthEvent, change: Change) -> list[bytes]:
        """A depthUpdate."""
        return [self.encoder.depth(now_ns, event.first_update_id, event.last_update_id, event.bids, event.asks)]

    def traded(self, now_ns: int, trade: TradeEvent) -> list[bytes]:
        """A trade."""
        return [self.encoder.trade(now_ns, trade.trade_id, trade.price, trade.size, trade.aggressor_side)]

    def snapshot(self, update_id: int, sides: Sides) -> bytes:
        """The answer to a depth request."""
        return self.encoder.snapshot(update_id, *sides)

    def corrupted(self, frame: bytes, draw: Random) -> bytes:
        """A byte that no message has."""
        return broken(frame, draw)


class CoinbaseSpeaker:
    """Coinbase Advanced Trade: one counter over all that a connection sends, the whole book at its beginning."""

    dialect = "venues.coinbase:Coinbase"
    venue_symbol = "BTC-USD"
    depth = 0
    numbered = "none"

    def __init__(self) -> None:
        self.sequence = 0

    def opened(self) -> list[bytes]:
        """Nothing; the counter begins again."""
        self.sequence = 0
        return []

    def frame(self, channel: str, now_ns: int, event: dict[str, Any]) -> bytes:
        """An envelope with the next number."""
        number, self.sequence = self.sequence, self.sequence + 1
        return written({"channel": channel, "timestamp": utc(now_ns), "sequence_num": number, "events": [event]})

    def book(self, kind: str, now_ns: int, bids: Levels, asks: Levels) -> bytes:
        """Levels, asks under the name of offers."""
        updates = [
            {"side": side, "event_time": utc(now_ns), "price_level": price, "new_quantity": size}
            for side, levels in (("bid", bids), ("offer", asks))
            for price, size in rows(levels)
        ]
        return self.frame("l2_data", now_ns, {"type": kind, "product_id": self.venue_symbol, "updates": updates})

    def subscribed(self, now_ns: int, update_id: int, number: int, sides: Sides) -> list[bytes]:
        """The whole book, and after it the confirmation."""
        snapshot = self.book("snapshot", now_ns, *sides)
        return [snapshot, self.frame("subscriptions", now_ns, {"subscriptions": {"level2": [self.venue_symbol]}})]

    def changed(self, now_ns: int, event: DepthEvent, change: Change) -> list[bytes]:
        """An update."""
        return [self.book("update", now_ns, event.bids, event.asks)]

    def traded(self, now_ns: int, trade: TradeEvent) -> list[bytes]:
        """A trade, with the side of the maker."""
        row = {
            "product_id": self.venue_symbol, "trade_id": str(trade.trade_id), "price": price_text(trade.price),
            "size": size_text(trade.size), "time": utc(now_ns), "side": "SELL" if trade.aggressor_side > 0 else "BUY",
        }  # fmt: skip
        return [self.frame("market_trades", now_ns, {"type": "update", "trades": [row]})]

    def snapshot(self, update_id: int, sides: Sides) -> bytes:
        """The product book that an audit asks for."""
        bids, asks = ([{"price": price, "size": size} for price, size in rows(side)] for side in sides)
        return written({"pricebook": {"product_id": self.venue_symbol, "bids": bids, "asks": asks}})

    def corrupted(self, frame: bytes, draw: Random) -> bytes:
        """The number of the frame, or a digit of a price that is none any more: no other damage can be seen here."""
        found = re.search(rb'"sequence_num":(\d+)', frame)
        assert found is not None
        if draw.random() < 0.5:
            return another_digit(frame, found.start(1), found.end(1), draw)
        place = frame.rfind(b'.')
        return frame[: place + 1] + b"?" + frame[place + 2 :]


class KrakenSpeaker:
    """Kraken v2: no numbers, a checksum of the ten best levels with every change, here of a depth of ten."""

    dialect = "venues.kraken:Kraken"
    venue_symbol = "BTC/USD"
    depth = 10
    numbered = "none"

    def opened(self) -> list[bytes]:
        """The state of the venue."""
        status = {"version": "2.0.10", "system": "online", "api_version": "v2", "connection_id": 1743042658499070000}
        return [written({"channel": "status", "type": "update", "data": [status]})]

    def book(self, kind: str, now_ns: int, bids: Levels, asks: Levels, after: Sides) -> bytes:
        """Levels as numbers."""
        listed = [
            "[" + ",".join(f'{{"price":{price},"qty":{size}}}' for price, size in rows(levels)) + "]"
            for levels in (bids, asks)
        ]
        text = "".join(f"{price}{size}" for levels in (after[1], after[0]) for price, size in levels[:10])
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{self.venue_symbol}","bids":{listed[0]},'
            f'"asks":{listed[1]},"checksum":{zlib.crc32(text.encode())},"timestamp":"{utc(now_ns)}"}}]}}'
        ).encode()

    def subscribed(self, now_ns: int, update_id: int, number: int, sides: Sides) -> list[bytes]:
        """The confirmation and the snapshot."""
        result = {"channel": "book", "depth": self.depth, "snapshot": True, "symbol": self.venue_symbol}
        told = {"method": "subscribe", "req_id": 1, "result": result, "success": True, "time_in": utc(now_ns),
                "time_out": utc(now_ns)}  # fmt: skip
        return [written(told), self.book("snapshot", now_ns, *sides, sides)]

    def changed(self, now_ns: int, event: DepthEvent, change: Change) -> list[bytes]:
        """What changed among the best of each side, as many as the depth has."""
        if not change.bids and not change.asks:
            return []
        return [self.book("update", now_ns, change.bids, change.asks, change.after)]

    def traded(self, now_ns: int, trade: TradeEvent) -> list[bytes]:
        """A trade."""
        side = "buy" if trade.aggressor_side > 0 else "sell"
        return [
            (
                f'{{"channel":"trade","type":"update","data":[{{"symbol":"{self.venue_symbol}","side":"{side}",'
                f'"price":{price_text(trade.price)},"qty":{size_text(trade.size)},"ord_type":"limit",'
                f'"trade_id":{trade.trade_id},"timestamp":"{utc(now_ns)}"}}]}}'
            ).encode()
        ]

    def snapshot(self, update_id: int, sides: Sides) -> bytes:
        """The public depth."""
        bids, asks = ([[*row, 1_700_000_000] for row in rows(side)] for side in sides)
        return written({"error": [], "result": {"XXBTZUSD": {"bids": bids, "asks": asks}}})

    def corrupted(self, frame: bytes, draw: Random) -> bytes:
        """Any digit of a book's levels or of its checksum; of other frames a byte that is none."""
        if not frame.startswith(b'{"channel":"book"'):
            return broken(frame, draw)
        return another_digit(frame, frame.find(b'"bids"'), frame.find(b',"timestamp"'), draw)


class DeepKrakenSpeaker(KrakenSpeaker):
    """The same of a depth of 25: of the levels below the tenth no checksum tells anything."""

    depth = 25

    def corrupted(self, frame: bytes, draw: Random) -> bytes:
        """A digit that is none any more, a size finer than the pair has, or no end: a frame that nobody can read."""
        start, end = frame.find(b'"bids"'), frame.find(b',"timestamp"')
        if start < 0 or end < 0:
            return broken(frame, draw)
        how = draw.randrange(3)
        sizes = [found.end() for found in re.finditer(rb'"qty":\d+\.\d{5}', frame)]
        if how == 0 and sizes:
            place = draw.choice(sizes)
            return frame[:place] + b"7" + frame[place:]
        if how == 1:
            return frame[: draw.randrange(start, len(frame))]
        place = draw.choice([place for place in range(start, end) if 48 <= frame[place] <= 57])
        return frame[:place] + b"?" + frame[place + 1 :]


class BybitSpeaker:
    """Bybit v5: each message of a topic has the number after the one before."""

    dialect = "venues.bybit:Bybit"
    venue_symbol = "BTCUSDT"
    depth = 50
    numbered = "count"

    def opened(self) -> list[bytes]:
        """The confirmation."""
        return [b'{"success":true,"ret_msg":"subscribe","conn_id":"x","req_id":"1","op":"subscribe"}']

    def book(self, kind: str, now_ns: int, number: int, bids: Levels, asks: Levels) -> bytes:
        """Levels with their number."""
        milliseconds = now_ns // NANOSECONDS
        data = {"s": self.venue_symbol, "b": rows(bids), "a": rows(asks), "u": number, "seq": 7_961_638_724 + number}
        topic = f"orderbook.50.{self.venue_symbol}"
        return written({"topic": topic, "ts": milliseconds, "type": kind, "data": data, "cts": milliseconds - 1})

    def subscribed(self, now_ns: int, update_id: int, number: int, sides: Sides) -> list[bytes]:
        """The snapshot."""
        return [self.book("snapshot", now_ns, number, *sides)]

    def changed(self, now_ns: int, event: DepthEvent, change: Change) -> list[bytes]:
        """What changed among the fifty best of each side; the venue deletes what falls out."""
        return [self.book("delta", now_ns, change.number, event.bids, event.asks)]

    def traded(self, now_ns: int, trade: TradeEvent) -> list[bytes]:
        """A trade."""
        row = {
            "T": now_ns // NANOSECONDS, "s": self.venue_symbol, "S": "Buy" if trade.aggressor_side > 0 else "Sell",
            "v": size_text(trade.size), "p": price_text(trade.price), "L": "PlusTick", "i": str(trade.trade_id),
            "BT": False,
        }  # fmt: skip
        topic = f"publicTrade.{self.venue_symbol}"
        return [written({"topic": topic, "type": "snapshot", "ts": now_ns // NANOSECONDS, "data": [row]})]

    def snapshot(self, update_id: int, sides: Sides) -> bytes:
        """The order book that an audit asks for."""
        result = {"s": self.venue_symbol, "b": rows(sides[0]), "a": rows(sides[1]), "ts": 1, "u": 1, "seq": 1}
        return written({"retCode": 0, "retMsg": "OK", "result": result, "time": 1})

    def corrupted(self, frame: bytes, draw: Random) -> bytes:
        """A byte that no message has. The number of a trade may be any text, so of a trade the end is missing."""
        return frame[:-1] if frame.startswith(b'{"topic":"publicTrade') else broken(frame, draw)


class OkxSpeaker:
    """OKX v5: each message names the number of the one before."""

    dialect = "venues.okx:Okx"
    venue_symbol = "BTC-USDT"
    depth = 0
    numbered = "id"

    def opened(self) -> list[bytes]:
        """The confirmation."""
        return [b'{"event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a4d3ae55"}']

    def book(self, kind: str, now_ns: int, before: int, update_id: int, bids: Levels, asks: Levels) -> bytes:
        """Levels with their numbers; the checksum is 0, which means that there is none."""
        data = {
            "asks": [[*row, "0", "1"] for row in rows(asks)], "bids": [[*row, "0", "1"] for row in rows(bids)],
            "ts": str(now_ns // NANOSECONDS), "checksum": 0, "prevSeqId": before, "seqId": update_id,
        }  # fmt: skip
        return written({"arg": {"channel": "books", "instId": self.venue_symbol}, "action": kind, "data": [data]})

    def subscribed(self, now_ns: int, update_id: int, number: int, sides: Sides) -> list[bytes]:
        """The snapshot."""
        return [self.book("snapshot", now_ns, -1, update_id, *sides)]

    def changed(self, now_ns: int, event: DepthEvent, change: Change) -> list[bytes]:
        """An update."""
        return [self.book("update", now_ns, change.before_id, event.last_update_id, event.bids, event.asks)]

    def traded(self, now_ns: int, trade: TradeEvent) -> list[bytes]:
        """A trade."""
        row = {
            "instId": self.venue_symbol, "tradeId": str(trade.trade_id), "px": price_text(trade.price),
            "sz": size_text(trade.size), "side": "buy" if trade.aggressor_side > 0 else "sell",
            "ts": str(now_ns // NANOSECONDS), "count": "1",
        }  # fmt: skip
        return [written({"arg": {"channel": "trades", "instId": self.venue_symbol}, "data": [row]})]

    def snapshot(self, update_id: int, sides: Sides) -> bytes:
        """The books that an audit asks for."""
        bids, asks = ([[*row, "0", "1"] for row in rows(side)] for side in sides)
        return written({"code": "0", "msg": "", "data": [{"asks": asks, "bids": bids, "ts": "1", "seqId": update_id}]})

    def corrupted(self, frame: bytes, draw: Random) -> bytes:
        """A byte that no message has."""
        return broken(frame, draw)


class UsdmSpeaker(BinanceSpeaker):
    """Binance USD-M futures: each event names the last number of the one before."""

    dialect = "venues.binance_futures:BinanceUsdm"

    def changed(self, now_ns: int, event: DepthEvent, change: Change) -> list[bytes]:
        """A depthUpdate; its own first number leaves a hole, as that of the venue does."""
        milliseconds = now_ns // NANOSECONDS
        data = {
            "e": "depthUpdate", "E": milliseconds, "T": milliseconds - 1, "s": self.venue_symbol,
            "U": event.last_update_id, "u": event.last_update_id, "pu": change.before_id, "b": rows(event.bids),
            "a": rows(event.asks),
        }  # fmt: skip
        return [written({"stream": f"{self.venue_symbol.lower()}@depth@100ms", "data": data})]

    def traded(self, now_ns: int, trade: TradeEvent) -> list[bytes]:
        """An aggregate trade."""
        milliseconds = now_ns // NANOSECONDS
        data = {
            "e": "aggTrade", "E": milliseconds, "s": self.venue_symbol, "a": trade.trade_id,
            "p": price_text(trade.price), "q": size_text(trade.size), "f": trade.trade_id, "l": trade.trade_id,
            "T": milliseconds, "m": trade.aggressor_side < 0,
        }  # fmt: skip
        return [written({"stream": f"{self.venue_symbol.lower()}@aggTrade", "data": data})]


class DeribitSpeaker:
    """Deribit: each change names the number of the one before; numbers are JSON numbers."""

    dialect = "venues.deribit:Deribit"
    venue_symbol = "BTC-PERPETUAL"
    depth = 0
    numbered = "id"

    def opened(self) -> list[bytes]:
        """The confirmation."""
        return [b'{"jsonrpc":"2.0","id":1,"result":["book.BTC-PERPETUAL.100ms"],"testnet":false}']

    def book(self, kind: str, now_ns: int, numbers: str, bids: Levels, asks: Levels, action: str) -> bytes:
        """Levels with what becomes of them."""
        listed = [
            "[" + ",".join(f'["{action if size else "delete"}",{price_text(price)},{size_text(size)}]'
                           for price, size in levels) + "]"
            for levels in (bids, asks)
        ]  # fmt: skip
        return (
            f'{{"jsonrpc":"2.0","method":"subscription","params":{{"channel":"book.{self.venue_symbol}.100ms","data":'
            f'{{"timestamp":{now_ns // NANOSECONDS},"type":"{kind}",{numbers},"instrument_name":"{self.venue_symbol}",'
            f'"bids":{listed[0]},"asks":{listed[1]}}}}}}}'
        ).encode()

    def subscribed(self, now_ns: int, update_id: int, number: int, sides: Sides) -> list[bytes]:
        """The snapshot."""
        return [self.book("snapshot", now_ns, f'"change_id":{update_id}', *sides, "new")]

    def changed(self, now_ns: int, event: DepthEvent, change: Change) -> list[bytes]:
        """A change."""
        numbers = f'"change_id":{event.last_update_id},"prev_change_id":{change.before_id}'
        return [self.book("change", now_ns, numbers, event.bids, event.asks, "change")]

    def traded(self, now_ns: int, trade: TradeEvent) -> list[bytes]:
        """A trade."""
        side = "buy" if trade.aggressor_side > 0 else "sell"
        return [
            (
                f'{{"jsonrpc":"2.0","method":"subscription","params":{{"channel":"trades.{self.venue_symbol}.100ms",'
                f'"data":[{{"timestamp":{now_ns // NANOSECONDS},"price":{price_text(trade.price)},"direction":"{side}",'
                f'"trade_id":"{trade.trade_id}","instrument_name":"{self.venue_symbol}","trade_seq":{trade.trade_id},'
                f'"amount":{size_text(trade.size)},"tick_direction":1}}]}}}}'
            ).encode()
        ]

    def snapshot(self, update_id: int, sides: Sides) -> bytes:
        """The order book that an audit asks for."""
        bids, asks = (
            ",".join(f"[{price_text(price)},{size_text(size)}]" for price, size in levels) for levels in sides
        )
        return (
            f'{{"jsonrpc":"2.0","result":{{"timestamp":1,"change_id":{update_id},'
            f'"instrument_name":"{self.venue_symbol}","bids":[{bids}],"asks":[{asks}]}}}}'
        ).encode()

    def corrupted(self, frame: bytes, draw: Random) -> bytes:
        """A byte that no message has."""
        return broken(frame, draw)
