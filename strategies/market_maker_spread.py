"""How wide and how far from the fair value one instrument is quoted: the three modes, with what is measured. Compiled.

Everything is in basis points of the fair value, and inventory in quotes of the configured size, so that settings mean
the same for every symbol. The models are the functions of `market/quoting.py` and nothing else; here their answers are
taken apart into what goes into the half spread and what moves both quotes. That is worked out when volatility, arrivals
or inventory change, not with every price; in between a quote costs no logarithm.
"""

from __future__ import annotations

from typing import Final, cast, final

from mypy_extensions import i64

from market.arrivals import ArrivalMeter
from market.quoting import (
    glft_ask_distance,
    glft_bid_distance,
    infinite_reservation_ask,
    infinite_reservation_bid,
    intensity_half_spread,
    natural_discount,
    optimal_spread,
    reservation_price,
)
from market.volatility import VolatilityMeter
from strategies.market_maker_params import AVELLANEDA_STOIKOV, BASE, MarketMakerParams

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
# A return over more time than so many samples is none: the price was not known in between.
LONGEST_RETURN: Final = 10
# A measured decay is within this factor of the configured one.
DECAY_RANGE: Final = 10.0
# However long nobody comes, a measured rate is not below this part of the configured one: the model divides by it.
LEAST_RATE_PART: Final = 1e-6


@final
class Spread:
    """The parts of the half spread, and the skew, of one instrument."""

    def __init__(self, params: MarketMakerParams, fee_bps: float) -> None:
        sample_ns: int = params.volatility_sample_ms * NANOSECONDS_PER_MILLISECOND
        self.volatility: Final = VolatilityMeter(
            params.volatility_half_life_s, sample_ns, max(LONGEST_RETURN * sample_ns, 5_000_000_000)
        )
        self.arrivals: Final = ArrivalMeter(params.arrival_half_life_s)
        self.is_base: Final[bool] = params.mode == BASE
        self.is_avellaneda: Final[bool] = params.mode == AVELLANEDA_STOIKOV
        self.calibrate: Final[bool] = params.calibrate and params.mode != BASE
        self.half_spread_bps: Final[float] = params.half_spread_bps
        self.volatility_factor: Final[float] = params.volatility_factor
        self.skew_bps: Final[float] = params.skew_bps
        self.most_skew: Final[float] = params.skew_bps if params.mode == BASE else params.maximum_skew_bps
        self.most_spread: Final[float] = params.maximum_spread_bps
        self.gamma: Final[float] = params.risk_aversion
        self.horizon_s: Final[float] = params.horizon_s
        self.first_volatility: Final[float] = params.volatility_bps
        self.first_rate: Final[float] = params.arrival_rate
        self.first_decay: Final[float] = params.arrival_decay
        self.least_samples: Final[i64] = params.least_samples
        # What was worked out last, in basis points: parts of the half spread, and how far both quotes move down.
        self.base: float = 0.0
        self.moved: float = 0.0
        self.fee: Final[float] = fee_bps
        self.skew: float = 0.0
        self.sigma: float = params.volatility_bps
        self.decay: float = params.arrival_decay
        self.rate: float = params.arrival_rate

    def half(self) -> float:
        """From the skewed fair value to the best quote."""
        return self.base + self.moved + self.fee

    def measure(self, now_ns: i64) -> None:
        """Take what the meters say."""
        self.sigma = self.volatility.volatility_bps(self.first_volatility, self.least_samples)
        if self.calibrate:
            arrivals = self.arrivals
            arrivals.fade(now_ns)
            decay = arrivals.decay(self.first_decay, self.least_samples)
            decay = min(max(decay, self.first_decay / DECAY_RANGE), self.first_decay * DECAY_RANGE)
            self.decay = decay
            rate = arrivals.rate(decay, self.first_rate, self.least_samples)
            self.rate = max(rate, self.first_rate * LEAST_RATE_PART)

    def work_out(self, inventory: float, most_inventory: float) -> None:
        """Parts and skew for an inventory and the largest one, both in quotes of the configured size."""
        if self.is_base:
            self.base = self.half_spread_bps
            self.moved = self.volatility_factor * self.sigma
            lean = inventory / most_inventory
            self.skew = self.skew_bps * min(max(lean, -1.0), 1.0)
        elif self.is_avellaneda:
            self.base = intensity_half_spread(self.gamma, self.decay)
            self.avellaneda(inventory, most_inventory)
        else:
            self.base = intensity_half_spread(self.gamma, self.decay)
            bid = glft_bid_distance(inventory, self.gamma, self.sigma, self.rate, self.decay)
            ask = glft_ask_distance(inventory, self.gamma, self.sigma, self.rate, self.decay)
            # What the two distances have in common is the half spread; half of what they differ by is the skew.
            self.moved = (bid + ask) / 2.0 - self.base
            self.skew = (bid - ask) / 2.0
        self.skew = min(max(self.skew, -self.most_skew), self.most_skew)
        # The least half spread; what the model asks beyond it is its own.
        self.base = max(self.base, self.half_spread_bps - self.moved)
        self.base = min(self.base, self.most_spread)
        self.moved = min(self.moved, self.most_spread - self.base)

    def avellaneda(self, inventory: float, most_inventory: float) -> None:
        """Half the risk part of the spread, and how far the reservation price is below the fair value."""
        gamma = self.gamma
        if self.horizon_s > 0.0:
            self.moved = optimal_spread(gamma, self.sigma, self.horizon_s, self.decay) / 2.0 - self.base
            self.skew = -reservation_price(0.0, inventory, gamma, self.sigma, self.horizon_s)
            return
        # The volatility cancels with this discount; so it is left out, and one of 0 is no special case.
        discount = natural_discount(gamma, 1.0, most_inventory)
        # At the largest inventory one of the two is infinite; just before it both are as good as that.
        held = min(max(inventory, -most_inventory), most_inventory) * 0.999
        bid = infinite_reservation_bid(0.0, held, gamma, 1.0, discount)
        ask = infinite_reservation_ask(0.0, held, gamma, 1.0, discount)
        self.moved = (ask - bid) / 2.0
        self.skew = -(ask + bid) / 2.0

    def save(self) -> list[object]:
        """What was measured and worked out."""
        return [
            self.volatility.save(), self.arrivals.save(), self.base, self.moved, self.skew, self.sigma, self.decay,
            self.rate,
        ]  # fmt: skip

    def load(self, state: list[object]) -> None:
        """Take back what `save` gave."""
        self.volatility.load(cast("list[object]", state[0]))
        self.arrivals.load(cast("list[object]", state[1]))
        self.base = cast(float, state[2])
        self.moved = cast(float, state[3])
        self.skew = cast(float, state[4])
        self.sigma = cast(float, state[5])
        self.decay = cast(float, state[6])
        self.rate = cast(float, state[7])
