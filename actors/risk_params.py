"""The settings of `Risk`. They stand in a module of their own because the actor is compiled."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from runtime.config.errors import RuleBroken
from runtime.config.rules import DecimalText, Rule, between, decimal, each, setting, text_of


def or_none(rule: Rule) -> Rule:
    """A rule for a limit that may be left out."""
    return Rule(f"{rule.expected}, or left out", lambda value: value is None or rule.holds(value), rule.remedy)


ABOVE_ZERO = or_none(decimal(above_zero=True))
TIME_OF_DAY = Rule('a time such as "00:00"', lambda text: minutes_of(text) >= 0)
OFFSET = Rule('an offset such as "+01:00" or "-05:00"', lambda text: minutes_of(text[1:]) >= 0 and text[0] in "+-")


@attrs.frozen(kw_only=True)
class InstrumentLimits:
    """Limits of one symbol that stand in place of those for all; what is left out is as for all."""

    maximum_order_size: DecimalText | None = setting(
        "Largest size of one order.",
        default=None, rule=ABOVE_ZERO, unit="base",
    )  # fmt: skip
    maximum_order_notional: DecimalText | None = setting(
        "Largest price times size of one order.",
        default=None, rule=ABOVE_ZERO, unit="quote",
    )  # fmt: skip
    maximum_position: DecimalText | None = setting(
        "Largest position at one venue.",
        default=None, rule=ABOVE_ZERO, unit="base",
    )  # fmt: skip
    maximum_group_position: DecimalText | None = setting(
        "Largest position over all venues together.",
        default=None, rule=ABOVE_ZERO, unit="base",
    )  # fmt: skip


@attrs.frozen(kw_only=True)
class RiskParams:
    """Settings of `Risk`. Sizes are in base, amounts of one order in quote, all other amounts in `currency`."""

    maximum_order_size: DecimalText = setting(
        "Largest size of one order.", rule=decimal(above_zero=True), unit="base", reload=True
    )
    maximum_order_notional: DecimalText = setting(
        "Largest price times size of one order.", rule=decimal(above_zero=True), unit="quote", reload=True
    )
    collar_bps: int = setting(
        "A limit price may be this far from the mid of its own book.",
        default=100, rule=between(1, 10_000), unit="bps", reload=True,
    )  # fmt: skip
    fair_collar_bps: int = setting(
        "A limit price may be this far from the fair value, and without one nothing passes; 0 is off.",
        default=0, rule=between(0, 10_000), unit="bps", reload=True,
    )  # fmt: skip
    maximum_position: DecimalText = setting(
        "Largest position at one venue, with every open order of one side counted as filled.",
        rule=decimal(above_zero=True), unit="base", reload=True,
    )  # fmt: skip
    maximum_group_position: DecimalText | None = setting(
        "Largest position over the venues of one base asset together, counted the same way.",
        default=None, rule=ABOVE_ZERO, unit="base", reload=True,
    )  # fmt: skip
    maximum_positions: int = setting(
        "In so many instruments there may be a position or an open order at once; 0 is off.",
        default=0, rule=between(0, 100_000), reload=True,
    )  # fmt: skip
    maximum_gross_exposure: DecimalText | None = setting(
        "Largest sum of the sizes of all positions at the mid, every open order counted as filled.",
        default=None, rule=ABOVE_ZERO, unit="currency", reload=True,
    )  # fmt: skip
    maximum_net_exposure: DecimalText | None = setting(
        "Largest sum of longs less shorts at the mid, every open order of one side counted as filled.",
        default=None, rule=ABOVE_ZERO, unit="currency", reload=True,
    )  # fmt: skip
    maximum_open_orders: int = setting("Most orders open at once.", default=20, rule=between(1, 100_000), reload=True)
    maximum_orders: int = setting(
        "Most orders and changes within the window.", default=100, rule=between(1, 1_000_000), reload=True
    )
    maximum_requests: int = setting(
        "Most orders, changes and cancels within the window; cancels are never refused. 0 is off.",
        default=0, rule=between(0, 1_000_000), reload=True,
    )  # fmt: skip
    cancel_room: int = setting(
        "So many of `maximum_requests` are kept free for cancels.", default=0, rule=between(0, 1_000_000), reload=True
    )
    window_ms: int = setting(
        "The window of `maximum_orders` and `maximum_requests`.",
        default=1_000, rule=between(1, 86_400_000), unit="ms", reload=True,
    )  # fmt: skip
    maximum_book_age_ms: int = setting(
        "Nothing passes when the touch was told longer ago, even if the book is LIVE; 0 leaves it to the book.",
        default=0, rule=between(0, 86_400_000), unit="ms", reload=True,
    )  # fmt: skip
    refuse_self_trade: bool = setting(
        "Whether an order that could trade with a working one of ours at its venue is refused.",
        default=True,
        reload=True,
    )
    refuse_duplicates: bool = setting(
        "Whether an order is refused while one of the same strategy, side, price and size works.",
        default=False,
        reload=True,
    )
    balances: Mapping[str, DecimalText] = setting(
        'What an account begins with, such as "kraken USDT" = "50000"; an order that this and the fills since do not '
        "cover is refused. Venues and assets that are not named are not watched.",
        factory=dict, rule=each(decimal("0")),
    )  # fmt: skip
    limits: Mapping[str, InstrumentLimits] = setting(
        'Limits of a symbol in place of those for all, by symbol, such as "ETH/USDT".', factory=dict
    )
    currency: str = setting(
        "In which exposure, losses and values are counted. Empty: the money of the instruments, when all have one.",
        default="",
    )  # fmt: skip
    rates: Mapping[str, str] = setting(
        'Where the rate of other money comes from: EUR = "EUR/USDT" takes it live from that symbol.',
        factory=dict, rule=each(text_of(64)),
    )  # fmt: skip
    parity: Mapping[str, DecimalText] = setting(
        "Money held to be worth a fixed amount of `currency`, and that amount.",
        factory=dict, rule=each(decimal(above_zero=True)),
    )  # fmt: skip
    maximum_daily_loss: DecimalText = setting(
        "A larger loss since the day began halts trading.", rule=decimal(above_zero=True), unit="currency", reload=True
    )
    day_begins: str = setting("When a day begins, by the clock of `day_offset`.", default="00:00", rule=TIME_OF_DAY)
    day_offset: str = setting(
        "How far that clock is ahead of UTC; it knows no summer time.", default="+00:00", rule=OFFSET
    )
    maximum_drawdown: DecimalText | None = setting(
        "A larger fall from the highest value halts trading.",
        default=None, rule=ABOVE_ZERO, unit="currency", reload=True,
    )  # fmt: skip
    stop_loss_percent: DecimalText | None = setting(
        "A position that has lost more than this of what it cost halts trading.",
        default=None, rule=ABOVE_ZERO, unit="percent", reload=True,
    )  # fmt: skip
    minimum_portfolio_value: DecimalText | None = setting(
        "A lower value halts trading.",
        default=None, rule=or_none(decimal("0")), unit="currency", reload=True,
    )  # fmt: skip
    starting_value: DecimalText = setting(
        "What the portfolio is worth before its first fill; its value is this and all profit since.",
        default=DecimalText("0"), rule=decimal("0"), unit="currency", reload=True,
    )  # fmt: skip
    warn_percent: int = setting(
        "At this share of a loss limit it is told once that the limit is near; 100 is off.",
        default=80, rule=between(1, 100), unit="percent",
    )  # fmt: skip
    gateways: Mapping[str, str] = setting(
        "The service that carries the orders of a venue, by venue; while it is down, nothing passes there.",
        factory=dict, rule=each(text_of(64)),
    )  # fmt: skip
    connections: Mapping[str, int] = setting(
        "The connection by which a venue is asked after a halt what is still open there, by venue; it is also watched.",
        factory=dict, rule=each(between(1, 1_000_000)),
    )  # fmt: skip
    confirm_ms: int = setting(
        "While trading is halted and something is open, it is cancelled and asked for again after this time.",
        default=500, rule=between(10, 600_000), unit="ms",
    )  # fmt: skip
    leased: bool = setting(
        "Whether it opens risk only within a lease of the limits of the whole system: true where there is a "
        "`LimitKeeper`, and only there.",
        default=False,
    )  # fmt: skip
    lease_orders: int = setting(
        "It asks for what is at risk and so many orders of `maximum_order_notional` on top.",
        default=4, rule=between(1, 100_000),
    )  # fmt: skip
    lease_retry_ms: int = setting(
        "A request for a lease that was not answered, or not in full, is repeated after this time.",
        default=250, rule=between(1, 600_000), unit="ms",
    )  # fmt: skip

    def __attrs_post_init__(self) -> None:
        """What cannot be true together."""
        both = sorted(set(self.rates) & set(self.parity))
        if both:
            raise RuleBroken("a rate or a parity", "leave one of the two out", key=("parity", both[0]), value=both[0])
        if self.cancel_room >= self.maximum_requests > 0:
            told = str(self.cancel_room)
            raise RuleBroken("less than maximum_requests", "lower it", key=("cancel_room",), value=told)
        for name in self.balances:
            if len(name.split()) != 2:
                raise RuleBroken(
                    "a venue and an asset", 'write it as "kraken USDT"', key=("balances", name), value=name
                )  # fmt: skip

    @property
    def day_begins_minutes(self) -> int:
        """When a day begins, in minutes after midnight UTC; below zero on the day before."""
        return begins_minutes(self.day_begins, self.day_offset)


def minutes_of(text: str) -> int:
    """Minutes of a time of day, such as "07:30"; -1 when it is none."""
    hours, colon, minutes = text.partition(":")
    if not (colon and hours.isdecimal() and minutes.isdecimal() and len(hours) == 2 and len(minutes) == 2):
        return -1
    told = int(hours) * 60 + int(minutes)
    return told if int(hours) < 24 and int(minutes) < 60 else -1


def begins_minutes(time: str, offset: str) -> int:
    """A time of day by a clock that is ahead of UTC, in minutes after midnight UTC."""
    ahead = minutes_of(offset[1:])
    return minutes_of(time) - (ahead if offset[0] == "+" else -ahead)
