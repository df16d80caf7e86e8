"""Trades that count as told, against a plain ring and a set, whatever numbers a venue gives them."""

from __future__ import annotations

from random import Random

import pytest

from actors.venue_book_notes import MOST_TRADES, TABLE_PLACES, SeenTrades
from tests.seeds import seeds


class Plain:
    """The same rule with the containers of the language."""

    def __init__(self) -> None:
        self.ring: list[int] = []
        self.seen: set[int] = set()
        self.highest = 0

    def is_new(self, trade_id: int) -> bool:
        """Whether it was not told yet."""
        if trade_id == 0:
            return True
        if trade_id <= self.highest and trade_id in self.seen:
            return False
        self.highest = max(self.highest, trade_id)
        self.ring.append(trade_id)
        self.seen.add(trade_id)
        if len(self.ring) > MOST_TRADES:
            self.seen.discard(self.ring.pop(0))
        return True


@pytest.mark.parametrize("step", [1, 3, -1, TABLE_PLACES, 5 * TABLE_PLACES + 1, 1 << 40])
@pytest.mark.parametrize("seed", seeds(2, 50))
def test_trades_are_found_whatever_their_numbers(step: int, seed: int) -> None:
    """Old and new, in order and not, also numbers that share a place in the table, and after a restart."""
    random = Random(seed)
    seen, plain = SeenTrades(), Plain()
    turns = MOST_TRADES + random.randint(100, 3_000)
    for turn in range(turns):
        number = (turn + random.choice((0, 0, 0, -1, -2, -90, 5))) * step
        if random.random() < 0.05:
            number = random.choice(plain.ring or [7])
        assert seen.is_new(number) == plain.is_new(number)
        if turn in (200, MOST_TRADES + 50):
            again = SeenTrades()
            again.load(seen.save())
            assert again.save() == seen.save()
            seen = again
    assert sum(1 for one in seen.table if one != 0) == seen.count == len(plain.ring)
    assert sorted(seen.save()["ring"]) == sorted(plain.ring)  # type: ignore[call-overload]
