"""Tries a venue: connects, subscribes to one instrument, waits for its first frame, and asks for a book by request.

Everything that can go wrong on the way is words in the result, never an exception.
"""

from __future__ import annotations

from typing import Final

import attrs
import trio

from market.dialect import FOR_ONE, REFUSED, Conversation
from venues.budgets import RateBudget
from venues.dialing import DialFailed, Dialing
from venues.facts import Venue
from venues.http import HttpClient, HttpOptions, RequestFailed
from venues.transport import MessageStream, StreamOptions, TransportError, open_stream

NANOSECONDS: Final = 1_000_000_000
# A small book, which costs a venue little.
_LEVELS: Final = 5

# What everybody trades there.
USUAL_SYMBOLS: Final[dict[str, str]] = {
    "binance": "BTCUSDT",
    "binance_usdm": "BTCUSDT",
    "binance_coinm": "BTCUSD_PERP",
    "coinbase": "BTC-USD",
    "kraken": "BTC/USD",
    "kraken_v1": "XBT/USD",
    "bybit": "BTCUSDT",
    "bybit_linear": "BTCUSDT",
    "okx": "BTC-USDT",
    "bitfinex": "tBTCUSD",
    "deribit": "BTC-PERPETUAL",
}


@attrs.define(kw_only=True)
class ProbeResult:
    """What became of one venue. Times are from the beginning of each part; 0 for what did not come to be."""

    venue: str
    symbol: str
    connected_ns: int = 0
    first_data_ns: int = 0
    first_message: str = ""
    answered_ns: int = 0
    failures: list[str] = attrs.field(factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything that was tried worked."""
        return not self.failures


async def probe(
    venue: Venue, symbol: str, timeout_s: float, url: str = "", rest_url: str = "", dialing: Dialing | None = None
) -> ProbeResult:
    """Try one venue, its stream and its requests at the same time."""
    result = ProbeResult(venue=venue.venue, symbol=symbol)
    how = dialing or Dialing(timeout_s=timeout_s)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_try_stream, venue, result, timeout_s, url, how)
        nursery.start_soon(_try_request, venue, result, timeout_s, rest_url, how)
    return result


def _now_ns() -> int:
    return int(trio.current_time() * NANOSECONDS)


def _since(began_ns: int) -> int:
    """How long it took; at least a nanosecond, for 0 says that it never came to be."""
    return max(1, _now_ns() - began_ns)


async def _try_stream(venue: Venue, result: ProbeResult, timeout_s: float, url: str, dialing: Dialing) -> None:
    route = venue.routes[0]
    address = venue.route_url(route, [result.symbol], url)
    options = StreamOptions(dialing=dialing, compression=venue.facts.compression, handshake_s=timeout_s)
    began_ns = _now_ns()
    try:
        with trio.fail_after(timeout_s):
            async with open_stream(address, options, _now_ns) as stream:
                result.connected_ns = _since(began_ns)
                await _hear_first(venue, result, stream, venue.route_conversation(route), began_ns)
    except (DialFailed, TransportError) as error:
        result.failures.append(f"stream: {error}")
    except trio.TooSlowError:
        what = "no frame of it" if result.connected_ns else "no connection"
        result.failures.append(f"stream: {what} in {timeout_s:g} s")


async def _hear_first(
    venue: Venue, result: ProbeResult, stream: MessageStream, conversation: Conversation, began_ns: int
) -> None:
    """Subscribe, and read until a frame is of the instrument, or the venue refuses."""
    router = venue.router()
    for text in conversation.open([result.symbol]):
        await stream.send(text)
    while True:
        _, frames = await stream.read()
        for frame in frames:
            meaning = conversation.hear(frame)
            if meaning == REFUSED:
                result.failures.append(f"stream: refused: {conversation.cause}")
                return
            if router.route(frame) == FOR_ONE and router.symbol == result.symbol:
                result.first_data_ns = _since(began_ns)
                result.first_message = venue.message_type(frame)
                return
        for text in conversation.replies:
            await stream.send(text)
        conversation.replies.clear()


async def _try_request(venue: Venue, result: ProbeResult, timeout_s: float, rest_url: str, dialing: Dialing) -> None:
    path = venue.snapshot_path(result.symbol, _LEVELS) or venue.audit_path(result.symbol)
    if not path:
        return
    facts = venue.facts
    budget = RateBudget(facts.rest_weight, facts.rest_per_s)
    client = HttpClient(rest_url or facts.rest_url, budget, HttpOptions(dialing=dialing, timeout_s=timeout_s))
    began_ns = _now_ns()
    try:
        await client.get(path)
        result.answered_ns = _since(began_ns)
    except RequestFailed as error:
        result.failures.append(f"request: {error}")
    finally:
        await client.aclose()
