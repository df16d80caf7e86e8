"""A market as Kraken's WebSocket v2 would tell of it, from a seed: a snapshot and changes of a book of limited depth.

The whole book is kept as plain dicts, many levels deep, and only what happens within the depth is told. As at the
venue, a level that falls out of the depth is not told of, one that comes into it is, and the checksum is that of the
documents, made of text. It shares nothing with the decoder, so that both can be tested against each other.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from market.messages.constants import BUY, SELL

MIDDLE: Final = 856_000
PRICE_PLACES: Final = 1
SIZE_PLACES: Final = 8
CHECKED_LEVELS: Final = 10
SYMBOL: Final = "BTC/USD"
BEGIN: Final = datetime(2026, 10, 6, 8, 4, 56, tzinfo=UTC)

Levels = list[tuple[int, int]]


class KrakenMarket:
    """See the head of this file. Prices and sizes are integers of `PRICE_PLACES` and `SIZE_PLACES`."""

    def __init__(self, seed: int, depth: int, levels: int = 0, checksums: bool = True) -> None:
        """Begin with so many levels a side, twice the depth unless told otherwise."""
        self._random = Random(seed)
        self.depth = depth
        self._checksums = checksums
        self._frames = 0
        self._sides: dict[int, dict[int, int]] = {
            side: {MIDDLE - side * (3 * level + 2): self._size() for level in range(levels or 2 * depth)}
            for side in (BUY, SELL)
        }
        self._told = {side: self.top(side) for side in (BUY, SELL)}

    def top(self, side: int) -> Levels:
        """The levels of a side within the depth, best first."""
        held = self._sides[side]
        return [(price, held[price]) for price in sorted(held, reverse=side == BUY)[: self.depth]]

    def snapshot(self) -> bytes:
        """The whole book, as far as it is told."""
        return self._frame("snapshot", self._told[BUY], self._told[SELL])

    def change(self, levels: int) -> bytes:
        """Let as many levels of a side change, and tell what of it can be seen: about as many again, or fewer."""
        changes = {side: self._change_side(side, levels) for side in (BUY, SELL)}
        return self._frame("update", changes[BUY], changes[SELL])

    def _change_side(self, side: int, levels: int) -> Levels:
        random, held = self._random, self._sides[side]
        order = sorted(held, reverse=side == BUY)
        for _ in range(levels):
            place = min(int(10 ** random.uniform(0, 2)), len(order)) - 1
            kind = random.random()
            price = order[place] if order else MIDDLE - side * 2
            if kind < 0.35 and len(held) > 2:
                held.pop(price, None)
            elif kind < 0.6:
                held[price] = self._size()
            else:
                held[min(price - side, MIDDLE - 1) if side == BUY else max(price - side, MIDDLE + 1)] = self._size()
        before, now = dict(self._told[side]), self.top(side)
        self._told[side] = now
        gone = [(price, 0) for price in before if price not in held]
        return gone + [(price, size) for price, size in now if before.get(price) != size]

    def _size(self) -> int:
        size = self._random.randrange(1, 3 * 10**8)
        return size - size % self._random.choice((1, 1, 1, 1, 10, 1_000, 100_000)) or 1

    def checksum(self) -> int:
        """That of what was told last, as the documents say."""
        text = "".join(
            str(price) + str(size) for side in (SELL, BUY) for price, size in self._told[side][:CHECKED_LEVELS]
        )
        return zlib.crc32(text.encode())

    def _frame(self, kind: str, bids: Levels, asks: Levels) -> bytes:
        self._frames += 1
        moment = (BEGIN + timedelta(microseconds=self._frames * 1_037)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        checksum = f',"checksum":{self.checksum()}' if self._checksums else ""
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{SYMBOL}","bids":{_listed(bids)},'
            f'"asks":{_listed(asks)}{checksum},"timestamp":"{moment}"}}]}}'
        ).encode()


def _listed(levels: Levels) -> str:
    written = [f'{{"price":{_plain(price, PRICE_PLACES)},"qty":{_plain(size, SIZE_PLACES)}}}' for price, size in levels]
    return f"[{','.join(written)}]"


def _plain(value: int, places: int) -> str:
    """A JSON number without the zeros that say nothing."""
    whole, below = divmod(value, 10**places)
    fraction = f"{below:0{places}d}".rstrip("0")
    return f"{whole}.{fraction}" if fraction else str(whole)
