"""The settings of `MarketAgents`, read from `[actors.NAME.params]`, and the agents that are made from them.

They stand in a module of their own because the agents are compiled and settings are not. `docs/simulated-market.md`
says what each does to the market. Amounts are decimal text and become integers here, once.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from exchange.agent_base import MILLISECOND_NS, SECOND_NS, Agent, AgentsError, Desk, Sight
from exchange.agent_crowd import Crowd
from exchange.agent_maker import Maker, MakerTemper
from exchange.agent_takers import Follower, Informed
from exchange.chance import key_of
from exchange.latent import LatentPrice, LatentSettings, Wander, seed_of
from market.instruments import Instrument
from runtime.config.errors import RuleBroken
from runtime.config.rules import DecimalText, between, decimal, each, setting

PPM = 1_000_000
MILLI = 1_000
# What the agents of one instrument have draws for, beside the hidden price.
VENUE_ERROR = 1
AGENT_ERROR = 2
AGENT_CHANCE = 3
# How much later each maker sees the price than the one before, and how much wider it stands, in thousandths of a step.
LATER_NS = 15 * MILLISECOND_NS
WIDER_PERMILLE = 1_500
AGENT_ERROR_NS = 4 * SECOND_NS


@attrs.frozen(kw_only=True)
class LatentParams:
    """The hidden price. Exchanges that give the same settings here share it."""

    seed: int = setting("Its seed; the symbol is mixed in.", default=1, rule=between(0, 2**62))
    anchor_s: int = setting(
        "When it stands at its initial price, in seconds since 1970.",
        default=1_767_225_600, rule=between(0, 4 * 10**9), unit="s",
    )  # fmt: skip
    calm_ppm: int = setting(
        "Volatility when calm, in the square root of a second.", default=50, rule=between(0, 10_000), unit="ppm"
    )
    normal_ppm: int = setting("Volatility as a rule.", default=100, rule=between(0, 10_000), unit="ppm")
    wild_ppm: int = setting("Volatility when wild.", default=300, rule=between(0, 10_000), unit="ppm")
    calm_seconds: int = setting("Mean length of a calm stretch.", default=480, rule=between(3, 10**6), unit="s")
    normal_seconds: int = setting("Mean length of a normal one.", default=300, rule=between(3, 10**6), unit="s")
    wild_seconds: int = setting("Mean length of a wild one.", default=40, rule=between(3, 10**6), unit="s")
    wild_percent: int = setting(
        "Share of normal stretches that turn wild rather than calm.", default=30, rule=between(0, 100), unit="%"
    )
    jumps_an_hour: int = setting("Mean number of jumps.", default=6, rule=between(0, 1_000))
    jump_ppm: int = setting("Least size of a jump.", default=300, rule=between(0, 10_000), unit="ppm")

    def settings(self) -> LatentSettings:
        """The same for the compiled side."""
        return LatentSettings(
            self.calm_ppm, self.normal_ppm, self.wild_ppm, self.calm_seconds, self.normal_seconds, self.wild_seconds,
            self.wild_percent, self.jumps_an_hour, self.jump_ppm,
        )  # fmt: skip


@attrs.frozen(kw_only=True)
class MarketAgentsParams:
    """Settings of `MarketAgents`."""

    exchange_id: int = setting("The exchange that they trade at.", default=1, rule=between(1, 2**31))
    session_id: int = setting("The session that they trade in.", default=-1, rule=between(-(2**62), -1))
    first_account_id: int = setting(
        "Their accounts are this and the next ones: makers, crowd, informed, followers.", rule=between(1, 2**61)
    )
    initial_prices: Mapping[str, DecimalText] = setting(
        "The hidden price at the anchor, by symbol.", rule=each(decimal(above_zero=True)), unit="quote"
    )
    latent: LatentParams = setting("The hidden price.", factory=LatentParams)
    seed: int = setting("Seed of the agents and of this exchange's error.", default=1, rule=between(0, 2**62))
    messages_per_second: int = setting(
        "About so many orders, changes and cancels of all instruments together.",
        default=500, rule=between(1, 20_000),
    )  # fmt: skip
    lag_ms: int = setting(
        "How late this exchange follows the hidden price.", default=0, rule=between(0, 2_000), unit="ms"
    )
    error_ppm: int = setting(
        "How far this exchange wanders off the hidden price.", default=50, rule=between(0, 10_000), unit="ppm"
    )
    error_seconds: int = setting("How slowly it wanders.", default=20, rule=between(1, 10_000), unit="s")
    typical_notional: DecimalText = setting(
        "A usual order, in quote.", default=DecimalText("500"), rule=decimal(above_zero=True), unit="quote"
    )
    step_ppm: int = setting(
        "Agents' prices are multiples of about this share of the price, of one tick at least.",
        default=20, rule=between(1, 10_000), unit="ppm",
    )  # fmt: skip
    half_spread_permille: int = setting(
        "Half of the spread of the tightest maker, in thousandths of a step, in a market that stands still.",
        default=2_000, rule=between(0, 100_000),
    )  # fmt: skip
    most_held_orders: int = setting(
        "What an agent holds at most, bought or sold, in usual orders.", default=200, rule=between(10, 1_000_000)
    )
    makers: int = setting("Market makers.", default=4, rule=between(1, 50))
    maker_levels: int = setting("Levels that each quotes on a side.", default=6, rule=between(1, 50))
    informed: int = setting("Informed traders.", default=2, rule=between(0, 50))
    followers: int = setting("Trend followers.", default=3, rule=between(0, 50))
    maker_percent: int = setting("Share of the messages of makers.", default=50, rule=between(1, 100), unit="%")
    market_percent: int = setting(
        "Share of the messages of market orders of the crowd.", default=2, rule=between(0, 100), unit="%"
    )
    informed_percent: int = setting(
        "How often the informed look at the book, as a share of the messages.",
        default=8, rule=between(0, 100), unit="%",
    )  # fmt: skip
    follower_percent: int = setting(
        "How often the followers look, as a share of the messages.", default=2, rule=between(0, 100), unit="%"
    )
    resting_orders: int = setting(
        "So many orders of the crowd rest in each book.", default=300, rule=between(10, 100_000)
    )

    def __attrs_post_init__(self) -> None:
        """The shares leave something for the limit orders of the crowd."""
        if self.crowd_percent < 1:
            raise RuleBroken(
                "shares that leave at least 1 % for the limit orders of the crowd",
                "lower maker_percent, market_percent, informed_percent or follower_percent",
                key=("maker_percent",), value=str(self.maker_percent),
            )  # fmt: skip

    @property
    def crowd_percent(self) -> int:
        """What the others leave for limit orders of the crowd and their cancels."""
        return 100 - self.maker_percent - self.market_percent - self.informed_percent - self.follower_percent

    @property
    def account_ids(self) -> list[int]:
        """The accounts that they trade with, which the exchange has to have."""
        count = self.makers + 1 + self.informed + self.followers
        return list(range(self.first_account_id, self.first_account_id + count))


def make_sight(params: MarketAgentsParams, instrument: Instrument) -> Sight:
    """What the agents of an instrument see, and the hidden price that they look at."""
    initial = _initial(params, instrument)
    latent = LatentPrice(
        seed_of(params.latent.seed, instrument.symbol), params.latent.anchor_s * SECOND_NS, initial,
        params.latent.settings(),
    )  # fmt: skip
    key = key_of(seed_of(params.seed, instrument.symbol), VENUE_ERROR)
    wander = Wander(key, params.error_ppm, params.error_seconds * SECOND_NS)
    step = round_step(initial * params.step_ppm // PPM, instrument.tick)
    # The price may halve before an order of the least size is below what the exchange takes.
    least = max(instrument.minimum_size, 2 * instrument.minimum_notional // initial)
    least_lots = -(-least // instrument.lot)
    return Sight(
        instrument.instrument_id, step, instrument.lot, least_lots, latent, wander, params.lag_ms * MILLISECOND_NS
    )


def make_agents(
    params: MarketAgentsParams, instrument: Instrument, sight: Sight, desk: Desk, first_number: int, instruments: int
) -> list[Agent]:
    """The agents of one instrument, in the order of their accounts."""
    seed = seed_of(params.seed, instrument.symbol)
    chances = key_of(seed, AGENT_CHANCE)
    errors = key_of(seed, AGENT_ERROR)
    lots = _usual_lots(params, instrument, sight.latent.initial)
    most_held = lots * params.most_held_orders * instrument.lot
    # Messages in a thousand seconds, of this instrument; a hundredth of them.
    rate = params.messages_per_second * MILLI // instruments
    agents: list[Agent] = []

    def place() -> tuple[int, int, int]:
        index = len(agents)
        return first_number + index, params.first_account_id + index, key_of(chances, index)

    weights = params.makers * (params.makers + 1) // 2
    for index in range(params.makers):
        temper = MakerTemper(
            params.maker_levels, params.half_spread_permille + index * WIDER_PERMILLE, lots * (3 + index),
            index * LATER_NS, max(1, rate * params.maker_percent * (params.makers - index) // weights // 100),
            index % 2 == 0,
        )  # fmt: skip
        amiss = Wander(key_of(errors, index), params.step_ppm // 2, AGENT_ERROR_NS)
        agents.append(Maker(*place(), sight, desk, most_held, amiss, temper))
    agents.append(
        Crowd(
            *place(), sight, desk, most_held, lots, max(1, rate * params.crowd_percent // 200),
            rate * params.market_percent // 100, params.resting_orders,
        )
    )  # fmt: skip
    for index in range(params.informed):
        turns = max(1, rate * params.informed_percent // params.informed // 100)
        agents.append(Informed(*place(), sight, desk, most_held, lots, turns, 1_500 + 500 * index))
    for index in range(params.followers):
        turns = max(1, rate * params.follower_percent // params.followers // 100)
        agents.append(Follower(*place(), sight, desk, most_held // 4, lots, turns, 2_000 + 1_000 * index))
    return agents


def round_step(wanted: int, tick: int) -> int:
    """One, two or five times a power of ten ticks, as much as is wanted at most, but a tick at least."""
    step = tick
    factors = (2, 5, 10)
    power = tick
    while True:
        for factor in factors:
            if power * factor > wanted:
                return step
            step = power * factor
        power *= 10


def _initial(params: MarketAgentsParams, instrument: Instrument) -> int:
    text = params.initial_prices.get(instrument.symbol)
    if text is None:
        known = ", ".join(params.initial_prices) or "nothing"
        raise AgentsError(
            f"params.initial_prices: no price for {instrument.symbol}, only for {known}: add one"
        )
    return instrument.parse_price(text)


def _usual_lots(params: MarketAgentsParams, instrument: Instrument, initial: int) -> int:
    whole, _, fraction = params.typical_notional.partition(".")
    scale = instrument.price_scale + instrument.size_scale
    notional = int(whole + fraction[:scale].ljust(scale, "0"))
    return max(1, notional // initial // instrument.lot)
