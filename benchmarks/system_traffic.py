"""Traffic of three venues at once, as it was received: what the figures of the whole system are fed with.

Binance's spot, USD-M and COIN-M markets in bitcoin were recorded in the same minutes (8 August 2024, from 23:54:16
UTC), byte for byte: three dialects, three books with rules of their own, depth, best prices and trades in the order
in which they came. Nothing is changed. Where there are no recordings three simulated markets, drawn from named seeds,
speak as Binance's spot market does.
"""

from __future__ import annotations

import gzip
from functools import cache
from typing import Final

import attrs

from actors.venue_book_params import load_dialect
from benchmarks.recordings import recording
from market.instruments import Instrument, InstrumentTable
from market.messages import FRAME_SNAPSHOT, FRAME_STREAM, RawFrame
from venues.binance import BinanceSpot
from venues.framing import frames_of
from venues.simulated import Line
from venues.simulated_market import MarketShape, SimulatedMarket

FOLDER: Final = "binance_hftbacktest/dev"
NAMES: Final = ("spot_btcusdt_20240808.gz", "usdm_btcusdt_20240808.gz", "cm_btcusd_perp_20240808.gz")
SEEDED_STEPS: Final = 15_000
SEEDED_START_NS: Final = 1_723_161_256_000_000_000
SEEDED_STEP_NS: Final = 7_000_000
_SNAPSHOT: Final = b'{"lastUpdateId"'


@attrs.frozen
class Market:
    """One of the three: its instrument and who reads its frames."""

    instrument: Instrument
    dialect: str

    @property
    def connection_id(self) -> int:
        """The connection that its frames come over: one for each market, numbered like its instrument."""
        return self.instrument.instrument_id


@attrs.frozen
class Traffic:
    """The frames of all markets in the order of their receipt, and where they come from."""

    markets: tuple[Market, ...]
    frames: tuple[RawFrame, ...]
    source: str

    def table(self) -> InstrumentTable:
        """The instruments as a system has them."""
        return InstrumentTable([market.instrument for market in self.markets])


@cache
def traffic() -> Traffic:
    """The recorded traffic, or the seeded one."""
    return recorded() or seeded()


def recorded() -> Traffic | None:
    """What was recorded, from the moment at which all three recordings run; None without the recordings."""
    markets = recorded_markets()
    rows: list[tuple[int, int, RawFrame]] = []
    begin_ns = 0
    for market, name in zip(markets, NAMES, strict=True):
        path = recording(f"{FOLDER}/{name}")
        if path is None:
            return None
        connection_id = market.connection_id
        dialect = load_dialect(market.dialect)
        with gzip.open(path, "rb") as lines:
            for number, line in enumerate(lines):
                time, _, data = line.rstrip().partition(b" ")
                receive_ns = int(time)
                if number == 0:
                    begin_ns = max(begin_ns, receive_ns)
                is_snapshot = data.startswith(_SNAPSHOT)
                kind = FRAME_SNAPSHOT if is_snapshot else FRAME_STREAM
                instrument_id = market.instrument.instrument_id if is_snapshot else 0
                pieces = frames_of(dialect, connection_id, kind, instrument_id, receive_ns, data)
                rows += [(receive_ns, connection_id, piece) for piece in pieces]
    rows.sort(key=lambda row: row[:2])
    # The books need every change since their snapshot, so the frames before the common beginning stay.
    frames = tuple(frame for _, _, frame in rows)
    seconds = (rows[-1][0] - begin_ns) / 1e9
    told = f"{len(frames):,} recorded frames of Binance spot, USD-M and COIN-M, the same {seconds:.0f} s"
    return Traffic(markets, frames, told)


def recorded_markets() -> tuple[Market, ...]:
    """The instruments of the recordings.

    Ticks and lots are the venue's. The shipped market maker quotes linear instruments, so COIN-M's contract of 100
    dollars is declared as what it was worth in those minutes, 0.0016 bitcoin. The two perpetuals bear one symbol and
    make one position; spot, whose price stood 20 dollars above theirs, makes its own. Spot's sizes are finer than its
    lot: of orders made when the lot was smaller.
    """
    spot = declared(1, "binance", "BTCUSDT", tick="0.01", lot="0.00001", kind="spot", size_scale=8)
    linear = declared(2, "binance_usdm", "BTCUSDT", tick="0.1", lot="0.001")
    inverse = declared(3, "binance_coinm", "BTCUSD_PERP", tick="0.1", lot="1", multiplier="0.0016")
    return (
        Market(spot, "venues.binance:BinanceSpot"),
        Market(linear, "venues.binance_futures:BinanceUsdm"),
        Market(inverse, "venues.binance_futures:BinanceCoinm"),
    )


def declared(
    number: int, venue: str, venue_symbol: str, *, tick: str, lot: str, kind: str = "perpetual", multiplier: str = "1",
    size_scale: int | None = None,
) -> Instrument:  # fmt: skip
    """An instrument in bitcoin, with the fees of the shipped ones."""
    symbol = "BTC/USDT" if kind == "spot" else "BTC/USDT:USDT"
    return Instrument.from_text(
        instrument_id=number, symbol=symbol, venue=venue, venue_symbol=venue_symbol, base="BTC", quote="USDT",
        kind=kind, tick=tick, lot=lot, minimum_size=lot, minimum_notional="0", maker_fee_bps="0", taker_fee_bps="10",
        multiplier=multiplier, size_scale=size_scale,
    )  # fmt: skip


def seeded() -> Traffic:
    """Three simulated markets in one symbol."""
    markets = tuple(
        Market(
            declared(number, f"binance-{number}", "BTCUSDT", tick="0.01", lot="0.00001", kind="spot"),
            "venues.binance:BinanceSpot",
        )
        for number in (1, 2, 3)
    )
    lines = [
        Line(
            market.connection_id,
            SimulatedMarket(market.connection_id, MarketShape(6_000_000, 60, 1)),
            BinanceSpot().encoder("BTCUSDT", 2, 5),
        )
        for market in markets
    ]
    frames: list[RawFrame] = []
    for step in range(SEEDED_STEPS):
        now_ns = SEEDED_START_NS + step * SEEDED_STEP_NS
        for number, line in enumerate(lines, start=1):
            if step == 1:
                frames += frames_of(BinanceSpot(), number, FRAME_SNAPSHOT, number, now_ns, line.snapshot())
            frames += [RawFrame(number, FRAME_STREAM, 0, now_ns, data) for data in line.step(now_ns)]
    return Traffic(markets, tuple(frames), f"{len(frames):,} frames of three simulated markets, seeds 1 to 3")
