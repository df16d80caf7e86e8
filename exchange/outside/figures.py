"""What several protocols tell in their own words: exact numbers without padding, RFC 3339 times, the last 24 hours.

Nothing here passes through a float, and nothing knows a venue, a socket or a client.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from exchange.outside.books import Market
from market.messages import PublicTrade
from market.numbers import format_decimal_short

SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND_NS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def short(value: int, scale: int) -> str:
    """A scaled integer without trailing zeros, and without a point where it is whole."""
    return format_decimal_short(value, scale)


def moment(time_ns: int) -> datetime:
    """A time, down to its second."""
    return _EPOCH + timedelta(seconds=time_ns // SECOND_NS)


def time_text(time_ns: int) -> str:
    """RFC 3339 with six decimal places, always."""
    return f"{moment(time_ns):%Y-%m-%dT%H:%M:%S}.{time_ns % SECOND_NS // 1_000:06d}Z"


def short_time_text(time_ns: int, places: int = 9) -> str:
    """RFC 3339 with as many decimal places as it takes, at most so many."""
    fraction = f"{time_ns % SECOND_NS:09d}"[:places].rstrip("0")
    return f"{moment(time_ns):%Y-%m-%dT%H:%M:%S}{'.' if fraction else ''}{fraction}Z"


class DayFigures:
    """The last 24 hours of a market, as scaled integers; zeros where nothing has traded."""

    def __init__(self, market: Market, now_ns: int) -> None:
        ticker = market.ticker
        trades: list[PublicTrade] = [one for one in market.trades if one.venue_ns > now_ns - DAY_NS]
        instrument = market.instrument
        self.price_scale: int = instrument.price_scale
        self.size_scale: int = instrument.size_scale
        self.count = len(trades)
        self.last: int = trades[-1].price if trades else 0
        self.last_size: int = trades[-1].size if trades else 0
        self.open: int = trades[0].price if trades else 0
        self.high: int = max((one.price for one in trades), default=0)
        self.low: int = min((one.price for one in trades), default=0)
        self.volume: int = sum(one.size for one in trades)
        self.turnover: int = sum(int(one.price) * int(one.size) for one in trades)
        if ticker is not None:
            # The exchange's own figures reach further back than the trades that are kept.
            self.last, self.open = self.last or ticker.last_price, ticker.open_price
            self.high, self.low = max(self.high, ticker.high_price), ticker.low_price
            self.volume, self.turnover = ticker.volume, ticker.turnover

    @property
    def average(self) -> int:
        """The price weighted by volume, rounded down."""
        return self.turnover // self.volume if self.volume else 0

    def change_percent(self, places: int) -> str:
        """The change from the first to the last price in percent, rounded towards zero, without padding."""
        if self.open == 0:
            return "0"
        change = self.last - self.open
        rounded = abs(change) * 100 * 10**places // self.open
        return short(-rounded if change < 0 else rounded, places)
