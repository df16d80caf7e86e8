"""The settings of the exchange, read from `[actors.NAME.params]`, and the exchange that is made from them.

They stand in a module of their own because the exchange is compiled and settings are not. Amounts are decimal text and
become integers here, once; what cannot work is refused here with what to change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from exchange.accounts import Accounts
from exchange.core import Exchange
from exchange.limits import LimitRules
from exchange.records import AMOUNT_SCALE, Account, ExchangeError, FeeTerms, Market
from exchange.reports import Reports
from market.calendar import ALL_WEEK, WEEKDAYS, CalendarError, SessionCalendar, parse_day, parse_minute
from market.instruments import Instrument, InstrumentKind
from market.matching.engine import MatchingEngine
from market.matching.settings import MOST_PRICE, MOST_TOGETHER, MatchingError, MatchingSettings
from market.numbers import NumberError, parse_decimal
from runtime.config.errors import RuleBroken
from runtime.config.model import FEE
from runtime.config.rules import DecimalText, Rule, at_least, between, decimal, each, one_of, setting

NANOSECONDS_PER_MILLISECOND = 1_000_000
# What one request may lead to besides what hangs on the number of orders: triggers above all.
MESSAGES_BESIDES = 500
FEWEST_ORDERS = 10
MOST_ORDERS = 1_000_000
DEFAULT_DISPATCH_LIMIT = 1_000_000
# Shares of a price: a tenth of a basis point is ten parts per million.
PPM_PER_BPS = 100
PPM_DIGITS = 2


@attrs.frozen(kw_only=True)
class LimitParams:
    """What an account may do."""

    messages: int = setting(
        "Orders, changes and questions within the window; cancels are not counted.",
        default=5_000, rule=between(1, 10_000_000),
    )  # fmt: skip
    window_ms: int = setting("The window.", default=1_000, rule=between(1, 60_000), unit="ms")
    open_orders: int = setting("Orders that are open at once.", default=1_000, rule=between(1, 1_000_000))
    free_orders: int = setting(
        "Orders and changes of a day that need no trade.", default=10_000, rule=between(0, 10**15)
    )
    orders_per_trade: int = setting(
        "Further ones that each fill of the day allows; 0 for any number.", default=0, rule=between(0, 1_000_000)
    )

    def rules(self) -> LimitRules:
        """The limits as the exchange applies them."""
        return LimitRules(
            self.messages, self.window_ms * NANOSECONDS_PER_MILLISECOND, self.open_orders, self.free_orders,
            self.orders_per_trade,
        )  # fmt: skip


@attrs.frozen(kw_only=True)
class TierParams:
    """Fees and limits of the accounts that name this tier; what it leaves out is as for everybody."""

    maker_fee_bps: DecimalText | None = setting("Fee of orders that rested; below 0 a rebate.", default=None)
    taker_fee_bps: DecimalText | None = setting("Fee of orders that took.", default=None)
    limits: LimitParams | None = setting("Limits of these accounts.", default=None)

    def __attrs_post_init__(self) -> None:
        """Fees of a tier keep the rule of all fees."""
        for key, text in (("maker_fee_bps", self.maker_fee_bps), ("taker_fee_bps", self.taker_fee_bps)):
            if text is not None and not FEE.holds(text):
                raise RuleBroken(FEE.expected, key=(key,), value=f'"{text}"')


@attrs.frozen(kw_only=True)
class AccountParams:
    """One account."""

    id: int = setting("Its number.", rule=between(1, 2**62))
    group: int = setting(
        "Accounts of one group do not trade with each other where an order asks for that; with 0 an account is a group"
        " by itself.",
        default=0, rule=between(0, 2**62),
    )  # fmt: skip
    deposits: Mapping[str, DecimalText] = setting(
        "What it begins with, by asset.", factory=dict, rule=each(decimal("0"))
    )
    tier: str = setting("The tier of its fees and limits; empty for none.", default="")


@attrs.frozen(kw_only=True)
class MarketParams:
    """What an instrument may do here beyond what its own table says."""

    maximum_price: DecimalText | None = setting("No price is higher; left out, as high as numbers go.", default=None)
    maximum_size: DecimalText | None = setting("No order is larger; left out, as large as numbers go.", default=None)
    band_bps: int | None = setting("Protection band of market orders; left out, that of all markets.", default=None)


def _reads(read: Callable[[str], int], text: str) -> bool:
    try:
        read(text)
    except CalendarError:
        return False
    return True


TIME_OF_DAY = Rule('a time of day in UTC, such as "09:30"', lambda text: _reads(parse_minute, text))
DATE = Rule('a date, such as "2026-12-25"', lambda text: _reads(parse_day, text))


@attrs.frozen(kw_only=True)
class CalendarParams:
    """When the exchange is open, in UTC. By default it never closes, and its days end at 00:00."""

    open: str = setting("When sessions begin.", default="00:00", rule=TIME_OF_DAY)
    close: str = setting(
        "When they end; at or before the beginning it is on the next day.", default="00:00", rule=TIME_OF_DAY
    )
    weekdays: tuple[str, ...] = setting(
        "The days on which sessions begin.", default=tuple(WEEKDAYS), rule=each(one_of(*WEEKDAYS))
    )
    holidays: tuple[str, ...] = setting("Days on which none begins.", default=(), rule=each(DATE))

    def __attrs_post_init__(self) -> None:
        """A calendar that cannot be is told before the start."""
        try:
            self.calendar()
        except CalendarError as error:
            raise RuleBroken("a calendar that can be", str(error)) from error

    def calendar(self) -> SessionCalendar:
        """The calendar as the exchange reads it."""
        weekdays = [WEEKDAYS[name] for name in self.weekdays]
        return SessionCalendar(
            parse_minute(self.open), parse_minute(self.close),
            ALL_WEEK if len(weekdays) == len(ALL_WEEK) else weekdays, [parse_day(day) for day in self.holidays],
        )  # fmt: skip


ORDERS = between(10, 1_000_000)
BAND = Rule("a band of 1 to 10000 basis points", lambda value: 1 <= value <= 10_000)


@attrs.frozen(kw_only=True)
class ExchangeParams:
    """Settings of `ExchangeVenue`."""

    exchange_id: int = setting("Which exchange of this process.", default=1, rule=between(1, 2**31))
    fee_in: str = setting(
        "Fees are taken in the quote, or in what the trade brought.", default="quote", rule=one_of("quote", "received")
    )
    fee_deposits: Mapping[str, DecimalText] = setting(
        "What the exchange's own account begins with, for rebates.", factory=dict, rule=each(decimal("0"))
    )
    accounts: Mapping[str, AccountParams] = setting("The accounts, by name.", factory=dict)
    tiers: Mapping[str, TierParams] = setting("Fees and limits by tier.", factory=dict)
    limits: LimitParams = setting("Limits of accounts without a tier.", factory=LimitParams)
    markets: Mapping[str, MarketParams] = setting("Settings of single instruments, by venue symbol.", factory=dict)
    calendar: CalendarParams = setting("When it is open.", factory=CalendarParams)
    band_bps: int = setting(
        "A market order trades no further than this from the touch.", default=500, rule=BAND, unit="bps"
    )
    most_orders: int | None = setting(
        "Most open orders of one instrument, an iceberg counted once for each of its slices; left out, as many as"
        " runtime.dispatch_limit allows.",
        default=None,
    )
    most_pegged: int = setting("Most pegged ones among them.", default=100, rule=between(0, 100_000))
    most_slices: int = setting("Most slices of an iceberg.", default=1_000, rule=between(1, 100_000))
    most_triggers: int = setting("Most stop orders that one request sets off.", default=100, rule=between(1, 100_000))
    most_sessions: int = setting("Most sessions at once.", default=10_000, rule=between(1, 1_000_000))
    most_keys: int = setting("Most keys whose nonces are kept.", default=10_000, rule=between(1, 1_000_000))
    fills_kept: int = setting("Fills that are kept of each account.", default=1_000, rule=between(1, 1_000_000))
    ended_kept: int = setting("Ended orders of each account that are remembered.", default=1_000, rule=at_least(1))
    ticker_ms: int = setting(
        "A ticker follows a trade within this time.", default=1_000, rule=between(10, 3_600_000), unit="ms"
    )

    def __attrs_post_init__(self) -> None:
        """Accounts have numbers of their own and tiers that exist."""
        if self.most_orders is not None and not ORDERS.holds(self.most_orders):
            raise RuleBroken(ORDERS.expected, key=("most_orders",), value=str(self.most_orders))
        seen: dict[int, str] = {}
        for name, account in self.accounts.items():
            if account.id in seen:
                raise RuleBroken(
                    f"a number of its own; accounts.{seen[account.id]} has it already", "give it another",
                    key=("accounts", name, "id"), value=str(account.id),
                )  # fmt: skip
            seen[account.id] = name
            if account.tier and account.tier not in self.tiers:
                raise RuleBroken(
                    f"one of the tiers: {', '.join(self.tiers) or 'there is none'}", "add a table for it",
                    key=("accounts", name, "tier"), value=f'"{account.tier}"',
                )  # fmt: skip
        for symbol, market in self.markets.items():
            if market.band_bps is not None and not BAND.holds(market.band_bps):
                raise RuleBroken(BAND.expected, key=("markets", symbol, "band_bps"), value=str(market.band_bps))


# ---------------------------------------------------------------------------------------------------- the exchange


def most_orders_within(params: ExchangeParams, instruments: int, dispatch_limit: int) -> int:
    """How many orders each book may hold so that no request leads to more messages than the limit.

    A sweep tells of each order both sides, the public, a new slice and two balances; time may end the orders of all
    books at once, each with a balance; and a cancel of many moves the pegged orders of a book at most twice a side.
    """
    besides = MESSAGES_BESIDES + 4 * params.most_pegged * instruments
    each = 4 + 2 * instruments
    fitting = (dispatch_limit - besides) // each
    wanted = params.most_orders
    if fitting < FEWEST_ORDERS or (wanted is not None and wanted > fitting):
        needed = each * (wanted or FEWEST_ORDERS) + besides
        raise ExchangeError(
            f"books of {wanted or FEWEST_ORDERS} orders: one request may sweep one; set runtime.dispatch_limit to at"
            f" least {needed}, or lower most_orders or most_pegged"
        )
    return min(fitting, MOST_ORDERS) if wanted is None else wanted


def make_exchange(
    params: ExchangeParams, instruments: list[Instrument], dispatch_limit: int = DEFAULT_DISPATCH_LIMIT
) -> Exchange:
    """An exchange for these instruments, its accounts empty as yet."""
    most_orders = most_orders_within(params, len(instruments), dispatch_limit)
    assets = sorted({asset for one in instruments for asset in (one.base, one.quote)})
    _check_deposits(params, assets)
    known = {one.venue_symbol for one in instruments}
    for symbol in params.markets:
        if symbol not in known:
            raise ExchangeError(f"params.markets.{symbol}: no instrument of the exchange has this venue symbol")
    accounts = Accounts(assets, params.fee_in == "received")
    markets = [
        _market(place, one, accounts.place_of, params, most_orders) for place, one in enumerate(instruments)
    ]
    everybody = params.limits.rules()
    rules: dict[int, LimitRules] = {}
    for name, one in params.accounts.items():
        tier = params.tiers.get(one.tier, TierParams())
        terms = [_terms(tier, instrument, market) for instrument, market in zip(instruments, markets, strict=True)]
        # An account without a group is one by itself; groups that are written are positive, so none is the same.
        accounts.add(Account(one.id, name, one.group or -one.id, len(assets), terms))
        rules[one.id] = everybody if tier.limits is None else tier.limits.rules()
        for asset, text in one.deposits.items():
            amount_of(text, f"params.accounts.{name}.deposits.{asset}")
    for asset, text in params.fee_deposits.items():
        amount_of(text, f"params.fee_deposits.{asset}")
    reports = Reports(params.exchange_id, accounts, params.fills_kept, params.ended_kept)
    return Exchange(accounts, reports, markets, rules, params.calendar.calendar())


def deposit_all(params: ExchangeParams, exchange: Exchange) -> None:
    """What the accounts begin with; for a new exchange, once."""
    accounts = exchange.accounts
    wanted = [(accounts.fees, "fee_deposits", params.fee_deposits)]
    for name, one in params.accounts.items():
        wanted.append((accounts.by_id[one.id], f"accounts.{name}.deposits", one.deposits))
    for account, key, deposits in wanted:
        for asset, text in deposits.items():
            amount = amount_of(text, f"params.{key}.{asset}")
            if amount != 0:
                fault = accounts.transfer(account, accounts.place_of[asset], amount)
                if fault:
                    raise ExchangeError(f"params.{key}.{asset}: {fault}")


def amount_of(text: str, key: str) -> int:
    """An amount of an asset from decimal text."""
    whole, _, fraction = text.partition(".")
    if len(fraction.rstrip("0")) > AMOUNT_SCALE:
        raise ExchangeError(f"{key}: {text} has more than {AMOUNT_SCALE} decimal places")
    return int(whole) * 10**AMOUNT_SCALE + int(fraction[:AMOUNT_SCALE].ljust(AMOUNT_SCALE, "0"))


def _check_deposits(params: ExchangeParams, assets: list[str]) -> None:
    """What nothing here trades cannot be deposited: it would be a slip of the pen, and nobody could use it."""
    tables: list[tuple[tuple[str, ...], Mapping[str, DecimalText]]] = [(("fee_deposits",), params.fee_deposits)]
    tables += [(("accounts", name, "deposits"), account.deposits) for name, account in params.accounts.items()]
    for key, deposits in tables:
        for asset, text in deposits.items():
            if asset not in assets:
                raise RuleBroken(
                    f"an asset that an instrument of the exchange has: {', '.join(assets)}",
                    "correct the name, or add an instrument that trades it", key=(*key, asset), value=f'"{text}"',
                )  # fmt: skip


def _market(
    place: int, one: Instrument, places: Mapping[str, int], params: ExchangeParams, most_orders: int
) -> Market:
    name = one.venue_symbol
    if one.kind is not InstrumentKind.SPOT:
        raise ExchangeError(f"{name} is a {one.kind}: the exchange trades spot pairs only; set kind to spot")
    if one.base == one.quote:
        raise ExchangeError(f"{name} trades {one.base} for itself: give it another quote")
    if one.money_scale > AMOUNT_SCALE:
        raise ExchangeError(
            f"{name}: its tick and lot have {one.money_scale} decimal places together, and balances have"
            f" {AMOUNT_SCALE}: give it a larger tick or lot"
        )
    special = params.markets.get(name, MarketParams())
    band_ppm = (params.band_bps if special.band_bps is None else special.band_bps) * PPM_PER_BPS
    try:
        highest = MOST_PRICE if special.maximum_price is None else one.parse_price(special.maximum_price)
        largest = MOST_TOGETHER // most_orders
        if special.maximum_size is not None:
            largest = one.parse_size(special.maximum_size)
        settings = MatchingSettings(
            one.tick, one.lot, max(one.minimum_size, one.lot), largest // one.lot * one.lot,
            highest // one.tick * one.tick, one.minimum_notional, band_ppm, most_orders,
            min(params.most_pegged, most_orders), params.most_slices, params.most_triggers,
        )  # fmt: skip
    except (MatchingError, NumberError) as error:
        raise ExchangeError(f"params.markets.{name}: {error}") from error
    engine = MatchingEngine(settings)
    # It notes which levels change from here on.
    engine.clear_touched()
    return Market(
        place, one.instrument_id, name, places[one.base], places[one.quote], 10 ** (AMOUNT_SCALE - one.money_scale),
        10 ** (AMOUNT_SCALE - one.size_scale), one.tick, one.lot, settings, engine,
    )  # fmt: skip


def _terms(tier: TierParams, one: Instrument, market: Market) -> FeeTerms:
    maker = one.maker_fee_ppm if tier.maker_fee_bps is None else parse_decimal(tier.maker_fee_bps, PPM_DIGITS)
    taker = one.taker_fee_ppm if tier.taker_fee_bps is None else parse_decimal(tier.taker_fee_bps, PPM_DIGITS)
    return FeeTerms(maker, taker, market)
