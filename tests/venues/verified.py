"""The recordings of real venues that are verified, and what another implementation counted in some of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path

import attrs

from tests.data import recordings
from venues.facts import Venue
from venues.recording_survey import Survey, read_all, survey
from venues.recordings import Record
from venues.registry import venue_named
from venues.verification import Verification
from venues.verified import Report

HFTBACKTEST = "binance_hftbacktest/dev/"
CRYPTOFEED = "cryptofeed/dev/"


@attrs.frozen
class Recorded:
    """Files of one venue that continue each other, and by which name another implementation counted them."""

    venue: str
    files: tuple[str, ...]
    counted_as: str = ""
    # Best bid and ask messages that were at an update id of the book, where the venue numbers them.
    top_agreed: int = 0
    # Trades that the venue repeats when they are subscribed to: the other implementation counted them as well.
    old_trades: int = 0

    def __str__(self) -> str:
        """What a test is called by."""
        return f"{self.venue}-{Path(self.files[0]).name.partition('.')[0]}"

    def paths(self) -> list[Path]:
        """Where the files are; skips the calling test where there are none."""
        return [recordings() / name for name in self.files]


RECORDED = (
    Recorded("binance", (HFTBACKTEST + "spot_btcusdt_20240808.gz", HFTBACKTEST + "spot_btcusdt_20240809.gz"), "", 1071),
    Recorded("binance", (CRYPTOFEED + "BINANCE.jsonl.zst",), "BINANCE", 26),
    Recorded("binance", (CRYPTOFEED + "BINANCE_US.jsonl.zst",), "BINANCE_US", 57),
    Recorded(
        "binance_usdm",
        (HFTBACKTEST + "usdm_btcusdt_20230404.dat.gz", HFTBACKTEST + "usdm_btcusdt_20230405.dat.gz"), "", 1565,
    ),
    Recorded("binance_usdm", (HFTBACKTEST + "usdm_btcusdt_20240808.gz",), "", 629),
    Recorded("binance_usdm", (CRYPTOFEED + "BINANCE_FUTURES.jsonl.zst",), "BINANCE_FUTURES", 50),
    Recorded(
        "binance_coinm",
        (HFTBACKTEST + "cm_btcusd_perp_20240808.gz", HFTBACKTEST + "cm_btcusd_perp_20240809.gz"), "", 1,
    ),
    Recorded("binance_coinm", (CRYPTOFEED + "BINANCE_DELIVERY.jsonl.zst",), "BINANCE_DELIVERY", 1),
    Recorded("coinbase", (CRYPTOFEED + "COINBASE.first12s.jsonl.zst",)),
    Recorded("kraken_v1", (CRYPTOFEED + "KRAKEN.jsonl.zst",), "KRAKEN"),
    Recorded("bybit", (CRYPTOFEED + "BYBIT.first20s.jsonl.zst",)),
    Recorded("bybit_linear", (CRYPTOFEED + "BYBIT.first20s.jsonl.zst",)),
    Recorded("okx", (CRYPTOFEED + "OKX.jsonl.zst",), "OKX"),
    Recorded("bitfinex", (CRYPTOFEED + "BITFINEX.jsonl.zst",), "BITFINEX", 0, 210),
    Recorded("deribit", (CRYPTOFEED + "DERIBIT.jsonl.zst",), "DERIBIT"),
)  # fmt: skip


@cache
def surveyed(recorded: Recorded) -> tuple[Venue, Survey]:
    """The venue, for the depth that was subscribed to, and what the files hold."""
    venue = venue_named(recorded.venue)
    found = survey(venue, recorded.paths())
    return (venue_named(recorded.venue, found.depth) if found.depth else venue), found


def records_of(recorded: Recorded, most: int | None = None) -> Iterator[tuple[Path, Record]]:
    """The records, so many of them."""
    return islice(read_all(recorded.paths()), most)


def verified(recorded: Recorded, most: int | None = None) -> Report:
    """The report over so many records."""
    venue, found = surveyed(recorded)
    verification = Verification(venue, found, recorded.paths())
    for path, record in records_of(recorded, most):
        verification.take(path, record)
    return verification.finish()


def counted_elsewhere(recorded: Recorded) -> dict[str, int]:
    """What another implementation counted."""
    text = (recordings() / CRYPTOFEED / "expected_counts.json").read_text(encoding="utf-8")
    counts = json.loads(text)[recorded.counted_as]
    assert isinstance(counts, dict)
    return counts
