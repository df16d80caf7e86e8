"""What is said on a connection to Bybit: subscriptions in requests that the venue can answer one by one.

An answer names no topic, so each request has its own id. A request with one topic that the venue does not know fails as
a whole: it is sent again in two halves, and so on, until what still fails is one instrument, and that one is refused. A
book is renewed by ending its subscription and, once that was answered, beginning it again; trades and quotes of the
instrument go on, or are asked for again where they were refused, each in a request of its own. A failure that is no
topic's fault, too many requests, ends the connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
import msgspec

from market.dialect import CONFIRMED, DATA, RECONNECT, REFUSED, Conversation

_TOPIC: Final = b'{"topic":'
TOO_MANY_REQUESTS: Final = frozenset((10006, 10018, 20003))
MOST_REMEMBERED: Final = 1_000
"""An answer comes soon after its request: of those without one so many are remembered."""
PING: Final = b'{"req_id":"ping","op":"ping"}'


@attrs.frozen
class _Asked:
    """A request that was not answered yet."""

    operation: str
    topics_by_symbol: dict[str, tuple[str, ...]]
    then: tuple[str, ...] = ()
    """What is subscribed to once this was answered, either way."""


class _Reply(msgspec.Struct):
    """What an answer tells; a frame of data has a topic."""

    topic: str = ""
    op: str = ""
    success: bool | None = None
    ret_msg: str = ""
    req_id: str = ""
    ret_code: int = 0


_replies = msgspec.json.Decoder(_Reply)


class BybitConversation(Conversation):
    """One connection's requests and what became of them."""

    def __init__(self, depth: int, most_topics: int) -> None:
        """Ask for books of this depth, with at most so many topics in a request."""
        super().__init__()
        self._depth = depth
        self._most_topics = most_topics
        self._asked: dict[str, _Asked] = {}
        # The topics of each instrument that were refused, and not confirmed since.
        self._refused: dict[str, set[str]] = {}
        self._requests = 0

    def open(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """Books, trades and best prices of every instrument."""
        return self._batches("subscribe", venue_symbols)

    def close(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """End what `open` began."""
        return self._batches("unsubscribe", venue_symbols)

    def renew(self, venue_symbol: str) -> list[bytes]:
        """End the book's subscription; it is begun again when that was answered, with all that was refused before."""
        topic = self._book(venue_symbol)
        # One that was never answered is forgotten: its answer, should it still come, must not begin the book twice.
        for number in [number for number, asked in self._asked.items() if asked.then == (topic,)]:
            del self._asked[number]
        return [self._request(_Asked("unsubscribe", {venue_symbol: (topic,)}, (topic,)))]

    def hear(self, frame: bytes) -> int:
        """What an answer means; of data only the first bytes are looked at."""
        if frame.startswith(_TOPIC):
            return DATA
        try:
            reply = _replies.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return DATA
        if reply.topic or reply.success is None or reply.op not in ("subscribe", "unsubscribe"):
            return DATA
        self.cause = reply.ret_msg or reply.op
        self.venue_symbol = ""
        if not reply.success and reply.ret_code in TOO_MANY_REQUESTS:
            return RECONNECT
        asked = self._answered(reply)
        if asked is None:
            return DATA
        if asked.then:
            for symbol in asked.topics_by_symbol:
                # One topic that the venue does not have must not take the others with it again.
                lacking = sorted(self._refused.get(symbol, set()).difference(asked.then))
                for topic in (*asked.then, *lacking):
                    self.replies.append(self._request(_Asked("subscribe", {symbol: (topic,)})))
            return DATA
        if reply.success:
            return self._confirm(asked)
        return self._ask_again(asked)

    def sign_of_life(self) -> bytes:
        """What the venue wants to hear every 20 seconds."""
        return PING

    def _confirm(self, asked: _Asked) -> int:
        if asked.operation != "subscribe":
            return DATA
        symbols = list(asked.topics_by_symbol)
        for symbol, topics in asked.topics_by_symbol.items():
            self._refused.get(symbol, set()).difference_update(topics)
        self.cause = ", ".join(topic for topics in asked.topics_by_symbol.values() for topic in topics)
        self.venue_symbol = symbols[0] if len(symbols) == 1 else ""
        return CONFIRMED

    def _ask_again(self, asked: _Asked) -> int:
        """Send a request that failed in two halves, or tell that its one instrument is refused."""
        symbols = list(asked.topics_by_symbol)
        if len(symbols) == 1:
            self.venue_symbol = symbols[0]
            if asked.operation != "subscribe":
                return DATA
            self._refused.setdefault(symbols[0], set()).update(asked.topics_by_symbol[symbols[0]])
            return REFUSED
        middle = len(symbols) // 2
        for half in (symbols[:middle], symbols[middle:]):
            topics = {symbol: asked.topics_by_symbol[symbol] for symbol in half}
            self.replies.append(self._request(_Asked(asked.operation, topics)))
        return DATA

    def _answered(self, reply: _Reply) -> _Asked | None:
        """The request that an answer is for; without an id, the oldest of its kind."""
        if reply.req_id:
            return self._asked.pop(reply.req_id, None)
        for number, asked in self._asked.items():
            if asked.operation == reply.op:
                del self._asked[number]
                return asked
        return None

    def _book(self, symbol: str) -> str:
        return f"orderbook.{self._depth}.{symbol}"

    def _batches(self, operation: str, symbols: Sequence[str]) -> list[bytes]:
        wanted = {symbol: (self._book(symbol), f"publicTrade.{symbol}", f"orderbook.1.{symbol}") for symbol in symbols}
        step = self._most_topics // 3
        names = list(wanted)
        batches = [names[start : start + step] for start in range(0, len(names), step)]
        return [self._request(_Asked(operation, {name: wanted[name] for name in batch})) for batch in batches]

    def _request(self, asked: _Asked) -> bytes:
        self._requests += 1
        number = str(self._requests)
        self._asked[number] = asked
        if len(self._asked) > MOST_REMEMBERED:
            del self._asked[next(iter(self._asked))]
        topics = [topic for topics in asked.topics_by_symbol.values() for topic in topics]
        return msgspec.json.encode({"req_id": number, "op": asked.operation, "args": topics})
